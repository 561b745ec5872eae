"""`python -m quantize MODEL.onnx`: a file from anywhere becomes a run and an int8 file."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import onnx
import pytest
from onnx import helper

from efld import evaluate, files, runtime, tflite_file
from efld.data.datasets import open_faces
from efld.data.faces import Face
from efld.errors import InputError, StepError
from efld.evaluate import Crops, View
from export import chain, foreign, foreign_check, run_folder
from export.chain import Evaluation
from export.foreign import Source
from export.foreign_model import ForeignModel
from export.foreign_spec import Told
from export.steps import Limit
from quantize.commands import foreign as command
from tests import tiny_foreign, tiny_run
from tests.tiny_files import INT8, write_tflite
from tests.tiny_foreign import net, save

SAID = Told(preprocess="rgb01", scheme="68", box_factor=1.25)
FLAGS = {"--preprocess": "rgb01", "--points": "68", "--box": "1.25"}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_foreign.write_faces(tmp_path_factory.mktemp("foreign") / "300w")


@pytest.fixture(scope="session")
def file(data: Path) -> Path:
    return save(net(extra=7), data.parent / "net.onnx")


@pytest.fixture(scope="session")
def result(file: Path, data: Path) -> tuple[Path, str, int]:
    """The run, what the command said, its exit code."""
    run = file.parent / "runs" / "net"
    text, code = command.run(argv(
        file, data, "--output", "output", "--run", run,
        "--max-nme-drop", "5", "--calibration-faces", "24",
    ))  # fmt: skip
    return run, text, code


def argv(file: Path, data: Path | None, *more: object, **changed: str) -> list[str]:
    flags = FLAGS | {f"--{name}": value for name, value in changed.items()}
    words = [file, *(word for pair in flags.items() if pair[1] for word in pair), *more]
    return [str(word) for word in (*words, *(("--data", data) if data else ()))]


def test_one_command_makes_a_run_like_ours(result: tuple[Path, str, int]) -> None:
    run, text, code = result
    assert code == 0
    names = ["source", "onnx", "fp32", "fp16", "int8"]
    assert [line.split()[0] for line in text.splitlines()[2:7]] == names
    assert "--preprocess rgb01 --points 68 --box 1.25 --units 01 --origin 0.5" in text
    for name in ("model.onnx", "model.fp32.tflite", "model.fp16.tflite", "model.int8.tflite"):
        spec = runtime.load(run / name).spec
        assert (spec.model, spec.channels, spec.input_range) == ("net", "rgb", (0, 255))
        assert spec.weights_sha256 == files.sha256(run / "source.onnx")
    record, steps = chain.read_record(run)
    assert [step.step for step in steps] == names[:-1]
    assert all(step.nme_percent < 2 for step in steps)
    assert record["foreign"]["told"]["output"] == "output"
    assert record["foreign"]["found"]["origin"] == "measured"
    assert not (run / ".export").exists()


def test_a_run_of_a_foreign_file_may_be_called_as_a_pretrained_model_is(
    file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pretrained" / "efld-nano").mkdir(parents=True)
    (tmp_path / "pretrained" / "efld-nano" / "model.keras").touch()
    budget = ("--max-nme-drop", "5", "--calibration-faces", "24")
    _, code = command.run(argv(file, data, "--output", "output", "--run", "efld-nano", *budget))
    assert code == 0
    assert (tmp_path / "efld-nano" / "model.int8.tflite").is_file()


def test_both_spellings_of_a_hard_swish_become_one_op(result: tuple[Path, str, int]) -> None:
    ops = tflite_file.op_counts(result[0] / "model.fp32.tflite")
    assert ops["HARD_SWISH"] == 2
    assert set(ops) <= {
        "PAD", "CONV_2D", "HARD_SWISH", "MEAN", "FULLY_CONNECTED", "RESHAPE",
    }  # fmt: skip


def test_a_run_of_the_same_file_is_made_again_and_of_another_is_refused(
    result: tuple[Path, str, int], file: Path, data: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(result[0], tmp_path / "net"))
    foreign.check_free(run, file)
    other = save(net(), tmp_path / "other.onnx")
    with pytest.raises(InputError, match=r"net: holds something else, expected nothing or an"):
        command.run(argv(other, data, "--run", run))
    assert (run / "model.int8.tflite").is_file()
    made = Evaluation(data)
    foreign.make(Source(file, replace(SAID, output="output"), {}), made, run, lambda _: None)
    assert (run / "model.int8.tflite").is_file()
    (run / "quantize.svg").touch()
    wider = replace(SAID, output="output", box_factor=1.4)
    foreign.make(Source(file, wider, {}), made, run, lambda _: None)
    assert not (run / "model.int8.tflite").exists()  # it has the other box
    assert not list(run.glob("quantize.*"))
    (tmp_path / "killed" / foreign.WORK).mkdir(parents=True)
    foreign.check_free(tmp_path / "killed", file)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"mine: holds something else"):
        command.run(argv(file, data, "--run", tmp_path / "mine", output="output"))


def test_a_step_over_its_limit_leaves_nothing(data: Path, tmp_path: Path) -> None:
    source = Source(save(net(), tmp_path / "net.onnx"), SAID, {})
    limits = foreign.FOREIGN_LIMITS | {"onnx": Limit(-1, 1, None)}
    with pytest.raises(StepError, match="step onnx: a point is"):
        foreign.make(source, Evaluation(data), tmp_path / "net", lambda _: None, limits)
    assert not (tmp_path / "net").exists()


def refused(file: Path, data: Path | None, *more: object, **changed: str) -> str:
    with pytest.raises(InputError) as error:
        command.run(argv(file, data, "--run", file.parent / "none", *more, **changed))
    assert "\n" not in str(error.value)
    assert not (file.parent / "none").exists()
    return str(error.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"preprocess": "rgb"}, "--preprocess 'rgb' is unknown, expected grey255, grey01"),
        ({"preprocess": ""}, "net.onnx: --preprocess is missing"),
        ({"points": ""}, "net.onnx: --points is missing"),
        ({"box": ""}, "net.onnx: --box is missing"),
        ({"box": "0"}, "--box 0: expected a number above 0"),
        ({"units": "mm"}, "--units 'mm' is unknown, expected 01, -11, px"),
        ({"points": "5"}, "point scheme '5' is unknown, expected one of"),
        ({"points": "98"}, "--points 98 expects one output of 196 float32 numbers x, y, x, y"),
        ({}, "expects one output of 136 float32 numbers x, y, x, y, ..., found 'output' float32"),
        ({"output": "none"}, "expects an output 'none' that starts with 136 float32 numbers"),
        ({"preprocess": "grey01"}, "--preprocess grey01 expects one picture float32, square"),
    ],
)
def test_what_is_said_must_fit_the_file(
    file: Path, data: Path, flags: dict[str, str], message: str
) -> None:
    assert message in refused(file, data, **flags)


def test_what_is_no_foreign_model_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    two = net()
    two.graph.input.append(helper.make_tensor_value_info("age", onnx.TensorProto.FLOAT, (1, 1)))
    fused = net()
    fused.graph.node[0].op_type = "FusedConv"
    onnx.save(fused, str(tmp_path / "fused.onnx"))
    write_tflite(tmp_path / "int8.tflite", None, edge=INT8)
    for name, message in (
        ("none.onnx", "none.onnx: no such file"),
        ("text.onnx", "text.onnx: expected an ONNX file"),
        ("net.pt", "net.pt: suffix '.pt', expected .onnx or .tflite"),
        ("fused.onnx", "fused.onnx: has ops FusedConv, expected only those of the ONNX standard"),
        ("int8.tflite", "int8.tflite: 2 of its tensors are int8, expected a float file"),
    ):
        assert message in refused(tmp_path / name, data)
    assert "expects one picture" in refused(save(two, tmp_path / "two.onnx"), data)


def test_data_must_have_training_faces(file: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "lfpw" / "testset", tmp_path / "faces")
    message = refused(file, tmp_path / "faces", output="output")
    assert "faces: has no training faces of its own" in message
    assert "--data is missing" in refused(file, None, output="output")
    assert "--data, --box is missing" in refused(file, None, box="")


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"preprocess": "bgr01"}, "with --preprocess rgb01. Give that."),
        ({"preprocess": "rgb255"}, "with --preprocess rgb01. Give that."),
        ({"units": "px"}, "with --units 01. Give that."),
    ],
)
def test_what_is_grossly_wrong_is_refused_with_the_right_flag(
    file: Path, data: Path, changed: dict[str, str], remedy: str
) -> None:
    message = refused(file, data, output="output", **changed)
    assert f"on {foreign_check.FIRST_FACES} training faces" in message
    assert remedy in message


def test_colours_that_cannot_be_told_apart_stay_as_given(
    file: Path, data: Path, tmp_path: Path
) -> None:
    grey = shutil.copytree(data, tmp_path / "300w")
    for path in grey.rglob("*.png"):
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        cv2.imwrite(str(path), picture)
    message = refused(file, grey, output="output", preprocess="bgr255")
    assert "with --preprocess bgr01. Give that." in message


@pytest.mark.parametrize(
    ("flag", "message"),
    [("--fp16-limit-px", "expected 0 or more"), ("--max-nme-drop", "as a budget")],
)
def test_a_limit_that_is_no_number_is_refused_at_once(
    flag: str, message: str, file: Path, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(InputError, match=message):
        command.run(argv(file, data, flag, "nan", "--run", run))
    assert not run.exists()


def test_a_file_that_finds_nothing_is_refused(data: Path, tmp_path: Path) -> None:
    made = net()
    bias = next(c for c in made.graph.initializer if c.name == "b3")
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias)[::-1], "b3"))
    message = refused(save(made, tmp_path / "net.onnx"), data)
    assert "expected below 25 %. Are --points and --output right?" in message


def check(file: Path, data: Path, origin_px: float | None = None, **said: Any) -> Any:
    told = replace(SAID, output="output", **said)
    return foreign_check.check(ForeignModel.open(file, told), data, origin_px)


def test_what_is_true_is_taken_without_a_word(file: Path, data: Path) -> None:
    found = check(file, data)
    assert found.warning == ""
    assert found.told == replace(SAID, output="output", origin_px=0.5)
    assert found.note == ""
    json.dumps(found.found)


def test_what_is_surely_worse_on_the_first_faces_is_not_tried_on_all(
    file: Path, data: Path
) -> None:
    found = check(file, data).found
    assert found["first_faces"] == foreign_check.FIRST_FACES < found["faces"]
    everywhere, at_first = found["others_nme_percent"], found["others_nme_percent_at_first"]
    assert "--box 1.5" in at_first.keys() - everywhere.keys()


def test_another_origin_is_found_or_warned_of(data: Path, tmp_path: Path) -> None:
    """A net whose points are half a pixel to the left and up: its authors counted from 0."""
    made = net()
    bias = next(c for c in made.graph.initializer if c.name == "b3")
    moved = onnx.numpy_helper.to_array(bias) - 0.5 / tiny_foreign.INPUT_PX
    bias.CopyFrom(onnx.numpy_helper.from_array(moved, "b3"))
    path = save(made, tmp_path / "net.onnx")
    found = check(path, data)
    assert found.told.origin_px == 0
    assert re.search(r"NME \S+ % with .* one at 0\.5, \S+ % with --origin 0, now taken", found.note)
    with pytest.raises(InputError, match="with --origin 0"):
        check(path, data, origin_px=1)


def test_only_training_faces_are_looked_at(
    file: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = evaluate.cut_views

    def cut_views(faces: Sequence[Face], views: Sequence[View]) -> dict[View, Crops]:
        seen.extend(face.part for face in faces)
        return real(faces, views)

    monkeypatch.setattr("efld.evaluate.cut_views", cut_views)
    check(file, data)
    assert set(seen) == {"train"}
    assert len(seen) > len(open_faces(data, "train"))


def test_exporting_a_foreign_run_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "source.onnx").touch()
    with pytest.raises(InputError, match=r"source\.onnx: this run was made of a foreign file"):
        run_folder.prepare(str(tmp_path))


def test_a_file_that_is_quantised_already_is_refused(data: Path) -> None:
    path = tiny_run.quantized("dense") / "model.int8.tflite"
    with pytest.raises(InputError, match="expected a float file: it is quantised already"):
        command.run([
            str(path), "--data", str(data), "--preprocess", "grey255", "--points", "68",
            "--box", "1.25",
        ])  # fmt: skip
