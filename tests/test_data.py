"""Reading faces: formats, layouts, splits."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from efld.data import datasets
from efld.data.faces import Face, Part, read_grey
from efld.data.pts import read_pts, write_pts
from efld.errors import InputError
from tests.tiny_data import POINTS, put


def test_pts_counts_from_one(tmp_path: Path) -> None:
    path = tmp_path / "a.pts"
    write_pts(path, POINTS)
    first = path.read_text().splitlines()[3]
    assert [float(n) for n in first.split()] == pytest.approx(POINTS[0] + 1, abs=1e-5)
    np.testing.assert_allclose(read_pts(path), POINTS, atol=1e-5)


def test_pts_without_header_and_with_untidy_space(tmp_path: Path) -> None:
    rows = [f"  {x + 1:.6f}\t{y + 1:.6f} " for x, y in POINTS]
    bare, untidy = tmp_path / "bare.pts", tmp_path / "untidy.pts"
    bare.write_text("\n".join(rows))
    untidy.write_text("version:  1\r\nn_points:68\r\n{\r\n" + "\r\n".join(rows) + "\r\n}\r\n\r\n")
    np.testing.assert_allclose(read_pts(bare), POINTS, atol=1e-5)
    np.testing.assert_allclose(read_pts(untidy), POINTS, atol=1e-5)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4)])
def test_grey_colour_and_opaque_pictures_are_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "p.png"
    cv2.imwrite(str(path), np.full(shape, 255, np.uint8))
    picture = read_grey(path)
    assert picture.shape == (20, 30)
    assert picture.dtype == np.uint8
    assert picture.min() == 255


def test_colour_becomes_luma(tmp_path: Path) -> None:
    path = tmp_path / "blue.png"
    cv2.imwrite(str(path), np.full((4, 4, 3), (255, 0, 0), np.uint8))  # OpenCV writes BGR
    assert read_grey(path)[0, 0] == 29  # 0.114 * 255


def test_a_dataset_is_called_the_same_from_wherever_it_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "faces" / "300w"
    root.mkdir(parents=True)
    seen = {datasets.label(root)}
    for folder, name in ((root, "."), (root.parent, "300w"), (root.parent, "../faces/300w")):
        monkeypatch.chdir(folder)
        seen.add(datasets.label(Path(name)))
    assert seen == {"faces/300w"}


@pytest.fixture
def three_hundred_w(tmp_path: Path) -> Path:
    for name in (
        "afw/111_1", "afw/111_2", "helen/trainset/22_1", "helen/testset/33_1",
        "lfpw/trainset/image_0001", "lfpw/trainset/image_0002", "lfpw/testset/image_0001",
        "ibug/image_003_1",
    ):  # fmt: skip
        put(tmp_path, name)
    return tmp_path


@pytest.mark.parametrize(
    ("split", "count"), [("train", 5), ("common", 2), ("challenging", 1), ("full", 3), ("all", 8)]
)
def test_300w_splits(three_hundred_w: Path, split: str, count: int) -> None:
    faces = datasets.open_faces(three_hundred_w, split)
    assert len(faces) == len({face.id for face in faces}) == count


def test_faces_of_one_picture_are_one_group_and_numbers_are_not(three_hundred_w: Path) -> None:
    groups = {face.id: face.group for face in datasets.open_faces(three_hundred_w, "train")}
    assert groups["afw/111_1"] == groups["afw/111_2"]
    assert groups["lfpw/trainset/image_0001"] != groups["lfpw/trainset/image_0002"]


def test_any_folder_of_annotated_pictures(tmp_path: Path) -> None:
    put(tmp_path, "ann/a_01")
    put(tmp_path, "bob/b_01")
    faces = datasets.open_faces(tmp_path, "all")
    assert [face.id for face in faces] == ["ann/a_01", "bob/b_01"]
    np.testing.assert_allclose(faces[0].points, POINTS, atol=1e-5)
    with pytest.raises(InputError, match=r"split 'common' is empty, expected one of all 2"):
        datasets.open_faces(tmp_path, "common")


def face(name: str, part: Part = "train") -> Face:
    return Face(name, np.zeros((4, 4), np.uint8), POINTS, part, name.split("_", maxsplit=1)[0])


def test_validation_is_by_group_and_does_not_depend_on_the_others() -> None:
    faces = [face(f"person{i // 5}_{i % 5}") for i in range(1000)]
    kept, held = datasets.hold_out(faces, 0.2)
    assert not {f.group for f in kept} & {f.group for f in held}
    assert 0.1 < len(held) / len(faces) < 0.3
    _, held_of_half = datasets.hold_out(faces[:500], 0.2)
    assert {f.id for f in held_of_half} == {f.id for f in held} & {f.id for f in faces[:500]}


@pytest.mark.parametrize("part", ["common", "challenging", "test"])
def test_a_test_face_is_refused_for_validation(part: Part) -> None:
    with pytest.raises(
        InputError, match=rf"x_1: is a test face \({part}\), refused for validation"
    ):
        datasets.hold_out([face("a_1"), face("x_1", part)], 0.5)


def test_embedded_faces_need_no_data() -> None:
    train = datasets.open_faces(None, "train", limit=3)
    test = datasets.open_faces(None, "full", limit=3)
    assert [f.part for f in train + test] == ["train"] * 3 + ["test"] * 3


REAL_COUNTS = {"train": 2012, "common": 554, "challenging": 135, "full": 689}


def test_real_300w_has_the_official_test_sets(real_data: Path) -> None:
    found = {split: len(datasets.open_faces(real_data / "300w", split)) for split in REAL_COUNTS}
    assert found == REAL_COUNTS


def test_files_as_their_owners_lay_them_out_are_read(real_data: Path) -> None:
    """HELEN and AFW here lack header and braces, as found in the wild; pictures are full size."""
    faces = datasets.open_faces(real_data / "original_files", "train")
    for one in faces:
        height, width = one.grey().shape
        assert (one.points > -20).all()
        assert (one.points < np.array([width, height]) + 20).all(), one.id
    assert {one.id.split("/", 1)[0] for one in faces} == {"afw", "helen", "lfpw"}


def test_faces_of_other_schemes_are_converted_or_left_out_and_it_is_said() -> None:
    hidden = POINTS.copy()
    hidden[0] = np.nan
    wflw = np.arange(196, dtype=np.float32).reshape(98, 2)
    faces = [
        face("a_1"),
        replace(face("b_1"), points=wflw, scheme="98"),
        replace(face("c_1"), points=POINTS[:39], scheme="39"),
        replace(face("d_1"), points=hidden),
    ]
    kept, said = datasets.fitting(faces, "68")
    assert [(one.id, one.scheme, len(one.points)) for one in kept] == [
        ("a_1", "68", 68),
        ("b_1", "68", 68),
    ]
    assert said == (
        "1 converted from 98 points, 1 left out: 39 points, 1 left out: not all points annotated"
    )
    with pytest.raises(InputError, match="no face with 29 points among 4: 2 left out: 68 points"):
        datasets.fitting([*faces[:3], face("e_1")], "29")
