"""The xml of dlib and imglab."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from efld.data import datasets
from efld.data.layouts import dlib_xml, layout_of
from efld.errors import InputError
from efld.geometry import Box
from tests.tiny_data import POINTS, read_all

ROUND = POINTS.round()
BOX = "<box top='5' left='6' width='80' height='90'{}>{}</box>"


def parts(digits: int = 2, count: int = 68) -> str:
    rows = enumerate(ROUND[:count].astype(int).tolist())
    return "".join(f"<part name='{i:0{digits}d}' x='{x}' y='{y}'/>" for i, (x, y) in rows)


def put_xml(root: Path, name: str, boxes: str, picture: str = "a.jpg") -> None:
    image = f"<images><image file='{picture}'>{boxes}</image></images>"
    (root / name).write_text(f"<?xml version='1.0'?>\n<dataset>{image}</dataset>")
    cv2.imwrite(str(root / "a.jpg"), np.full((100, 100), 128, np.uint8))


def test_points_and_boxes(tmp_path: Path) -> None:
    put_xml(tmp_path, "training_x.xml", BOX.format("", parts()) + BOX.format("", parts()))
    put_xml(tmp_path, "testing_x.xml", BOX.format("", parts()))
    faces, damage = read_all(layout_of(tmp_path), tmp_path)
    assert not damage
    assert [(face.id, face.part) for face in faces] == [
        ("testing_x/a_0", "test"), ("training_x/a_0", "train"), ("training_x/a_1", "train"),
    ]  # fmt: skip
    np.testing.assert_array_equal(faces[0].points, ROUND)
    assert faces[0].box == Box(6, 5, 80, 90)
    assert len({face.group for face in faces}) == 1  # faces of one picture stay together


def test_a_file_for_testing_is_not_trained_on_without_one_for_training(tmp_path: Path) -> None:
    put_xml(tmp_path, "mine.xml", BOX.format("", parts()))
    put_xml(tmp_path, "testing_x.xml", BOX.format("", parts()))
    with pytest.raises(InputError, match=r"testing_x/a_0: is a test face \(test\), refused for"):
        datasets.training_faces(tmp_path)


def test_other_names_have_no_split_and_numbers_need_no_zeros(tmp_path: Path) -> None:
    put_xml(tmp_path, "mine.xml", BOX.format("", parts(digits=1)))
    layout = layout_of(tmp_path)
    assert not layout.has_split
    np.testing.assert_array_equal(read_all(layout, tmp_path)[0][0].points, ROUND)


def test_boxes_without_points_and_ignored_boxes_are_no_faces(tmp_path: Path) -> None:
    bare, ignored = BOX.format("", ""), BOX.format(" ignore='1'", parts())
    put_xml(tmp_path, "mine.xml", bare + ignored + BOX.format("", parts()))
    faces, damage = read_all(layout_of(tmp_path), tmp_path)
    assert [face.id for face in faces] == ["mine/a_2"]
    assert not damage


DAMAGED = {
    "67 parts": (BOX.format("", parts(count=67)), "box 0 of a.jpg: 67 parts, '00' to '66'; expect"),
    "a name twice": (
        BOX.format("", parts().replace("name='05'", "name='04'")),
        "67 parts",
    ),
    "names": (BOX.format("", parts().replace("name='00'", "name='chin'")), "68 parts, 'chin' to"),
    "no x": (BOX.format("", parts().replace("x=", "u=")), "<part> expected numbers x, y"),
    "letters": (BOX.format("", parts()).replace("top='5'", "top='five'"), "<box> expected numbers"),
    "empty box": (BOX.format("", parts()).replace("width='80'", "width='0'"), "w and h above 0"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_boxes(tmp_path: Path, case: str) -> None:
    box, message = DAMAGED[case]
    put_xml(tmp_path, "mine.xml", box + BOX.format("", parts()))
    faces, damage = read_all(dlib_xml.LAYOUT, tmp_path)
    assert [face.id for face in faces] == ["mine/a_1"]
    assert message in damage[0]


def test_a_missing_picture(tmp_path: Path) -> None:
    put_xml(tmp_path, "mine.xml", BOX.format("", parts()), picture="b.jpg")
    assert "mine.xml: box 0 of b.jpg: no picture" in read_all(dlib_xml.LAYOUT, tmp_path)[1][0]


def test_a_cut_file(tmp_path: Path) -> None:
    put_xml(tmp_path, "mine.xml", BOX.format("", parts()))
    text = (tmp_path / "mine.xml").read_text()
    (tmp_path / "mine.xml").write_text(text[: len(text) // 2])
    assert "mine.xml: expected xml of imglab" in read_all(dlib_xml.LAYOUT, tmp_path)[1][0]


def test_entities_are_refused(tmp_path: Path) -> None:
    bomb = "<dataset><!DOCTYPE x [<!ENTITY a 'b'>]></dataset>"
    (tmp_path / "mine.xml").write_text(bomb)
    assert "declares entities" in read_all(dlib_xml.LAYOUT, tmp_path)[1][0]
