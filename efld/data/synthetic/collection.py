"""Many rendered faces, on all cores, kept in a cache."""

import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from efld.data.faces import Face
from efld.data.synthetic.renderer import RENDERER_VERSION, render
from efld.errors import InputError
from efld.files import whole
from efld.geometry import Picture, Points

FIRST_TEST_SEED = 1_000_000_000
FEW_FACES = 64  # not worth the start of another process
PROGRESS_FROM = 500  # a bar for fewer faces would only flash


def faces(
    part: Literal["train", "test"],
    count: int,
    *,
    first_seed: int = 0,
    size_px: int = 160,
    cache: Path | None = None,
) -> list[Face]:
    """Renders `count` faces on all cores; every face is a group of its own.

    Args:
        part: seeds of "test" start at 1,000,000,000, beyond any of "train".
        count: how many, 1 or more.
        first_seed: counts from the part's first seed.
        size_px: side of the pictures.
        cache: a folder; faces are read from it when they were rendered before.

    Raises:
        InputError: no faces asked for, seeds that would leave the part, or a damaged cache.
    """
    if count < 1 or first_seed < 0 or first_seed + count > FIRST_TEST_SEED:
        raise InputError(
            f"faces: count {count}, first seed {first_seed}; expected 1 or more faces with seeds "
            f"between 0 and {FIRST_TEST_SEED}."
        )
    start = first_seed + (FIRST_TEST_SEED if part == "test" else 0)
    name = f"faces_v{RENDERER_VERSION}_{part}_{first_seed}_{count}_{size_px}px.npz"
    file = None if cache is None else cache / name
    if file is not None and file.exists():
        pictures, points = _read_cache(file, count, size_px)
    else:
        pictures, points = _render_all(range(start, start + count), size_px)
        if file is not None:
            with whole(file) as temporary:
                np.savez(temporary, pictures=pictures, points=points)
    return [
        Face(f"synthetic/{part}/{first_seed + i:08d}", pictures[i], points[i], part, str(start + i))
        for i in range(count)
    ]


def _render_all(seeds: range, size_px: int) -> tuple[NDArray[np.uint8], Points]:
    """Pictures `(n, size_px, size_px)` and points `(n, 68, 2)` of the seeds."""
    pictures = np.empty((len(seeds), size_px, size_px), np.uint8)
    points = np.empty((len(seeds), 68, 2), np.float32)
    workers = min(os.cpu_count() or 1, 1 + len(seeds) // FEW_FACES)
    with ExitStack() as stack:
        done: Iterator[tuple[Picture, Points]] = map(_render_pair, seeds, repeat(size_px))
        if workers > 1:
            pool = ProcessPoolExecutor(workers, get_context("spawn"), _one_thread)
            stack.enter_context(pool)
            done = pool.map(_render_pair, seeds, repeat(size_px), chunksize=16)
        quiet = True if len(seeds) <= PROGRESS_FROM else None  # None: quiet unless on a terminal
        shown = tqdm(done, "rendering faces", len(seeds), disable=quiet)
        for i, (picture, landmarks) in enumerate(shown):
            pictures[i], points[i] = picture, landmarks
    return pictures, points


def _one_thread() -> None:
    """A worker's OpenCV must not compete with the other workers."""
    cv2.setNumThreads(1)


def _render_pair(seed: int, size_px: int) -> tuple[Picture, Points]:
    rendered = render(seed, size_px)
    return rendered.picture, rendered.points


def _read_cache(file: Path, count: int, size_px: int) -> tuple[NDArray[np.uint8], Points]:
    try:
        with np.load(file) as stored:
            pictures, points = stored["pictures"], stored["points"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{file}: not a cache of faces ({error}). Remove it; it is made again."
        ) from None
    if pictures.shape != (count, size_px, size_px) or points.shape != (count, 68, 2):
        raise InputError(
            f"{file}: holds {pictures.shape} pictures and {points.shape} points, expected {count} "
            f"of {size_px} px. Remove it; it is made again."
        )
    return pictures, points
