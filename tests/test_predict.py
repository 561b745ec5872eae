import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from efld import finder, runtime
from efld.__main__ import main
from efld.data.pts import read_pts
from efld.draw import draw
from efld.errors import InputError
from efld.geometry import Box
from efld.predict import predict, read_colour
from tests.tiny_files import ANSWER, write_tflite

# Factor 1.25 around this box: a crop from (37.5, 47.5), 125 px wide.
BOX, BOX_TEXT = Box(50, 60, 100, 100), "50,60,100,100"
EXPECTED_PX = ANSWER * 125 + (37.5, 47.5) - 0.5  # 0.5: points are pixel centres


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_tflite(tmp_path / "model.tflite")
    cv2.imwrite(str(tmp_path / "me.png"), np.zeros((240, 320, 3), np.uint8))
    return tmp_path


def run(
    files: Path,
    capsys: pytest.CaptureFixture[str],
    *extra: str,
    picture: str = "me.png",
    model: str = "model.tflite",
    box: str | None = BOX_TEXT,
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `python -m efld predict`."""
    argv = [str(files / picture), "--model", str(files / model), *extra]
    argv += [f"--box={box}"] if box is not None else []
    code = 0
    try:
        main(["predict", *argv])
    except SystemExit as stop:
        code = int(str(stop.code))
    done = capsys.readouterr()
    return code, done.out, done.err


def test_points_are_pixels_of_the_picture(files: Path) -> None:
    model = runtime.load(files / "model.tflite")
    points = predict(model, np.zeros((240, 320), np.uint8), BOX)
    np.testing.assert_allclose(points, EXPECTED_PX, atol=1e-3)


def test_json_has_the_points_and_says_what_made_them(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(files, capsys, "--json")
    record = json.loads(out)
    assert (code, record["schema"], record["scheme"]) == (0, 1, "68")
    assert record["box_px"] == [50, 60, 100, 100]
    np.testing.assert_allclose(record["points_px"], EXPECTED_PX, atol=1e-2)


def test_without_an_output_it_says_what_it_found(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(files, capsys)
    assert code == 0
    assert "me.png: face at 50,60,100,100 (x,y,width,height); its 68 landmarks lie from" in out
    (left, top), (right, bottom) = np.rint(EXPECTED_PX.min(0)), np.rint(EXPECTED_PX.max(0))
    assert f"from x {left:.0f} to {right:.0f} and y {top:.0f} to {bottom:.0f}." in out
    assert out.endswith("To see them: -o out.png; to print them: --json\n")


def test_output_is_a_picture_with_the_points_on_it(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(files, capsys, "-o", str(files / "out.png"))
    drawn = read_colour(files / "out.png")
    assert code == 0
    assert "out.png: 68 landmarks" in out
    assert drawn.shape == (480, 640, 3)  # a small picture is enlarged
    x, y = np.rint((EXPECTED_PX[30] + 0.5) * 2 - 0.5).astype(int)
    assert drawn[y, x].min() > 200
    assert drawn[-50:].max() == 0  # nothing below the face


def test_the_name_of_a_run_is_answered_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"The current folder holds none\."):
        runtime.load(Path("mine"))
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    int8 = write_tflite(Path("runs/mine/model.int8.tflite"))
    with pytest.raises(InputError, match=rf"mine: no such file\. .* Is it {int8}\?"):
        runtime.load(Path("mine"))
    write_tflite(Path("runs/model/model.int8.tflite"))  # another run, of a file called model.onnx
    with pytest.raises(InputError, match=r"file\. runs/mine holds model\.int8\.tflite\.$"):
        runtime.load(int8.parent)


def test_a_box_may_reach_outside(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(files, capsys, "--json", box="-40,-40,100,100")
    assert code == 0
    points = json.loads(out)["points_px"]
    np.testing.assert_allclose(points, EXPECTED_PX - (90, 100), atol=1e-2)


def test_drawing_leaves_the_picture_alone_and_cuts_points_outside() -> None:
    picture = np.full((600, 700), 90, np.uint8)
    drawn = draw(picture, ANSWER * 1000, "68")
    assert drawn.shape == (600, 700, 3)
    assert picture.min() == picture.max() == 90


def test_a_photo_is_turned_as_a_viewer_would(tmp_path: Path) -> None:
    orientation = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # 6: right
    exif = b"Exif\0\0" + orientation
    jpeg = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))[1].tobytes()
    header = b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif
    (tmp_path / "photo.jpg").write_bytes(jpeg[:2] + header + jpeg[2:])
    assert read_colour(tmp_path / "photo.jpg").shape == (40, 20, 3)


BAD: dict[str, tuple[dict[str, str], str]] = {
    "box outside": ({"box": "400,60,100,100"}, "320x240 pixels"),
    "box far too large": ({"box": "0,0,99999,10"}, "320x240 pixels"),
    "box of words": ({"box": "a,b,c,d"}, "four numbers"),
    "box of three": ({"box": "1,2,3"}, "four numbers"),
    "box with nan": ({"box": "nan,2,3,4"}, "finite"),
    "box without size": ({"box": "10,10,0,50"}, "above 0"),
    "no picture": ({"picture": "you.png"}, "you.png"),
    "picture of text": ({"picture": "text.png"}, "text.png"),
    "no model": ({"model": "none.tflite"}, "no such file"),
    "model without spec": ({"model": "bare.tflite"}, "no spec"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    files: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    (files / "text.png").write_text("hello")
    write_tflite(files / "bare.tflite", spec=None)
    before = sorted(files.iterdir())
    options, message = BAD[case]
    code, out, err = run(files, capsys, "-o", str(files / "out.png"), **options)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["-o", "out.txt"], "suffix '.txt', expected one of"),
        (["-o", "out"], "suffix ''"),
    ],
)
def test_an_output_that_is_no_picture_is_refused(
    files: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    code, _, err = run(files, capsys, *extra)
    assert code == 2
    assert message in err


def test_the_input_picture_is_not_overwritten(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (files / "me.png").read_bytes()
    code, _, err = run(files, capsys, "-o", str(files / "me.png"))
    assert code == 2
    assert "is the input picture" in err
    assert (files / "me.png").read_bytes() == before


def test_without_a_clear_face_a_box_is_asked_for(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(files, capsys, "--json", box=None)
    assert (code, out) == (2, "")
    assert "me.png: found no clear face. Say where it is: --box X,Y,W,H." in err


def test_a_face_that_is_not_sure_is_said_and_seen_by_scripts(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = finder.Found(np.zeros((68, 2), np.float32), Box(80, 60, 100, 100), 9, 7.5)
    monkeypatch.setattr(finder, "find", lambda *_: found)
    code, out, err = run(files, capsys, "--json", box=None)
    assert (code, json.loads(out)["views_apart_percent"]) == (1, 7.5)
    assert "not sure of this face: views of it lie 7.5 % apart, expected up to 2.5." in err
    code, out, _ = run(files, capsys, "--json")
    assert (code, json.loads(out)["views_apart_percent"]) == (0, None)


def test_without_a_box_the_face_is_found(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = sorted((real_data / "300w" / "helen" / "testset").glob("*.jpg"))[0]
    model = Path(__file__).parent.parent / "pretrained" / "efld-small" / "model.keras"
    main(["predict", str(picture), "--model", str(model), "--json"])
    record = json.loads(capsys.readouterr().out)
    truth = read_pts(picture.with_suffix(".pts"))
    eyes_px = np.linalg.norm(truth[36] - truth[45])
    errors_px = np.linalg.norm(np.array(record["points_px"]) - truth, axis=1)
    assert errors_px.mean() < 0.1 * eyes_px  # right face, and better than the mean shape would be
