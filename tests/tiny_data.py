"""Small annotated pictures for tests."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from efld.data.faces import Face
from efld.data.layouts.layout import Layout
from efld.data.pts import write_pts
from efld.geometry import Points

POINTS = np.random.default_rng(0).uniform(10, 90, (68, 2)).astype(np.float32)


def put(root: Path, name: str, points: Points = POINTS, grey: int = 128) -> Path:
    """An annotated picture `name` of 100x100 pixels under `root`; returns the `.pts`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(f"{path}.png", np.full((100, 100), grey, np.uint8))
    pts = path.with_name(f"{path.name}.pts")
    write_pts(pts, points)
    return pts


def put_video(path: Path, greys: list[int]) -> None:
    """A video of 100x100 pixels, each frame of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (100, 100))
    for grey in greys:
        video.write(np.full((100, 100, 3), grey, np.uint8))
    video.release()


def read_all(layout: Layout, root: Path) -> tuple[list[Face], list[str]]:
    """All faces, and the damage that was reported."""
    damage: list[str] = []
    faces = list(layout.read(root, lambda error: damage.append(str(error))))
    return faces, damage


def close(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nobody may list a folder of that name; played, since a superuser may list everything."""
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", refuse)
