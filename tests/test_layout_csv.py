"""Udacity's csv and HRNet's csv."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from efld.data.layouts import hrnet_csv, layout_of, udacity
from efld.geometry import Box
from tests.tiny_data import POINTS, read_all


def write_csv(path: Path, columns: list[str], rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def put_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((100, 100), 128, np.uint8))


@pytest.fixture
def p1(tmp_path: Path) -> Path:
    numbers = POINTS.round().ravel().tolist()
    for table, folder in udacity.PARTS.values():
        put_picture(tmp_path / "data" / folder / "Ann_Lee_01.jpg")
        rows: list[list[object]] = [["Ann_Lee_01.jpg", *numbers]]
        write_csv(tmp_path / "data" / table, ["", *udacity.COLUMNS], rows)
    return tmp_path


@pytest.mark.parametrize("sub", [".", "data"])
def test_udacity_is_zero_based_and_split(p1: Path, sub: str) -> None:
    root = p1 / sub
    assert layout_of(root).name == "Udacity P1"
    faces, damage = read_all(layout_of(root), root)
    assert not damage
    assert [(face.id, face.part, face.group) for face in faces] == [
        ("training/Ann_Lee_01", "train", "Ann_Lee"), ("test/Ann_Lee_01", "test", "Ann_Lee"),
    ]  # fmt: skip
    np.testing.assert_array_equal(faces[0].points, POINTS.round())


def test_udacity_with_a_missing_picture_and_a_bad_row(p1: Path) -> None:
    table = p1 / "data" / "training_frames_keypoints.csv"
    with table.open("a", newline="") as file:
        csv.writer(file).writerow(["Bob_00.jpg", *range(136)])
        csv.writer(file).writerow(["Cid_00.jpg", *["O"] * 136])
        csv.writer(file).writerow(["Dan_00.jpg", 1, 2])
    faces, damage = read_all(udacity.LAYOUT, p1)
    assert len(faces) == 2
    assert "training_frames_keypoints.csv:3: no picture" in damage[0]
    assert "csv:4: expected numbers" in damage[1]
    assert "csv:5: column '2' has no finite number" in damage[2]


def test_a_missing_column_is_named(p1: Path) -> None:
    write_csv(p1 / "data" / "test_frames_keypoints.csv", ["", *udacity.COLUMNS[:-1]], [])
    faces, damage = read_all(udacity.LAYOUT, p1)
    assert len(faces) == 1
    assert "csv: expected a first line with 136 titles of numbers, '0' to '135', and" in damage[0]
    assert "found 136 titles, '135' not among them" in damage[0]


def hrnet_row(name: str) -> list[object]:
    return [name, 0.5, 50.5, 60.5, *(POINTS + 1).ravel().tolist()]


@pytest.fixture
def hrnet(tmp_path: Path) -> Path:
    names = {
        "train": ["afw/1_1.jpg"],
        "valid_common": ["lfpw/testset/image_0001.png"],
        "valid_challenge": ["ibug/image_1.jpg"],
        "valid": ["ibug/image_1.jpg", "lfpw/testset/image_0001.png", "ibug/image_2.jpg"],
    }
    for part, files in names.items():
        rows = [hrnet_row(name) for name in files]
        write_csv(
            tmp_path / f"face_landmarks_300w_{part}.csv", ["image_name", *hrnet_csv.COLUMNS], rows
        )
    return tmp_path


def test_hrnet_counts_from_one_and_yields_no_face_twice(hrnet: Path) -> None:
    faces, damage = read_all(layout_of(hrnet), hrnet)
    assert [(face.id, face.part) for face in faces] == [
        ("afw/1_1", "train"), ("lfpw/testset/image_0001", "common"),
        ("ibug/image_1", "challenging"), ("ibug/image_2", "challenging"),
    ]  # fmt: skip
    np.testing.assert_allclose(faces[0].points, POINTS, atol=1e-5)
    assert faces[0].box == Box(0, 10, 100, 100)  # 200 * 0.5 around pixel centre 49.5, 59.5
    assert len(damage) == 1
    assert "4 of 4 pictures are not there" in damage[0]


@pytest.mark.parametrize("folder", ["images", "."])
def test_hrnet_finds_pictures_in_images_or_beside(hrnet: Path, folder: str) -> None:
    for face in read_all(hrnet_csv.LAYOUT, hrnet)[0]:
        assert isinstance(face.picture, Path)
        put_picture(hrnet / folder / face.picture.relative_to(hrnet / "images"))
    faces, damage = read_all(hrnet_csv.LAYOUT, hrnet)
    assert faces[0].picture == hrnet / folder / "afw" / "1_1.jpg"
    assert not damage


def test_real_hrnet_csv_has_the_official_test_faces(real_data: Path) -> None:
    faces, _ = read_all(hrnet_csv.LAYOUT, real_data / "300w_annotations")
    assert [sum(f.part == part for f in faces) for part in ("common", "challenging")] == [554, 135]


def test_real_hrnet_csv_agrees_with_the_pts_files(real_data: Path) -> None:
    rows = {face.id: face for face in read_all(hrnet_csv.LAYOUT, real_data / "300w_annotations")[0]}
    root = real_data / "original_files"
    originals = [face for face in read_all(layout_of(root), root)[0] if face.part == "common"]
    assert originals
    for face in originals:  # 1e-3: float32 of coordinates up to 3000 px
        np.testing.assert_allclose(rows[face.id].points, face.points, atol=1e-3)
