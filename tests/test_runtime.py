import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from efld import evaluate, geometry, runtime, sessions
from efld.data.faces import Face
from efld.errors import InputError
from tests.tiny_files import ANSWER, INT8, SHIFT, SPEC, write_keras, write_onnx, write_tflite

Writer = Callable[..., Path]
ROOT = Path(__file__).parents[1]
HEAVY = ("tensorflow", "keras", "onnx", "onnxruntime", "tf2onnx", "ai_edge_quantizer")


def grey(*brightness: int) -> NDArray[np.uint8]:
    """`(batch, 16, 16, 1)` crops of one brightness each."""
    levels = np.array(brightness, np.uint8).reshape(-1, 1, 1, 1)
    return np.broadcast_to(levels, (len(brightness), 16, 16, 1))


WRITERS: dict[str, Writer] = {
    "tflite": lambda folder: write_tflite(folder / "m.tflite"),
    "onnx, channels first": lambda folder: write_onnx(folder / "m.onnx"),
    "onnx, channels last, any batch": lambda folder: write_onnx(
        folder / "m.onnx", shape=("n", 16, 16, 1)
    ),
    "keras": lambda folder: write_keras(folder / "m.keras"),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_file_type_gives_the_same_points(tmp_path: Path, kind: str) -> None:
    model = runtime.load(WRITERS[kind](tmp_path))
    points = model(grey(0, 255, 51))
    expected = ANSWER + np.array([0, SHIFT, SHIFT / 5]).reshape(3, 1, 1) * (1, 0)
    assert points.dtype == np.float32
    assert model.spec == SPEC
    np.testing.assert_allclose(points, expected, rtol=1e-5, atol=2e-5)


def test_float_crops_and_no_crops_are_fine(tmp_path: Path) -> None:
    model = runtime.load(write_tflite(tmp_path / "m.tflite"))
    np.testing.assert_array_equal(model(grey(7, 9)), model(grey(7, 9).astype(np.float32)))
    assert model(grey()).shape == (0, 68, 2)


def test_crops_are_scaled_to_the_input_range_of_the_spec(tmp_path: Path) -> None:
    spec = replace(SPEC, input_range=(-255.0, 255.0))
    model = runtime.load(write_tflite(tmp_path / "m.tflite", spec))
    np.testing.assert_allclose(model(grey(0))[0] - ANSWER, np.full((68, 2), (-SHIFT, 0)), atol=2e-5)


def test_more_crops_than_one_run_takes(tmp_path: Path) -> None:
    model = runtime.load(write_onnx(tmp_path / "m.onnx", shape=("n", 1, 16, 16)))
    levels = np.arange(runtime.MOST_AT_ONCE + 3) % 256
    found = model(grey(*levels.tolist()))[:, 0, 0] - ANSWER[0, 0]
    np.testing.assert_allclose(found, SHIFT * levels / 255, atol=1e-6)


def test_crops_of_another_size_are_a_bug_of_the_caller(tmp_path: Path) -> None:
    model = runtime.load(write_tflite(tmp_path / "m.tflite"))
    with pytest.raises(ValueError, match=r"crops \(1, 20, 20, 1\), expected"):
        model(np.zeros((1, 20, 20, 1), np.uint8))


def broken(folder: Path, content: bytes, name: str = "m.tflite") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def cut_tflite(folder: Path) -> Path:
    path = write_tflite(folder / "m.tflite")
    return broken(folder, path.read_bytes()[:-600])


BAD: dict[str, tuple[Writer, str]] = {
    "missing": (lambda folder: folder / "m.tflite", "no such file"),
    "folder": (lambda folder: folder, "is a folder, expected a model file"),
    "suffix": (lambda folder: broken(folder, b"x", "m.pb"), "suffix '.pb', expected one of .keras"),
    "empty tflite": (lambda folder: broken(folder, b""), "m.tflite"),
    "garbage tflite": (lambda folder: broken(folder, b"garbage " * 99), "expected a TFLite file"),
    "cut tflite": (cut_tflite, "cut off"),
    "garbage onnx": (lambda folder: broken(folder, b"garbage " * 99, "m.onnx"), "expected an ONNX"),
    "empty onnx": (lambda folder: broken(folder, b"", "m.onnx"), "expected an ONNX"),
    "keras alone": (lambda folder: broken(folder, b"x", "m.keras"), "spec.json"),
    "tflite without spec": (lambda folder: write_tflite(folder / "m.tflite", None), "no spec"),
    "onnx without spec": (lambda folder: write_onnx(folder / "m.onnx", None), "no spec"),
    "other size": (
        lambda folder: write_tflite(folder / "m.tflite", replace(SPEC, input_px=20)),
        r"\(1, 20, 20, 1\), its graph has 'image' float32 \(1, 16, 16, 1\)",
    ),
    "colour": (
        lambda folder: write_onnx(folder / "m.onnx", replace(SPEC, channels="rgb")),
        r"\(1, 16, 16, 3\)",
    ),
    "int8 edges": (lambda folder: write_tflite(folder / "m.tflite", edge=INT8), "int8"),
    "scheme": (
        lambda folder: write_tflite(folder / "m.tflite", replace(SPEC, scheme="7")),
        "scheme '7' is unknown",
    ),
    "points": (
        lambda folder: write_onnx(folder / "m.onnx", shape=(2, 1, 16, 16)),
        r"'image' float32 \(2, 1, 16, 16\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_landmark_model_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]
    with pytest.raises(InputError, match=message) as error:
        runtime.load(make(tmp_path))
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value) or case == "scheme"


def test_garbage_keras_with_a_spec_is_refused(tmp_path: Path) -> None:
    SPEC.write(tmp_path / "spec.json")
    with pytest.raises(InputError, match="not a zip archive"):
        runtime.load(broken(tmp_path, b"garbage", "m.keras"))


def test_nan_is_not_a_landmark(tmp_path: Path) -> None:
    answer = ANSWER.copy()
    answer[5] = np.nan
    model = runtime.load(write_tflite(tmp_path / "m.tflite", answer=answer))
    with pytest.raises(InputError, match="NaN"):
        model(grey(0))


def test_what_xnnpack_leaves_is_counted(tmp_path: Path) -> None:
    whole = sessions.open_session(write_tflite(tmp_path / "whole.tflite"))
    assert whole.delegation() == sessions.Delegation(1, {})
    split = sessions.open_session(write_tflite(tmp_path / "split.tflite", reverse=True))
    assert split.delegation() == sessions.Delegation(2, {"REVERSE_V2": 1})
    onnx = sessions.open_session(write_onnx(tmp_path / "m.onnx"))
    assert onnx.delegation() is None


@pytest.mark.parametrize("write", [write_tflite, write_onnx])
def test_sessions_describe_foreign_files(tmp_path: Path, write: Writer) -> None:
    suffix = "." + write.__name__.removeprefix("write_")
    session = sessions.open_session(write(tmp_path / f"m{suffix}", None))
    (image,) = session.inputs
    assert (image.name, image.dtype) == ("image", "float32")
    assert sorted(side for side in image.shape if side) == [1, 1, 16, 16]
    (points,) = session.run({"image": np.zeros([side or 1 for side in image.shape], np.float32)})
    np.testing.assert_allclose(points, ANSWER.reshape(1, 136), rtol=1e-6)
    assert session.runtime.split()[0] in {"ai-edge-litert", "onnxruntime"}


def test_cut_and_nme_of_a_known_shift(tmp_path: Path) -> None:
    box = geometry.Box(20, 10, 200, 200)
    points = geometry.to_picture(ANSWER, box)
    faces = [Face(f"f{i}", np.zeros((240, 240), np.uint8), points, "none", "g") for i in range(3)]
    crops = evaluate.cut(faces, SPEC)
    assert crops.images.shape == (3, 16, 16, 1)
    assert crops.ids == ("f0", "f1", "f2")
    np.testing.assert_allclose(crops.truth, np.stack([ANSWER] * 3), atol=1e-5)
    # Every point (0.03, 0.04) off, which is 0.05; the eye corners are 0.4 apart: 12.5 %.
    off = runtime.load(
        write_tflite(tmp_path / "off.tflite", answer=ANSWER + np.array([0.03, 0.04], np.float32))
    )
    np.testing.assert_allclose(evaluate.nme_percent(off, crops), [12.5] * 3, rtol=1e-4)


def test_faces_that_do_not_fit_are_refused() -> None:
    face = Face("f0", np.zeros((9, 9), np.uint8), ANSWER[:5], "none", "g")
    with pytest.raises(InputError, match=r"f0: 5 points; model tiny .* expects 68"):
        evaluate.cut([face], SPEC)


def test_no_faces_is_an_error() -> None:
    with pytest.raises(InputError, match="no faces"):
        evaluate.cut([], SPEC)


def test_running_and_measuring_import_no_training_framework() -> None:
    block = f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r}))\n"
    use = "import efld.runtime, efld.metrics, efld.evaluate, efld.predict, efld.__main__\n"
    use += "import benchmark.__main__, benchmark.accuracy, benchmark.host, efld.data.datasets\n"
    done = subprocess.run(
        [sys.executable, "-c", block + use], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "write", "package"),
    [("m.onnx", write_onnx, "onnxruntime"), ("m.keras", write_keras, "keras")],
)
def test_a_missing_runtime_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Writer, package: str
) -> None:
    path = write(tmp_path / name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"Run: pip install '\.\["):
        runtime.load(path)
