"""Folders of pictures with `.pts`: any scheme, Menpo, a split by folder names."""

from pathlib import Path

import numpy as np
import pytest

from efld.data import datasets
from efld.data.layouts import layout_of
from efld.errors import InputError
from tests.tiny_data import POINTS, close, put, read_all

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("count", [19, 21, 29, 39, 68, 98, 106])
def test_the_number_of_points_is_the_scheme(tmp_path: Path, count: int) -> None:
    points = RNG.uniform(10, 90, (count, 2)).astype(np.float32)
    put(tmp_path, "a", points)
    (face,) = datasets.open_faces(tmp_path, "all")
    assert face.scheme == str(count)
    np.testing.assert_allclose(face.points, points, atol=1e-5)


def test_a_number_of_points_that_no_scheme_has(tmp_path: Path) -> None:
    put(tmp_path, "a", POINTS[:67])
    with pytest.raises(InputError, match=r"a\.pts: expected .*68 or 98 or 106 points, found n_p"):
        datasets.open_faces(tmp_path, "all")


def test_train_and_test_folders_are_the_split(tmp_path: Path) -> None:
    put(tmp_path, "train/ann_01")
    put(tmp_path, "val/bob_01")
    put(tmp_path, "test/cid_01")
    assert {face.id: face.part for face in datasets.open_faces(tmp_path, "all")} == {
        "train/ann_01": "train", "val/bob_01": "validation", "test/cid_01": "test",
    }  # fmt: skip
    assert [face.part for face in datasets.open_faces(tmp_path / "train", "all")] == ["none"]


@pytest.mark.parametrize("names", [("train", "testset"), ("trainset", "testset")])
def test_the_folders_of_300w_are_a_split_wherever_they_lie(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    for name in names:
        put(tmp_path, f"{name}/ann_01")
    assert [face.id for face in datasets.training_faces(tmp_path)] == [f"{names[0]}/ann_01"]


@pytest.mark.parametrize("part", ["test", "test/party"])
def test_the_test_faces_of_a_split_are_not_trained_on_alone(tmp_path: Path, part: str) -> None:
    put(tmp_path, "train/ann_01")
    put(tmp_path, "test/party/cid_01")
    with pytest.raises(InputError, match="holds the test faces of a dataset, refused for training"):
        datasets.training_faces(tmp_path / part)
    assert len(datasets.open_faces(tmp_path / part, "all")) == 1
    assert [face.id for face in datasets.training_faces(tmp_path / "train")] == ["ann_01"]


@pytest.mark.parametrize("part", ["helen", "helen/testset", "ibug"])
def test_a_part_of_300w_is_not_read_alone(tmp_path: Path, part: str) -> None:
    put(tmp_path, "ibug/1_1")
    put(tmp_path, "helen/testset/2_1")
    with pytest.raises(InputError, match=rf"{part}: is a part of 300-W, .* all of it: {tmp_path}"):
        datasets.training_faces(tmp_path / part)


def test_a_folder_called_test_alone_is_no_split(tmp_path: Path) -> None:
    put(tmp_path, "test/cid_01")
    assert not datasets.has_split(tmp_path)


@pytest.mark.parametrize(
    ("names", "below"),
    [
        (["300w/afw/1_1"], r"a dataset in a folder below \(300w\)"),
        (["deep/menpo/aflw__face_1"], r"\(deep/menpo\)"),
        (["frames/train/a", "frames/test/b"], r"\(frames\)"),
        (["a/ibug/1", "b/lfpw/trainset/2"], r"several datasets \(a, b\). Give one of them: .*/a"),
    ],
)
def test_datasets_below_are_not_read_as_one_heap(
    tmp_path: Path, names: list[str], below: str
) -> None:
    for name in ("mine/ann/a_01", *names):
        put(tmp_path, name)
    with pytest.raises(InputError, match=below):
        datasets.open_faces(tmp_path, "all")


def test_a_root_that_is_no_dataset_says_what_it_is(tmp_path: Path) -> None:
    pts = put(tmp_path, "a")
    pts.unlink()
    with pytest.raises(InputError, match=r"found pictures but no points\. Expected pictures with"):
        layout_of(tmp_path)
    with pytest.raises(InputError, match=r"a\.png: is a file, expected a folder"):
        layout_of(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"nowhere: no such folder\. Check the path\.$"):
        layout_of(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 2 3", "found 3 numbers, two a point"),
        ("n_points: 68 1 2", "found no { }. Restore"),
        ("{ 1 2 }", "found no n_points:. Restore"),
        ("n_points: 68 { 30,307 2 }", "expected numbers, found '30,307'"),
        ("n_points: 68 { 1 2", "found no }. The file is cut off"),
    ],
)
def test_what_is_wrong_in_a_pts(tmp_path: Path, text: str, found: str) -> None:
    put(tmp_path, "a").write_text(text)
    assert found in read_all(layout_of(tmp_path), tmp_path)[1][0]


def test_a_file_that_cannot_be_read_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pts = put(tmp_path, "a")

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    (damage,) = read_all(layout_of(tmp_path), tmp_path)[1]
    assert damage.startswith(f"{pts}: cannot be read (Permission denied). ")


def test_menpo_mixes_two_schemes(tmp_path: Path) -> None:
    root = tmp_path / "menpo_train_release"
    put(root, "aflw__face_39822")
    put(root, "aflw__face_39823", POINTS[:39])
    layout = layout_of(root)
    assert layout.name == "Menpo"
    faces, damage = read_all(layout, root)
    assert not damage
    assert [(face.scheme, face.part) for face in faces] == [("68", "train"), ("39", "train")]


def test_menpo_test_faces_are_told_by_their_folder(tmp_path: Path) -> None:
    put(tmp_path, "Menpo2D-Train-Profile/aflw__face_1", POINTS[:39])
    put(tmp_path, "Menpo2D-Test-Profile/aflw__face_2", POINTS[:39])
    faces, _ = read_all(layout_of(tmp_path), tmp_path)
    assert sorted(face.part for face in faces) == ["test", "train"]


def test_300w_takes_68_points_only(tmp_path: Path) -> None:
    put(tmp_path, "afw/1_1", POINTS[:39])
    (damage,) = read_all(layout_of(tmp_path), tmp_path)[1]
    assert "1_1.pts: expected 68 points, found n_points 39" in damage


def test_a_folder_that_cannot_be_listed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "open/a")
    put(tmp_path, "closed/b")
    close(monkeypatch, "closed")
    faces, damage = read_all(layout_of(tmp_path / "open"), tmp_path)
    assert [face.id for face in faces] == ["open/a"]
    assert "closed: cannot be listed (Permission denied)" in damage[0]
