"""What users give by mistake: exit code 2, one line that says where, expected, found, remedy."""

import os
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import benchmark.__main__
import efld.__main__
import train.__main__
from efld.data.pts import write_pts
from efld.geometry import Box, to_picture
from tests.tiny_files import ANSWER, write_tflite

ROOT = Path(__file__).parent.parent
POINTS_PX = to_picture(ANSWER, Box(20, 10, 200, 200))
Spoil = Callable[[Path], object]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one right face `b`."""
    root = tmp_path / "data"
    root.mkdir()
    cv2.imwrite(str(root / "b.png"), np.full((240, 240, 3), 90, np.uint8))
    write_pts(root / "b.pts", POINTS_PX)
    return root


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tflite(tmp_path / "model.tflite")


def error_line(capsys: pytest.CaptureFixture[str], command: Callable[[], None]) -> str:
    """The one line of stderr of a command that ends with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        command()
    err = capsys.readouterr().err.strip()
    assert stop.value.code == 2
    assert len(err.splitlines()) == 1, err
    assert err.startswith("error: ")
    return err


def rewrite(change: Callable[[str], str]) -> Spoil:
    """Changes the text of `b.pts`."""
    return lambda root: (root / "b.pts").write_text(change((root / "b.pts").read_text()))


def repaint(picture: np.ndarray) -> Spoil:
    return lambda root: cv2.imwrite(str(root / "b.png"), picture)


def nan_point(text: str) -> str:
    lines = text.splitlines()
    lines[5] = "nan nan"
    return "\n".join(lines)


def drop_a_point(text: str) -> str:
    lines = text.splitlines()
    return "\n".join([lines[0], "n_points: 67", *lines[2:-2], "}"])


def header_alone(side_px: int) -> bytes:
    """A PNG that says how large it is, and no more."""
    png = cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes()
    body = b"IHDR" + struct.pack(">II", side_px, side_px) + png[24:29]
    return png[:12] + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


