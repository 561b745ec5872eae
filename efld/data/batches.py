"""Training batches: seeded, parallel, addressed by step, so that a run can go on anywhere."""

import copy
import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from efld import geometry, schemes
from efld.data.augment import Augmentation, Augmenter, Placement, place
from efld.data.faces import Face
from efld.data.pack import pack
from efld.errors import InputError
from efld.geometry import Picture, Points
from efld.pose import moved

ZOOM = 1.6  # the stored region's side over the crop's: room for rotation, shift and scale

Array = NDArray[np.float32]
# `landmarks` (n, points, 2) in 0..1; with poses also `pose` (n, 3) in radians and `weight` (n,).
Targets = dict[str, Array]
Batch = tuple[Array, Targets]  # pictures (n, S, S, 1), 0..255


class Pictures(Protocol):
    """An array, or shards on disk: `efld.data.pack`."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Picture: ...
    def __iter__(self) -> Iterator[Picture]: ...


@dataclass(frozen=True, eq=False)
class Regions:
    """Faces, each cut with a margin. What is an array has a row for each face."""

    pictures: Pictures  # n of (side, side)
    points: Points  # (n, points, 2), 0..1 over the region
    poses: Array | None = None  # (n, 3) radians, for losses that look at the head's pose
    weights: Array | None = None  # (n,), how much each face counts

    def __len__(self) -> int:
        return len(self.pictures)


def region_px(input_px: int) -> int:
    """Side of a stored region: about `ZOOM` times the crop's, so 176 for 112."""
    return input_px * 11 // 7


def cut_regions(
    faces: Sequence[Face], box_factor: float, scheme: str = "68", input_px: int = 112
) -> Regions:
    """Decodes and cuts every face, once for all trainings: `efld.data.pack` says where they lie.

    Args:
        input_px: side of the crops that will be drawn from the regions.

    Raises:
        InputError: no faces, a face without all points of `scheme`, a picture that cannot be read,
            or no room.
    """
    if not faces:
        raise InputError("no faces to train on, expected one or more. Choose another split.")
    for face in faces:
        _refuse_unusable(face, scheme)
    boxes = [geometry.truth_square(face.points, box_factor * ZOOM) for face in faces]
    points = np.empty((len(faces), schemes.scheme(scheme).points, 2), np.float32)
    for i, (face, box) in enumerate(zip(faces, boxes, strict=True)):
        points[i] = geometry.to_crop(face.points, box)
    return Regions(pack(faces, boxes, region_px(input_px)), points)


def _refuse_unusable(face: Face, scheme: str) -> None:
    name = f"{face.id} ({face.source})" if face.source else face.id
    count = schemes.scheme(scheme).points
    if face.scheme != scheme or face.points.shape != (count, 2):
        raise InputError(
            f"{name}: {len(face.points)} points of scheme {face.scheme!r}, expected {count} of "
            f"{scheme!r}. Leave such faces out, or train a model for their scheme."
        )
    known = np.isfinite(face.points).all(axis=1)
    if not known.all():
        raise InputError(
            f"{name}: point {int(known.argmin())} is not annotated, expected all {count} points. "
            "Leave such faces out."
        )


def _targets(
    regions: Regions, index: int, points: Points, angle_rad: float = 0.0, mirrored: bool = False
) -> Targets:
    """Of one face, after its picture was turned and then, perhaps, mirrored."""
    if regions.poses is None or regions.weights is None:
        return {"landmarks": points}
    pose = moved(regions.poses[index], angle_rad, mirrored)
    return {"landmarks": points, "pose": pose, "weight": regions.weights[index]}


def _stacked(faces: Sequence[tuple[Picture, Targets]]) -> Batch:
    images = np.stack([picture for picture, _ in faces]).astype(np.float32)
    names = faces[0][1]
    return images[..., None], {n: np.stack([targets[n] for _, targets in faces]) for n in names}


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
        return _stacked([self._face(rng, *self._drawn(step, i)) for i in range(self.batch)])

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
    ) -> tuple[Picture, Targets]:
        augmenter = self.augmenter
        placement = augmenter.placement(rng)
        picture, points = place(
            regions.pictures[index], regions.points[index], ZOOM, placement, augmenter.size_px
        )
        mirrored = rng.random() < augmenter.strength.mirror
        if mirrored:
            picture = cv2.flip(picture, 1).astype(np.uint8, copy=False)
            points = schemes.mirror(points, self.scheme)
        picture, points = augmenter.reshaped(picture, points, regions.points, rng)
        targets = _targets(regions, index, points, placement.angle_rad, mirrored)
        return augmenter.spoil(picture, rng), targets

    def unspoilt(self) -> Self:
        """The same faces, moved and warped as strongly, in pictures as they are."""
        other = copy.copy(self)
        other.augmenter = Augmenter(self.augmenter.strength.unspoilt, self.augmenter.size_px)
        return other

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
    faces = []
    for i, region in enumerate(regions.pictures):
        picture, points = place(region, regions.points[i], ZOOM, middle, size_px)
        faces.append((picture, _targets(regions, i, points)))
    return _stacked(faces)
