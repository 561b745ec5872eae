"""LaPa: the official folders, right and damaged."""

from pathlib import Path

import numpy as np
import pytest

from efld.data.layouts import lapa, layout_of, strict
from efld.data.survey.survey import survey
from efld.errors import InputError

POINTS = np.arange(212, dtype=np.float32).reshape(106, 2)
TEXT = "106\n" + "".join(f"{x:.6f} {y:.6f}\n" for x, y in POINTS)


def write(root: Path, name: str, text: str = TEXT) -> None:
    part, stem = name.split("/")
    for kind, suffix, content in (("images", "jpg", ""), ("landmarks", "txt", text)):
        path = root / part / kind / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_every_file_is_a_face(tmp_path: Path) -> None:
    for name in ("train/3705265869_1", "train/3705265869_0", "val/5_0", "test/6_0"):
        write(tmp_path, name)
    assert layout_of(tmp_path) is lapa.LAYOUT
    faces = list(lapa.read(tmp_path, strict))
    assert [(face.id, face.part) for face in faces] == [
        ("train/3705265869_0", "train"),
        ("train/3705265869_1", "train"),
        ("val/5_0", "validation"),
        ("test/6_0", "test"),
    ]
    assert faces[0].group == faces[1].group == "3705265869"
    assert (faces[2].scheme, faces[2].picture) == ("106", tmp_path / "val/images/5_0.jpg")
    np.testing.assert_array_equal(faces[0].points, POINTS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TEXT[:-20], r"train/landmarks/1.txt: expected the line 106 .* found 2\d\d fields"),
        (TEXT.replace("106", "68", 1), "found 213 fields that begin with '68'"),
        ("", "found 0 fields that begin with ''"),
        (TEXT.replace("7.000000", "x", 1), "expected numbers, .*'x'"),
        (TEXT.replace("7.000000", "inf", 1), "expected finite numbers, found inf"),
    ],
)
def test_a_damaged_file_is_reported_and_the_next_is_read(
    tmp_path: Path, text: str, found: str
) -> None:
    write(tmp_path, "train/1", text)
    write(tmp_path, "train/2")
    problems: list[InputError] = []
    assert [face.id for face in lapa.read(tmp_path, problems.append)] == ["train/2"]
    with pytest.raises(InputError, match=found):
        raise problems.pop()


def test_a_missing_picture_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "train/1")
    (tmp_path / "train/images/1.jpg").unlink()
    problems: list[InputError] = []
    assert not list(lapa.read(tmp_path, problems.append))
    assert "1.txt: no picture" in str(problems[0])


def test_a_picture_without_points_is_damage_of_the_survey_alone(tmp_path: Path) -> None:
    write(tmp_path, "train/1")
    write(tmp_path, "train/2")
    (tmp_path / "train/landmarks/2.txt").unlink()
    assert len(list(lapa.read(tmp_path, strict))) == 1
    (damage,) = survey(tmp_path, quick=True).datasets[0].damage
    assert "1 picture without a .txt: train/images/2.jpg" in damage