CLEAR = np.full((240, 240, 4), 90, np.uint8)
SPOILT: dict[str, tuple[Spoil, str]] = {
    "pts cut off": (rewrite(lambda t: t[: len(t) // 2]), "found no }. The file is cut off"),
    "pts with letters": (
        rewrite(lambda t: t.replace("}", "1,5 7\n}")),
        "b.pts: expected numbers, found '1,5'",
    ),
    "pts with a number more": (
        rewrite(lambda t: t.replace("}", "7\n}")),
        "68 or 98 or 106 points, found n_points 68 and 137 numbers, two a point",
    ),
    "pts without braces": (
        rewrite(lambda t: t.replace("{", "").replace("}", "")),
        "found no { }. Restore the file",
    ),
    "pts with a word": (rewrite(lambda t: t.replace("0", "O")), "b.pts: expected"),
    "pts with 67 points": (rewrite(drop_a_point), "points, found n_points 67"),
    "NaN in a label": (
        rewrite(nan_point),
        "b.pts: point 3 of 68 is nan, expected a finite number",
    ),
    "picture missing": (lambda root: (root / "b.png").unlink(), "b.pts: no picture beside it"),
    "picture undecodable": (
        lambda root: (root / "b.png").write_bytes(b"no picture"),
        "b.png: 10 bytes that decode to no picture",
    ),
    "picture empty": (
        lambda root: (root / "b.png").write_bytes(b""),
        "b.png: 0 bytes that decode to no picture",
    ),
    "16 bits": (repaint(np.full((240, 240), 9000, np.uint16)), "b.png: uint16 pixels, expected"),
    "too long": (repaint(np.zeros((2, 32767), np.uint8)), "b.png: 32767 x 2 px, expected sides of"),
    "too large": (
        lambda root: (root / "b.png").write_bytes(header_alone(40000)),
        "b.png: OpenCV does not decode it",
    ),
    "transparent": (repaint(CLEAR), "b.png: has transparent pixels, expected an opaque picture"),
    "empty dataset": (
        lambda root: list(map(Path.unlink, root.iterdir())),
        "found neither pictures nor points. Expected pictures with a .pts beside each, or",
    ),
    "wrong root": (
        lambda root: root.rename(root.with_name("elsewhere")),
        "data: no such folder. Check the path.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_spoilt_datasets(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    spoil, message = SPOILT[case]
    spoil(data)
    words = [
        "accuracy",
        str(model),
        "--data",
        str(data),
        "--split",
        "all",
        "--json",
        str(data.parent / "o.json"),
    ]
    assert message in error_line(capsys, lambda: benchmark.__main__.main(words))
    assert not (data.parent / "o.json").exists()


@pytest.mark.parametrize(
    "good",
    [
        rewrite(lambda t: "\n".join(t.splitlines()[3:-1])),  # bare 68 lines, as found in the wild
        repaint(np.full((240, 240), 90, np.uint8)),  # grey
        repaint(np.full((240, 240, 4), 255, np.uint8)),  # opaque RGBA
    ],
    ids=["bare pts", "grey", "opaque RGBA"],
)
def test_what_is_unusual_but_right_is_read(data: Path, model: Path, good: Spoil) -> None:
    good(data)
    benchmark.__main__.main(["accuracy", str(model), "--data", str(data), "--split", "all"])


def test_a_folder_without_the_split_says_which_it_has(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["accuracy", str(model), "--data", str(data), "--split", "common"]
    assert "split 'common' is empty, expected one of all 1" in error_line(
        capsys, lambda: benchmark.__main__.main(words)
    )


def predict(data: Path, model: Path, box: str = "40,40,150,150") -> Callable[[], None]:
    words = [
        str(data / "b.png"),
        "--model",
        str(model),
        f"--box={box}",
        "-o",
        str(data / "out.png"),
    ]
    return lambda: efld.__main__.main(["predict", *words])


def test_a_box_outside_the_picture(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error_line(capsys, predict(data, model, "2400,40,130,130"))
    assert "2400,40,130,130" in line
    assert "240x240" in line
    assert not (data / "out.png").exists()


def test_a_model_file_that_is_none(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    garbage = data / "garbage.tflite"
    garbage.write_bytes(b"garbage" * 100)
    assert "garbage.tflite: " in error_line(capsys, predict(data, garbage))


def test_a_model_file_without_spec(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = write_tflite(data / "bare.tflite", spec=None)
    assert "bare.tflite: found no spec" in error_line(capsys, predict(data, bare))


@pytest.fixture
def said_by_train(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """The line that `python -m train` ends with, by its words."""

    def said(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["train", *words])
        return error_line(capsys, lambda: efld.errors.run_command(train.__main__.main))

    return said


def test_a_run_that_exists(tmp_path: Path, said_by_train: Callable[..., str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    line = said_by_train("smoke", "--run", str(tmp_path / "run"))
    assert "this run exists. Give --resume, --overwrite" in line


def test_a_misspelt_preset(said_by_train: Callable[..., str]) -> None:
    line = said_by_train("smoek")
    assert "smoek: neither a preset (smoke, " in line
    assert "nor a command (ablation, label, " in line


def test_a_preset_for_photographs_wants_some(said_by_train: Callable[..., str]) -> None:
    line = said_by_train("300w")
    assert "300w: learns from photographs, found no --data. Give a dataset's folder, or" in line


@pytest.mark.parametrize("flag", ["--data", "--extra"])
def test_a_training_refuses_a_folder_before_the_import_of_keras(tmp_path: Path, flag: str) -> None:
    code = (
        "import sys; from efld.errors import run_command; from train.__main__ import main;"
        f"sys.argv = ['train', 'smoke', '--run', 'run', '{flag}', 'absent'];"
        "import atexit; atexit.register(lambda: print('keras' in sys.modules)); run_command(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "DATA root absent: no such folder" in done.stderr
    assert done.stdout.strip() == "False"


def test_a_full_disk_leaves_nothing_half_written(data: Path, model: Path) -> None:
    """A limit on the size of files stands for a full disk: the write fails in the middle."""
    noise = np.random.default_rng(0).integers(0, 256, (240, 240), np.uint8)
    cv2.imwrite(str(data / "b.png"), noise)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    files = [str(data / "b.png"), "--model", str(model), "-o", str(data / "out.png")]
    words = ["-m", "efld", "predict", *files, "--box=40,40,150,150"]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert (
        f"error: {data / 'out.png'}: File too large. Nothing half-written is left." in done.stderr
    )
    assert sorted(path.name for path in data.iterdir()) == ["b.png", "b.pts"]
