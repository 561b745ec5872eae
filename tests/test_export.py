"""Keras -> ONNX -> TFLite: what each step costs, and what happens when it costs too much."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from efld import files, runtime, sessions, tflite_file
from efld.errors import InputError, StepError
from efld.evaluate import Crops
from efld.run_files import FILES
from efld.spec import METADATA_NAME, ModelSpec
from export import __main__ as command
from export import chain, onnx_graph, run_folder, steps, tflite_graph
from export.chain import Evaluation
from export.steps import LIMITS, Limit
from tests import tiny_run
from tests.tiny_data import put

ARTEFACTS = {name: FILES[name] for name in LIMITS}


@pytest.fixture(scope="session")
def run() -> Path:
    return tiny_run.exported("dense")


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


@pytest.mark.parametrize("name", ARTEFACTS)
def test_artefact_agrees_with_keras(run: Path, name: str) -> None:
    crops = tiny_run.evaluation().crops(tiny_run.SPEC)
    reference = steps.Reference.of(runtime.load(run / "model.keras"), crops)
    found_px = reference.distance_px(runtime.load(run / ARTEFACTS[name])(crops.images))
    assert found_px.max() <= LIMITS[name].largest_px
    assert np.ptp(reference.points, axis=0).max() > 1e-3  # the net looks at the picture


def test_faces_are_taken_as_training_takes_them(tmp_path: Path) -> None:
    """Those of other points are converted, or left out with a word."""
    rng = np.random.default_rng(0)
    for name, points in (("a", 68), ("b", 98), ("c", 39)):
        put(tmp_path, name, rng.uniform(10, 90, (points, 2)).astype(np.float32))
    said: list[str] = []
    crops = Evaluation(tmp_path, "all").crops(tiny_run.SPEC, said.append)
    assert crops.ids == ("a", "b")
    (line,) = said
    assert line.endswith(": 1 converted from 98 points, 1 left out: 39 points")


@pytest.mark.parametrize("name", ["fp32", "fp16"])
def test_no_transposes_and_one_partition(run: Path, name: str) -> None:
    path = run / ARTEFACTS[name]
    assert "TRANSPOSE" not in tflite_file.op_counts(path)
    delegation = runtime.load(path).session.delegation()
    assert delegation == sessions.Delegation(1, {})


def test_onnx_keeps_only_the_transposes_before_flattening(run: Path) -> None:
    graph = onnx.load(run / ARTEFACTS["onnx"]).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("Transpose") <= 2  # one a map of the head


@pytest.mark.parametrize("name", ARTEFACTS)
def test_edges_are_named(run: Path, name: str) -> None:
    session = sessions.open_session(run / ARTEFACTS[name])
    assert [edge.name for edge in session.inputs] == ["image"]
    assert [edge.name for edge in session.outputs] == ["landmarks"]
    side = tiny_run.INPUT_PX
    assert session.inputs[0].shape in {(1, side, side, 1), (1, 1, side, side)}
    assert session.outputs[0].shape == (1, 68, 2)


def test_tflite_has_a_signature(run: Path) -> None:
    model = tflite_file.read(run / ARTEFACTS["fp32"])
    (signature,) = model.signatureDefs
    assert [entry.name for entry in signature.inputs] == [b"image"]
    assert [entry.name for entry in signature.outputs] == [b"landmarks"]


def test_spec_with_the_weights_hash_is_in_every_file(run: Path) -> None:
    expected = files.sha256(run / "model.keras")
    for name in ARTEFACTS.values():
        spec = runtime.load(run / name).spec
        assert spec.weights_sha256 == expected
        assert spec.input_px == tiny_run.INPUT_PX
    (entry,) = onnx.load(run / ARTEFACTS["onnx"]).metadata_props
    assert entry.key == METADATA_NAME


def test_the_record_describes_the_files(run: Path) -> None:
    record, found = chain.read_record(run)
    assert [step.step for step in found] == ["keras", "onnx", "fp32", "fp16"]
    assert all(step.bytes == (run / step.file).stat().st_size for step in found)
    assert record["tools"]["tf2onnx"]
    assert record["data"]["faces"] == tiny_run.TEST_FACES
    assert not list(run.glob(".*"))


def test_the_table_has_a_row_a_step(run: Path) -> None:
    lines = steps.table(chain.read_record(run)[1]).splitlines()
    assert [line.split()[0] for line in lines] == ["step", "keras", "onnx", "fp32", "fp16"]
    assert lines[3].endswith("ok, limit 0.01 px")


def test_the_gate_names_step_limit_and_finding(copy: Path) -> None:
    before = contents(copy)
    limits = {**LIMITS, "onnx": Limit(1e-12, 1, None)}
    with pytest.raises(
        StepError, match=r"step onnx: a point is [\d.e-]+ px from keras, limit 1e-12 px"
    ):
        chain.export(copy, tiny_run.evaluation(), lambda _: None, limits)
    assert contents(copy) == before


def test_the_same_weights_give_the_same_bytes(run: Path, tmp_path: Path) -> None:
    """tf2onnx walks sets of names, which it numbers through all graphs of a process."""
    import keras
    import tf2onnx.utils

    model = keras.saving.load_model(run / "model.keras", compile=False)
    hashes = set()  # pytest would spend minutes on the difference of two binary files
    for first_number in (1, 37, 89, 979):
        tf2onnx.utils.INTERNAL_NAME = first_number
        onnx_graph.write(model, tiny_run.SPEC, tmp_path / "model.onnx")
        hashes.add(files.sha256(tmp_path / "model.onnx"))
    assert len(hashes) == 1


def test_the_gate_lets_heat_maps_be_turned_once(run: Path) -> None:
    step = chain.read_record(run)[1][2]
    once, twice = ({"TRANSPOSE": count, "SOFTMAX": 1} for count in (1, 2))
    steps.check(steps.Step(**{**vars(step), "ops": once}), LIMITS["fp32"], "keras")
    with pytest.raises(StepError, match="1 TRANSPOSE ops"):
        steps.check(steps.Step(**{**vars(step), "ops": twice}), LIMITS["fp32"], "keras")


def test_the_gate_counts_transposes(run: Path) -> None:
    step = chain.read_record(run)[1][2]
    bad = steps.Step(**{**vars(step), "ops": {"TRANSPOSE": 27}})
    with pytest.raises(StepError, match="step fp32: 27 TRANSPOSE ops in the graph, limit 0"):
        steps.check(bad, LIMITS["fp32"], "keras")


def test_not_a_number_fails_the_gate(run: Path) -> None:
    step = chain.read_record(run)[1][2]
    with pytest.raises(StepError, match="a point is nan px"):
        steps.check(
            steps.Step(**{**vars(step), "largest_px": float("nan")}), LIMITS["fp32"], "keras"
        )


def test_the_gate_looks_at_the_mean_too(run: Path) -> None:
    step = chain.read_record(run)[1][3]
    bad = steps.Step(**{**vars(step), "mean_px": 0.06, "largest_px": 0.1})
    with pytest.raises(StepError, match=r"step fp16: points are 0\.06 px from keras on average"):
        steps.check(bad, LIMITS["fp16"], "keras")


def test_one_point_of_one_face_decides() -> None:
    points = np.zeros((300, 68, 2), np.float32)
    crops = Crops(np.zeros((300, 1, 1, 1), np.uint8), points, ("",) * 300)
    reference = steps.Reference(crops, points, input_px=100, scheme="68")
    moved = points.copy()
    moved[7, 5, 0] = 0.5
    assert reference.distance_px(moved).max() == 50


@pytest.mark.parametrize("code", [0, 1])
def test_a_failed_conversion_leaves_nothing(run: Path, tmp_path: Path, code: int) -> None:
    """onnx2tf may also exit 0 without its files."""

    def fail(*args: Any, **kwargs: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess([], code, "Float32 tflite output complete!", "boom")

    target = tmp_path / "model.fp32.tflite"
    with pytest.raises(StepError, match=f"(?s)onnx2tf exited {code}, no net_float32.*boom"):
        tflite_graph.write(run / "model.onnx", tiny_run.SPEC, target, target, fail)
    assert not target.exists()


def test_an_interrupted_export_leaves_the_old_files(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(copy)

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tflite_graph, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        chain.export(copy, tiny_run.evaluation(), lambda _: None)
    assert contents(copy) == before


def contents(folder: Path) -> dict[str, str]:
    return {path.name: files.sha256(path) for path in folder.iterdir()}


def test_weights_of_another_training_are_refused(copy: Path) -> None:
    ModelSpec(model="tiny", input_px=32, weights_sha256="0" * 64).write(copy / "spec.json")
    with pytest.raises(InputError, match=r"expected 00000000 as in spec.json beside it"):
        chain.stamped_spec(copy)


def test_a_record_of_other_files_is_refused(copy: Path) -> None:
    (copy / "model.fp32.tflite").write_bytes(b"other")
    with pytest.raises(InputError, match=r"model\.fp32\.tflite: is not the file that export"):
        chain.read_record(copy)


def test_garbage_weights_are_refused(copy: Path) -> None:
    (copy / "model.keras").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"model\.keras: expected a Keras file"):
        chain.export(copy, tiny_run.evaluation(), lambda _: None)


@pytest.fixture
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "pretrained" / "efld-small"
    folder.mkdir(parents=True)
    (folder / "model.keras").write_bytes(b"weights")
    tiny_run.SPEC.write(folder / "spec.json")
    return folder


def test_a_pretrained_name_is_copied_and_refreshed(pretrained: Path) -> None:
    folder = run_folder.prepare("efld-small")
    assert folder == Path("runs/efld-small")
    assert (folder / "model.keras").read_bytes() == b"weights"
    (pretrained / "model.keras").write_bytes(b"newer")
    run_folder.prepare("efld-small")
    assert (folder / "model.keras").read_bytes() == b"newer"
    assert run_folder.locate("efld-small") == folder
    assert run_folder.prepare("runs/efld-small") == folder


@pytest.mark.parametrize("record", ["config.json", "trim.json", "mirror.json"])
def test_a_model_of_ones_own_is_never_overwritten(pretrained: Path, record: str) -> None:
    mine = run_folder.prepare("efld-small")
    (mine / record).write_text(json.dumps({}))
    (mine / "model.keras").write_bytes(b"mine")
    with pytest.raises(InputError, match=rf"efld-small: {record} says that .* is your own"):
        run_folder.prepare("efld-small")
    assert run_folder.prepare("runs/efld-small/") == mine
    assert (mine / "model.keras").read_bytes() == b"mine"


def test_a_foreign_run_of_a_pretrained_name_keeps_its_files(pretrained: Path) -> None:
    foreign = Path("runs/efld-small")
    foreign.mkdir(parents=True)
    (foreign / "source.onnx").touch()
    with pytest.raises(InputError, match=r"source\.onnx: this run was made of a foreign file"):
        run_folder.prepare("efld-small")
    assert [path.name for path in foreign.iterdir()] == ["source.onnx"]


def test_a_wrong_dataset_copies_nothing(pretrained: Path) -> None:
    with pytest.raises(InputError, match=r"nope: no such folder\. Check the path"):
        command.main(["efld-small", "--data", "nope"])
    assert not Path("runs").exists()


def test_an_unknown_run_lists_what_there_is(pretrained: Path) -> None:
    with pytest.raises(InputError, match=r"absent: no such run.*found here: .*efld-small"):
        run_folder.prepare("absent")
    Path("net.onnx").touch()
    with pytest.raises(InputError, match=r"net\.onnx: is a file, expected runs/NAME"):
        run_folder.locate("net.onnx")
    Path("empty").mkdir()
    with pytest.raises(InputError, match="Run `python -m train` first"):
        run_folder.prepare("empty")


def test_the_command_exits_1_with_the_numbers(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: Any) -> None:
        raise StepError("step fp16: largest difference from Keras 0.3 px, limit 0.1 px.")

    monkeypatch.setattr(chain, "export", fail)
    with pytest.raises(SystemExit) as stop:
        command.main([str(copy), "--data", str(tiny_run.faces_root())])
    assert stop.value.code == 1
    assert "failed: step fp16" in capsys.readouterr().err
