"""WFLW: the official lists, right and damaged."""

from pathlib import Path

import numpy as np
import pytest

from efld.data.layouts import layout_of, strict, wflw
from efld.errors import InputError
from efld.geometry import Box

POINTS = np.arange(196, dtype=np.float32).reshape(98, 2) + 0.5
NAME = "37--Soccer/37_Soccer_soccer_ball_37_45.jpg"


def line(flags: str = "0 0 0 0 0 0", name: str = NAME) -> str:
    return f"{' '.join(map(str, POINTS.ravel()))} 10 20 110 140 {flags} {name}"


def write(root: Path, train: list[str], test: list[str], folder: str = wflw.FOLDER) -> Path:
    lists, picture = root / folder, root / wflw.PICTURES / NAME
    lists.mkdir(parents=True, exist_ok=True)
    picture.parent.mkdir(parents=True)
    picture.touch()
    for part, lines in (("train", train), ("test", test)):
        (lists / f"list_98pt_rect_attr_{part}.txt").write_text(
            "".join(f"{line}\n" for line in lines)
        )
    return root


@pytest.mark.parametrize("folder", [wflw.FOLDER, "."])
def test_every_line_is_a_face(tmp_path: Path, folder: str) -> None:
    write(tmp_path, [line(), line("1 0 0 1 0 1")], [line()], folder)
    assert layout_of(tmp_path) is wflw.LAYOUT
    plain, marked, test = wflw.read(tmp_path, strict)
    np.testing.assert_array_equal(plain.points, POINTS)
    assert plain.box == Box(10, 20, 100, 120)
    assert (plain.attributes, marked.attributes) == (
        frozenset(),
        frozenset({"pose", "make-up", "blur"}),
    )
    assert [face.part for face in (plain, marked, test)] == ["train", "train", "test"]
    assert plain.group == marked.group == NAME
    assert len({plain.id, marked.id, test.id}) == 3
    assert (plain.scheme, plain.picture) == ("98", tmp_path / wflw.PICTURES / NAME)
    assert marked.source.endswith("list_98pt_rect_attr_train.txt:2")


@pytest.mark.parametrize(
    ("damaged", "found"),
    [
        (line()[4:], r"train.txt:1: expected 207 fields, found 206"),
        (line().replace("7.5", "seven", 1), r"train.txt:1: expected numbers, .*'seven'"),
        (line().replace("7.5", "nan", 1), r"train.txt:1: expected finite numbers, found nan"),
        (line(name="gone.jpg"), r"train.txt:1: no picture .*gone.jpg"),
        (line().replace("110 140", "10 140"), r"train.txt:1: box 10,20,0,120"),
    ],
)
def test_a_damaged_line_is_reported_and_the_next_is_read(
    tmp_path: Path, damaged: str, found: str
) -> None:
    write(tmp_path, [damaged, line()], [])
    problems: list[InputError] = []
    faces = list(wflw.read(tmp_path, problems.append))
    assert [face.source[-2:] for face in faces] == [":2"]
    with pytest.raises(InputError, match=found):
        raise problems.pop()
    assert not problems


def test_a_list_that_is_no_text_is_reported(tmp_path: Path) -> None:
    write(tmp_path, [], [line()])
    (tmp_path / wflw.FOLDER / "list_98pt_rect_attr_train.txt").write_bytes(b"\xff\xfe\x00")
    problems: list[InputError] = []
    assert len(list(wflw.read(tmp_path, problems.append))) == 1
    assert "train.txt: cannot be read" in str(problems[0])
