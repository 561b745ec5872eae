"""Training batches: seeded, parallel, addressed by step, so that a run can go on anywhere."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from efld import geometry, schemes
from efld.data.augment import Augmentation, Augmenter, Placement, place
from efld.data.faces import Face
from efld.geometry import Picture, Points

ZOOM = 1.6  # the stored region's side over the crop's: room for rotation, shift and scale
REGION_PX = 176  # about the crop's resolution: 112 * 1.6

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]  # (n, S, S, 1) 0..255; (n, points, 2) 0..1


@dataclass(frozen=True, eq=False)
class Regions:
    """Decoded faces, each cut with a margin: 31 kB a face."""

    pictures: NDArray[np.uint8]  # (n, REGION_PX, REGION_PX)
    points: Points  # (n, points, 2), 0..1 over the region

    def __len__(self) -> int:
        return len(self.pictures)


def cut_regions(faces: Sequence[Face], box_factor: float) -> Regions:
    """Decodes and cuts every face once, in parallel.

    Raises:
        InputError: a picture that cannot be read.
    """

    def cut(face: Face) -> tuple[Picture, Points]:
        box = geometry.truth_square(face.points, box_factor * ZOOM)
        return geometry.crop(face.grey(), box, REGION_PX), geometry.to_crop(face.points, box)

    with ThreadPoolExecutor() as pool:
        done = list(
            tqdm(pool.map(cut, faces), "reading faces", len(faces), disable=None, leave=False)
        )
    return Regions(np.stack([d[0] for d in done]), np.stack([d[1] for d in done]))


@dataclass(frozen=True)
class Source:
    """Faces to draw from, until step `until`."""

    regions: Regions
    until: float = math.inf


@lru_cache(maxsize=4)
def _order(seed: int, passed: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, passed, count]).permutation(count)


class Batches:
    """Batch number `step` of a run; equal for equal seed, whatever came before it."""

    def __init__(
        self,
        sources: Sequence[Source],
        batch: int,
        size_px: int,
        strength: Augmentation,
        seed: int,
        scheme: str = "68",
    ) -> None:
        self.sources = sources
        self.batch = batch
        self.seed = seed
        self.scheme = scheme
        self.augmenter = Augmenter(strength, size_px)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        faces = [self._face(rng, *self._drawn(step, i)) for i in range(self.batch)]
        images = np.stack([face[0] for face in faces]).astype(np.float32)
        return images[..., None], np.stack([face[1] for face in faces])

    def _drawn(self, step: int, slot: int) -> tuple[Regions, int]:
        """Which face lies in a slot: every face once a pass, in another order each pass."""
        active = [source.regions for source in self.sources if step < source.until]
        count = sum(map(len, active))
        passed, place_in_pass = divmod(step * self.batch + slot, count)
        index = int(_order(self.seed, passed, count)[place_in_pass])
        for regions in active:
            if index < len(regions):
                return regions, index
            index -= len(regions)
        raise IndexError(f"face {index} of {len(active)} sources")

    def _face(
        self, rng: np.random.Generator, regions: Regions, index: int
    ) -> tuple[Picture, Points]:
        augmenter = self.augmenter
        picture, points = place(
            regions.pictures[index],
            regions.points[index],
            ZOOM,
            augmenter.placement(rng),
            augmenter.size_px,
        )
        if rng.random() < augmenter.strength.mirror:
            picture = cv2.flip(picture, 1).astype(np.uint8, copy=False)
            points = schemes.mirror(points, self.scheme)
        return augmenter.spoil(picture, rng), points

    def stream(self, start: int, stop: int, workers: int = 2, ahead: int = 6) -> Iterator[Batch]:
        """Batches `start` to `stop`, made ahead of time by threads (OpenCV frees the lock)."""
        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[Future[Batch]] = deque()
            for step in range(start, stop):
                waiting.append(pool.submit(self.__getitem__, step))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def mean_shape(regions: Regions) -> Points:
    """Mean landmarks of the unjittered crops, `(points, 2)` in 0..1 over the crop."""
    return ((regions.points - 0.5) * ZOOM + 0.5).mean(axis=0).astype(np.float32)


def plain(regions: Regions, size_px: int) -> Batch:
    """All faces unaugmented: the crops a model sees when it is measured."""
    middle = Placement(0, 1, 0, 0)
    cut = [
        place(p, q, ZOOM, middle, size_px)
        for p, q in zip(regions.pictures, regions.points, strict=True)
    ]
    return np.stack([c[0] for c in cut]).astype(np.float32)[..., None], np.stack(
        [c[1] for c in cut]
    )
