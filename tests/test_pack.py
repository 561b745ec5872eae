"""Cut faces on disk: equal to cutting them, made once, whole or absent, flat in memory."""

import os
import shutil
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from efld import geometry
from efld.data import faces as faces_module
from efld.data import pack as pack_module
from efld.data.batches import ZOOM, cut_regions, region_px
from efld.data.faces import Face
from efld.errors import InputError
from efld.geometry import Picture

FACTOR = 1.25
REGION_PX = region_px(112)
PER_SHARD = 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and shards of three faces."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pack_module, "SHARD", PER_SHARD)
    return tmp_path / "cache" / "efld" / "regions"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the picture files decoded so far."""
    names: list[str] = []
    read = faces_module.read_grey

    def counting(path: Path) -> Picture:
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(faces_module, "read_grey", counting)
    return names


def picture(seed: int) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (120, 100), np.uint8)


def some_faces(folder: Path, count: int) -> list[Face]:
    """Faces in files `00.png`, `01.png`, ..., each with other pixels and points."""
    folder.mkdir(exist_ok=True)
    found = []
    for i in range(count):
        path = folder / f"{i:02d}.png"
        cv2.imwrite(str(path), picture(i))
        points = np.random.default_rng(i).uniform(20, 80, (68, 2)).astype(np.float32)
        found.append(Face(path.stem, path, points, "train", path.stem))
    return found


def direct(faces: list[Face]) -> NDArray[np.uint8]:
    """The regions, cut here and now."""
    boxes = [geometry.truth_square(face.points, FACTOR * ZOOM) for face in faces]
    cut = [geometry.crop(f.grey(), box, REGION_PX) for f, box in zip(faces, boxes, strict=True)]
    return np.stack(cut)


def shard_files(cache: Path) -> set[str]:
    return {path.name for path in cache.glob("*.u8")}


@dataclass(frozen=True)
class Frame:
    """A stand-in for a frame of a video, which can only be read forwards."""

    path: Path
    number: int
    read: ClassVar[list[int]] = []

    def grey(self) -> Picture:
        assert threading.current_thread() is threading.main_thread()
        self.read.append(self.number)
        return picture(self.number)


@pytest.mark.parametrize("count", [1, PER_SHARD, 2 * PER_SHARD + 1])
def test_packed_regions_are_the_cut_ones(tmp_path: Path, count: int) -> None:
    faces = some_faces(tmp_path / "faces", count)
    for _ in range(2):  # made, then found
        regions = cut_regions(faces, FACTOR)
        assert len(regions) == len(regions.pictures) == count
        np.testing.assert_array_equal(np.stack(list(regions.pictures)), direct(faces))
        for i, picture in enumerate(direct(faces)):
            np.testing.assert_array_equal(regions.pictures[i], picture)
        with pytest.raises(IndexError):
            regions.pictures[count]


def test_larger_crops_are_cut_from_larger_regions(tmp_path: Path) -> None:
    regions = cut_regions(some_faces(tmp_path / "faces", 1), FACTOR, input_px=144)
    assert regions.pictures[0].shape == (226, 226)


def test_a_second_start_opens_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    faces = some_faces(tmp_path / "faces", 4)
    first = np.stack(list(cut_regions(faces, FACTOR).pictures))
    assert len(decoded) == 4

    def opened(path: Path) -> str:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr("efld.files.sha256", opened)
    np.testing.assert_array_equal(np.stack(list(cut_regions(faces, FACTOR).pictures)), first)
    assert len(decoded) == 4


def test_a_copied_dataset_is_known_by_its_content(
    tmp_path: Path, cache: Path, decoded: list[str]
) -> None:
    faces = some_faces(tmp_path / "faces", 4)
    cut_regions(faces, FACTOR)
    before = shard_files(cache)
    shutil.copytree(tmp_path / "faces", tmp_path / "copy")
    copies = [replace(face, picture=tmp_path / "copy" / f"{face.id}.png") for face in faces]
    cut_regions(copies, FACTOR)
    assert shard_files(cache) == before
    assert len(decoded) == 4


def test_a_changed_picture_rebuilds_its_shard_alone(tmp_path: Path, decoded: list[str]) -> None:
    faces = some_faces(tmp_path / "faces", 2 * PER_SHARD)
    cut_regions(faces, FACTOR)
    decoded.clear()
    path = tmp_path / "faces" / "04.png"
    before = path.stat()
    cv2.imwrite(str(path), picture(99))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a careless copy would
    regions = cut_regions(faces, FACTOR)
    assert sorted(decoded) == ["03.png", "04.png", "05.png"]
    np.testing.assert_array_equal(np.stack(list(regions.pictures)), direct(faces))


@pytest.mark.parametrize("change", ["points", "factor", "order"])
def test_every_choice_that_decides_the_pixels_is_in_the_key(tmp_path: Path, change: str) -> None:
    faces = some_faces(tmp_path / "faces", 2)
    cut_regions(faces, FACTOR)
    if change == "points":
        faces[1] = replace(faces[1], points=faces[1].points + np.float32(5))
    elif change == "order":
        faces.reverse()
    factor = FACTOR + (change == "factor")
    box = geometry.truth_square(faces[1].points, factor * ZOOM)
    expected = geometry.crop(faces[1].grey(), box, REGION_PX)
    np.testing.assert_array_equal(cut_regions(faces, factor).pictures[1], expected)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, InputError("a picture")])
def test_a_stopped_build_goes_on_where_it_stopped(
    tmp_path: Path,
    cache: Path,
    decoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
    interruption: type[BaseException] | BaseException,
) -> None:
    faces = some_faces(tmp_path / "faces", 3 * PER_SHARD)
    crop = geometry.crop

    def stopping(*args: object) -> Picture:
        if "04.png" in decoded:
            raise interruption
        return crop(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(geometry, "crop", stopping)
    with pytest.raises((KeyboardInterrupt, InputError)):
        cut_regions(faces, FACTOR)
    assert len(shard_files(cache)) == 1
    monkeypatch.setattr(geometry, "crop", crop)
    decoded.clear()
    regions = cut_regions(faces, FACTOR)
    assert sorted(decoded) == [f"{i:02d}.png" for i in range(3, 9)]
    np.testing.assert_array_equal(np.stack(list(regions.pictures)), direct(faces))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("suffix", ["u8", "link"])
@pytest.mark.parametrize("damage", [cut_off, emptied, Path.unlink])
def test_a_damaged_cache_is_mended(
    tmp_path: Path, cache: Path, suffix: str, damage: Callable[[Path], None]
) -> None:
    faces = some_faces(tmp_path / "faces", 2)
    cut_regions(faces, FACTOR)
    (file,) = cache.glob(f"*.{suffix}")
    damage(file)
    regions = cut_regions(faces, FACTOR)
    np.testing.assert_array_equal(np.stack(list(regions.pictures)), direct(faces))


def test_frames_are_read_in_order_and_known_by_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tmp_path / "vid.avi"
    video.write_bytes(b"one")
    read: list[int] = []
    monkeypatch.setattr(Frame, "read", read)
    points = np.random.default_rng(0).uniform(20, 80, (68, 2)).astype(np.float32)
    faces = [Face(str(i), Frame(video, i), points, "train", "0") for i in range(7)]
    for _ in range(2):
        cut_regions(faces, FACTOR)
        assert read == list(range(7))
    video.write_bytes(b"another")
    cut_regions(faces, FACTOR)
    assert read == [*range(7), *range(7)]


def test_pixels_in_memory_are_known_by_their_content(tmp_path: Path) -> None:
    faces = [replace(face, picture=face.grey()) for face in some_faces(tmp_path / "faces", 2)]
    cut_regions(faces, FACTOR)
    faces[1] = replace(faces[1], picture=picture(99))
    np.testing.assert_array_equal(cut_regions(faces, FACTOR).pictures[1], direct(faces)[1])


def test_memory_does_not_grow_with_the_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = some_faces(tmp_path / "faces", 8) * 32
    monkeypatch.setattr(pack_module, "SHARD", 16)
    tracemalloc.start()
    try:
        regions = cut_regions(faces, FACTOR)
        total = sum(int(picture.sum()) for picture in regions.pictures)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 0
    # All 256 regions are 7.9 MB; one shard of 16 and what the threads hold are about 1 MB.
    assert peak_bytes < 3e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"points": np.full((68, 2), np.nan, np.float32)},
            "point 0 is not annotated, expected all",
        ),
        ({"scheme": "98"}, "68 points of scheme '98', expected 68 of '68'"),
        ({"points": np.zeros((5, 2), np.float32)}, "5 points of scheme '68', expected 68"),
        ({"picture": Path("none.png")}, "none.png: cannot be read"),
    ],
)
def test_a_face_that_cannot_be_used_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    faces = some_faces(tmp_path / "faces", 2)
    faces[1] = replace(faces[1], **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        cut_regions(faces, FACTOR)


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    with pytest.raises(InputError, match=r"taken.*cannot be written.*XDG_CACHE_HOME"):
        cut_regions(some_faces(tmp_path / "faces", 1), FACTOR)


def test_a_full_disk_is_said_before_anything_is_cut(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    needed = 4 * REGION_PX**2
    with pytest.raises(InputError, match=f"need {needed} bytes, 100000 are free"):
        cut_regions(some_faces(tmp_path / "faces", 4), FACTOR)
    assert not shard_files(cache)
