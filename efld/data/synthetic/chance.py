"""Chance: numbers and noises that a seeded generator draws."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Mask = NDArray[np.float32]


def normal(rng: Rng, mean: float, deviation: float, low: float, high: float) -> float:
    return float(np.clip(rng.normal(mean, deviation), low, high))


def between(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def around(rng: Rng, mean: float, deviation: float) -> float:
    return normal(rng, mean, deviation, mean - 2.5 * deviation, mean + 2.5 * deviation)


@lru_cache(maxsize=1)
def noises() -> tuple[Mask, Mask, Mask]:
    """Cloudy, grainy and stranded noise, each `(1024, 1024)`, mean 0, deviation 1.

    Made once; a face cuts its own piece at a random place.
    """
    rng = np.random.default_rng(68)
    side = 1024
    cloud = np.zeros((side, side), np.float32)
    for level in range(2, 9):
        coarse = rng.standard_normal((2**level, 2**level), np.float32)
        cloud += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) * 0.55**level
    grain = cv2.GaussianBlur(rng.standard_normal((side, side), np.float32), (0, 0), 0.9)
    strand = cv2.GaussianBlur(
        rng.standard_normal((side, side), np.float32), (0, 0), sigmaX=1.3, sigmaY=22
    )
    return _standard(cloud), _standard(grain), _standard(strand)


def _standard(noise: NDArray[Any]) -> Mask:
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def cut(rng: Rng, noise: Mask, shape: tuple[int, int]) -> Mask:
    """A random piece of a noise; larger than it, a stretched one."""
    rows, columns = (min(wanted, have) for wanted, have in zip(shape, noise.shape, strict=True))
    top = int(rng.integers(noise.shape[0] - rows + 1))
    left = int(rng.integers(noise.shape[1] - columns + 1))
    piece = noise[top : top + rows, left : left + columns]
    if piece.shape != shape:
        piece = cv2.resize(piece, shape[::-1]).astype(np.float32)
    return piece
