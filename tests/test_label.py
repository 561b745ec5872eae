"""Pictures without points become a dataset; the teacher here sees bright squares."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import train.__main__
from efld.data import datasets
from efld.data.faces import Face
from efld.data.pts import write_pts
from efld.errors import InputError, run_command
from efld.geometry import Box, Points, landmark_box, to_picture
from tests.test_finder import SHAPE, BrightSquare, off, picture_of
from train import label

ROOT = Path(__file__).parent.parent
PLACE = Box(70, 30, 60, 60)


class Teacher(BrightSquare):
    """As `runtime.load` gives it."""

    def __init__(self, path: Path, lean: float = 0.0) -> None:
        super().__init__(lean)
        self.path = path


def put(path: Path, *faces: Box, width: int = 200, height: int = 160) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture_of(width, height, *faces))
    return path


def put_model(run: Path, content: bytes) -> None:
    run.mkdir()
    (run / "model.onnx").write_bytes(content)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a teacher and five pictures, one of them black and one cut off."""
    monkeypatch.setattr("efld.runtime.load", Teacher)
    put_model(tmp_path / "run", b"teacher")
    data = tmp_path / "data"
    put(data / "a.png", PLACE)
    put(data / "train" / "b.jpg", Box(300, 100, 400, 400), width=1000, height=700)
    put(data / "test" / "c.bmp", PLACE)
    put(data / "test" / "none.png")
    (data / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def words(home: Path, *more: str, data: str = "data", out: str = "out") -> list[str]:
    return [str(home / "run"), "--data", str(home / data), "--out", str(home / out), *more]


def run(home: Path, *more: str, **folders: str) -> str:
    """What the command says."""
    said: list[str] = []
    label.main(words(home, *more, **folders), said.append)
    return "\n".join(said)


def record(home: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((home / "out" / "labels.json").read_text())
    return read


def labelled(home: Path) -> dict[str, Face]:
    return {face.id: face for face in datasets.open_faces(home / "out", "all")}


def written(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((home / "out").iterdir())}


def test_pictures_become_a_dataset(home: Path) -> None:
    said = run(home)
    assert said == f"{home / 'out'}: 3 labelled, 1 cannot be read, 1 no clear face"
    faces = labelled(home)
    assert set(faces) == {"a", "train-b", "test-c"}  # no folder is taken for a split
    for face in faces.values():
        assert face.part == "none"
        rows, columns = np.nonzero(face.grey() > 130)
        bright = Box(
            *map(float, (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1))
        )
        assert off(face.points, bright) < 0.02  # JPEG and cutting blur the square's rim


def test_a_face_has_room_for_augmentation_and_is_never_enlarged(home: Path) -> None:
    run(home)
    sides = {name: face.grey().shape for name, face in labelled(home).items()}
    assert sides["train-b"] == (256, 256)  # of 800
    assert sides["a"] == pytest.approx((120, 120), abs=3)
    for face in labelled(home).values():
        box = landmark_box(face.points)
        assert len(face.grey()) / max(box.width, box.height) == pytest.approx(2, abs=0.05)


def test_the_record_says_what_made_the_labels(home: Path) -> None:
    run(home)
    made = record(home)
    parent = home.name
    assert made["schema"] == 1
    assert made["command"] == f"python -m train label {parent}/run --data {parent}/data --limit 2.5"
    assert made["teacher"]["name"] == "bright"
    assert made["teacher"]["sha256"].startswith("1057a9604e04")  # echo -n teacher | sha256sum
    assert made["terms"] == f"terms of the teacher; terms of its owner ({parent}/data)"
    assert made["pictures"]["a"]["accepted"]
    assert made["pictures"]["a"]["disagreement_percent"] < label.LIMIT_PERCENT
    assert made["pictures"]["test/none"] == {"accepted": False, "why": "no clear face"}
    assert "cannot be read: broken.jpg: 10 bytes" in made["pictures"]["broken"]["why"]


def test_a_picture_that_was_mended_is_read_again(home: Path) -> None:
    run(home)
    put(home / "data" / "broken.jpg", PLACE)
    assert run(home) == f"{home / 'out'}: 4 labelled, 1 no clear face"


def test_a_scout_looks_for_the_face_and_the_record_says_so(home: Path) -> None:
    run(home)
    alone = written(home)
    (home / "out").rename(home / "alone")
    put_model(home / "scout", b"scout")
    run(home, "--scout", str(home / "scout"))
    assert {name for name in alone if name != "labels.json"} <= written(home).keys()
    made = record(home)
    assert f" --scout {home.name}/scout --limit 2.5" in made["command"]
    assert made["scout"]["sha256"].startswith("3608e4bd0e69")  # echo -n scout | sha256sum
    with pytest.raises(InputError, match="made with another command and scout"):
        run(home)


def test_a_scout_of_other_points_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_model(home / "scout", b"scout")

    def load(path: Path) -> Teacher:
        model = Teacher(path)
        if path.parent.name == "scout":
            model.spec = replace(model.spec, scheme="98")
        return model

    monkeypatch.setattr("efld.runtime.load", load)
    with pytest.raises(InputError, match=r"scout: finds the points of 98, expected .* 68"):
        run(home, "--scout", str(home / "scout"))
    assert not (home / "out").exists()


def test_a_doubtful_label_is_left_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("efld.runtime.load", lambda path: Teacher(path, lean=0.04))
    assert "3 views lie apart" in run(home)
    assert "3 labelled" in run(home, "--limit", "20", out="loose")


def test_a_photo_is_turned_as_a_viewer_would(home: Path) -> None:
    orientation = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # 6: right
    exif = b"Exif\0\0" + orientation
    jpeg = cv2.imencode(".jpg", picture_of(200, 160, PLACE))[1].tobytes()
    header = b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif
    (home / "phone").mkdir()
    (home / "phone" / "p.jpg").write_bytes(jpeg[:2] + header + jpeg[2:])
    run(home, data="phone")
    x, y, side = record(home)["pictures"]["p"]["square_px"]
    # 200x160 turned to the right: (x, y) -> (160 - y, x)
    assert (x + side / 2, y + side / 2) == pytest.approx((160 - 60, 100), abs=2)


def test_the_result_trains_as_extra(home: Path) -> None:
    from train.config import TrainConfig
    from train.feed import load

    run(home)
    for i in range(8):
        where = put(home / "few" / f"face{i}.png", PLACE)
        write_pts(where.with_suffix(".pts"), to_picture(SHAPE, PLACE))
    config = TrainConfig(data=str(home / "few"), extra=(str(home / "out"),), validation=0.4)
    found = load(config, lambda _: None)
    assert len(found.sources[1].regions) == 3
    teacher = record(home)["teacher"]
    assert f"points by {teacher['name']} {teacher['sha256'][:8]} (3 faces)" in found.names[1]
    assert record(home)["terms"] in found.terms


def test_a_dataset_gives_its_training_faces_and_where_to_look(home: Path) -> None:
    small, large = Box(20, 20, 40, 40), Box(100, 60, 80, 80)
    for part in ("trainset", "testset"):
        where = put(home / "300w" / "lfpw" / part / "image_0001.png", small, large)
        weak = Box(small.left + 4, small.top - 4, 38, 38)
        write_pts(where.with_suffix(".pts"), to_picture(SHAPE, weak))
    for part in ("helen/trainset", "helen/testset", "afw", "ibug"):
        (home / "300w" / part).mkdir(parents=True)
    assert run(home, data="300w") == f"{home / 'out'}: 1 labelled"
    made = record(home)
    assert list(made["pictures"]) == ["lfpw/trainset/image_0001"]
    assert made["pictures"]["lfpw/trainset/image_0001"]["square_px"] == pytest.approx(
        [0, 0, 80], abs=2
    )
    assert "300-W: research only" in made["terms"]


def test_pictures_beside_those_with_points_are_not_passed_over_in_silence(home: Path) -> None:
    where = put(home / "mixed" / "known.png", PLACE)
    write_pts(where.with_suffix(".pts"), to_picture(SHAPE, PLACE))
    put(home / "mixed" / "unknown.png", PLACE)
    assert "1 picture without a .pts: unknown.png" in run(home, data="mixed")


def test_finished_pictures_are_not_done_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(home)
    before = written(home)

    def never(*_: object) -> Points:
        raise AssertionError

    monkeypatch.setattr(Teacher, "__call__", never)
    assert "3 labelled" in run(home)
    assert written(home) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from efld import runtime
from tests.test_label import Teacher
from train import label

runtime.load = Teacher
write = label.write_pts

def half(path, points):
    write(path, points)
    if "test-c" in path.name:
        path.write_text("version: 1")
        os.kill(os.getpid(), signal.SIGKILL)

label.write_pts = half
label.main(sys.argv[1:], print)
"""


def test_a_killed_run_goes_on(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words(home)], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr
    finished = {name for name, fate in record(home)["pictures"].items() if fate["accepted"]}
    times = {
        path: path.stat().st_mtime_ns
        for path in (home / "out").iterdir()
        if path.stem.replace("-", "/") in finished
    }
    assert any(path.name.startswith(".") for path in (home / "out").iterdir())
    assert "3 labelled" in run(home)
    assert all(path.stat().st_mtime_ns == at for path, at in times.items())
    resumed = written(home)
    (home / "out").rename(home / "killed")
    run(home)
    assert resumed == written(home)


def nothing(home: Path) -> None:
    pass


def fill(home: Path) -> None:
    put(home / "out" / "mine.png")


def by_another_teacher(home: Path) -> None:
    run(home)
    (home / "run" / "model.onnx").write_bytes(b"another")


def points_in_a_folder(home: Path) -> None:
    write_pts(put(home / "data" / "known" / "k.png").with_suffix(".pts"), SHAPE)


BAD: dict[str, tuple[Callable[[Path], object], dict[str, str], str]] = {
    "out in data": (nothing, {"out": "data/out"}, "lies in --data"),
    "data in out": (nothing, {"out": "."}, "or holds it"),
    "out is data": (nothing, {"out": "data"}, "expected another place"),
    "out is full": (fill, {}, "out: is not empty and has no labels.json. Give another --out"),
    "another limit": (run, {"limit": "3"}, "another command and limit_percent (python"),
    "another teacher": (by_another_teacher, {}, "labels.json: made with another teacher (python"),
    "limit of 0": (nothing, {"limit": "0"}, "expected a number above 0"),
    "no data": (nothing, {"data": "nowhere"}, "nowhere: no such folder"),
    "no pictures": (nothing, {"data": "run"}, "found neither pictures nor points"),
    "some points": (points_in_a_folder, {}, "holds pictures with points and, in"),
    "one name": (
        lambda home: put(home / "data" / "train" / "b.bmp", PLACE),
        {},
        "2 pictures would be written as train-b.png",
    ),
    "no run": (
        lambda home: (home / "run").rename(home / "elsewhere"),
        {},
        "run: no such run or file. Of a pretrained model `make export MODEL=run` makes one.",
    ),
    "no model": (
        lambda home: (home / "run" / "model.onnx").unlink(),
        {},
        "run: holds no model.keras, .onnx or .tflite, expected a run's folder",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    spoil, given, message = BAD[case]
    spoil(home)
    folders = {name: value for name, value in given.items() if name != "limit"}
    argv = words(home, "--limit", given.get("limit", "2.5"), **folders)
    monkeypatch.setattr(sys, "argv", ["train", "label", *argv])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run_command(train.__main__.main)
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_test_faces_alone_are_refused(home: Path) -> None:
    for part in ("helen/trainset", "helen/testset", "afw", "ibug", "lfpw/trainset", "lfpw/testset"):
        (home / "300w" / part).mkdir(parents=True)
    where = put(home / "300w" / "ibug" / "image_003_1.png", PLACE)
    write_pts(where.with_suffix(".pts"), to_picture(SHAPE, PLACE))
    with pytest.raises(InputError, match="split 'train' is empty"):
        run(home, data="300w")
    assert not (home / "out").exists()
