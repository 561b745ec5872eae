"""COFW and COFW68: Matlab 7.3 files with the pictures in them, right and damaged."""

import sys
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from efld.data.layouts import cofw, cofw68, layout_of, strict
from efld.errors import InputError
from efld.geometry import Box

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 4, 3), np.uint8)  # as Matlab shows it: height, width, RGB
GREY = RNG.integers(0, 256, (5, 7), np.uint8)
POINTS = RNG.uniform(1, 5, (2, 29, 2))  # Matlab's, from 1
HIDDEN = np.zeros((2, 29))
HIDDEN[1, 3] = 1
BOXES = np.array([[1, 1, 4, 6], [2, 3, 4, 2]], np.float64)


def phis() -> np.ndarray:
    return np.concatenate([POINTS[..., 0], POINTS[..., 1], HIDDEN], axis=1)


def write(path: Path, suffix: str = "T", **changed: Any) -> Path:
    """A file as `save -v7.3` makes it: 512 bytes of header, columns first, cells as references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        cells = [
            file.create_dataset(f"#refs#/{name}", data=picture.T)
            for name, picture in (("a", changed.get("colour", COLOUR)), ("b", GREY))
        ]
        references = np.array([[cell.ref for cell in cells]], h5py.ref_dtype)
        file.create_dataset(f"Is{suffix}", data=references)
        file.create_dataset(f"phis{suffix}", data=changed.get("phis", phis()).T)
        file.create_dataset(f"bboxes{suffix}", data=changed.get("boxes", BOXES).T)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(508) + b"\x00\x02IM")
    return path


def test_every_row_of_both_files_is_a_face(tmp_path: Path) -> None:
    write(tmp_path / "COFW_train_color.mat", "Tr")
    write(tmp_path / "COFW_test_color.mat", "T")
    assert layout_of(tmp_path) is cofw.LAYOUT
    faces = list(cofw.read(tmp_path, strict))
    assert [face.id for face in faces] == ["train/0001", "train/0002", "test/0001", "test/0002"]
    seen, hidden = faces[:2]
    np.testing.assert_allclose(seen.points, POINTS[0] - 1, atol=1e-6)
    assert seen.box == Box(0, 0, 4, 6)
    assert hidden.visible is not None
    np.testing.assert_array_equal(np.flatnonzero(~hidden.visible), [3])
    assert (seen.attributes, hidden.attributes) == (frozenset(), frozenset({"occlusion"}))
    assert hidden.source.endswith("COFW_train_color.mat:2")


def test_pictures_are_turned_upright_and_grey(tmp_path: Path) -> None:
    write(tmp_path / "COFW_test_color.mat")
    colour, grey = (face.grey() for face in cofw.read(tmp_path, strict))
    # The weights of ITU-R BT.601; OpenCV rounds to whole numbers.
    np.testing.assert_allclose(colour, COLOUR @ [0.299, 0.587, 0.114], atol=0.51)
    np.testing.assert_array_equal(grey, GREY)


def test_threads_may_read_pictures_of_one_file(tmp_path: Path) -> None:
    write(tmp_path / "COFW_test_color.mat")
    face = list(cofw.read(tmp_path, strict))[1]
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.append(np.array_equal(face.grey(), GREY)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"phis": phis()[:, :60]}, r"color.mat: phisT, bboxesT, IsT have \(60, 2\), .* Is it"),
        ({"boxes": BOXES[:1]}, r"have \(87, 2\), \(4, 1\), \(1, 2\), expected"),
        ({"phis": np.where(phis() == POINTS[0, 0, 0], np.nan, phis())}, "color.mat:1: .* nan"),
        ({"boxes": BOXES * [[1, 1, 0, 1], [1, 1, 1, 1]]}, "color.mat:1: box 0,0,0,6"),
    ],
)
def test_damage_is_reported(tmp_path: Path, changed: dict[str, Any], found: str) -> None:
    write(tmp_path / "COFW_test_color.mat", **changed)
    with pytest.raises(InputError, match=found):
        list(cofw.read(tmp_path, strict))


@pytest.mark.parametrize("size", [0, 300, 3000])
def test_a_cut_file_is_reported(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "COFW_test_color.mat")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"color.mat: cannot be read .* expected a Matlab 7.3"):
        list(cofw.read(tmp_path, strict))


def test_a_file_without_pictures_is_another_file(tmp_path: Path) -> None:
    write(tmp_path / "COFW_test_color.mat", "Tr")
    with pytest.raises(InputError, match=r"no variable phisT, bboxesT, IsT, found .*'phisTr'"):
        list(cofw.read(tmp_path, strict))


def test_a_picture_that_is_none_is_said_when_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "COFW_test_color.mat", colour=COLOUR.astype(np.float64))
    first, second = cofw.read(tmp_path, strict)
    with pytest.raises(InputError, match=r"color.mat:1: expected an 8-bit .* found float64"):
        first.grey()
    np.testing.assert_array_equal(second.grey(), GREY)


def test_without_h5py_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "COFW_test_color.mat")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"color.mat: needs h5py .* pip install '\.\[data\]'"):
        list(cofw.read(tmp_path, strict))


def write_68(root: Path, **changed: Any) -> np.ndarray:
    write(root / cofw68.PICTURES)
    scipy.io.savemat(root / cofw68.BOXES, {"bboxes": BOXES})
    points = RNG.uniform(1, 5, (68, 2))
    (root / cofw68.ANNOTATIONS).mkdir()
    for number in (1, 2):
        occluded = np.eye(68)[[number - 1]].T * (number - 1)
        content = {"Points": points, "Occ": occluded} | changed
        scipy.io.savemat(root / cofw68.ANNOTATIONS / f"{number}_points.mat", content)
    return points


def test_cofw68_has_68_points_for_cofws_test_pictures(tmp_path: Path) -> None:
    points = write_68(tmp_path)
    assert layout_of(tmp_path) is cofw68.LAYOUT
    first, second = cofw68.read(tmp_path, strict)
    assert (first.id, first.part, first.scheme) == ("test/0001", "test", "68")
    np.testing.assert_allclose(first.points, points - 1, atol=1e-6)
    np.testing.assert_array_equal(second.grey(), GREY)
    assert second.box == Box(1, 2, 4, 2)
    assert second.visible is not None
    np.testing.assert_array_equal(np.flatnonzero(~second.visible), [1])
    assert (first.attributes, second.attributes) == (frozenset(), frozenset({"occlusion"}))


def test_cofw68_reports_damage_and_goes_on(tmp_path: Path) -> None:
    write_68(tmp_path)
    first = tmp_path / cofw68.ANNOTATIONS / "1_points.mat"
    scipy.io.savemat(first, {"Points": np.zeros((29, 2)), "Occ": np.zeros(29)})
    scipy.io.savemat(first.with_name("3_points.mat"), {"Points": np.zeros((68, 2))})
    problems: list[InputError] = []
    assert [face.id for face in cofw68.read(tmp_path, problems.append)] == ["test/0002"]
    assert "1_points.mat: Points has (29, 2)" in str(problems[0])
    assert "3_points.mat: expected a number from 1 to 2 in the name" in str(problems[1])


def test_cofw68_needs_cofws_pictures(tmp_path: Path) -> None:
    write_68(tmp_path)
    (tmp_path / cofw68.PICTURES).unlink()
    problems: list[InputError] = []
    assert not list(cofw68.read(tmp_path, problems.append))
    assert "COFW_test_color.mat: cannot be read" in str(problems[0])
