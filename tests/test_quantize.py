"""int8: calibrated on training faces only, audited, one partition, gated."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from efld import evaluate, files, run_files, runtime, sessions, tflite_file
from efld.data.datasets import open_faces
from efld.errors import InputError, StepError
from efld.sessions import Delegation
from export.chain import Evaluation, read_record
from export.steps import measure
from quantize import __main__ as command
from quantize import calibration, chain, recipe
from quantize.audit import audit
from quantize.graph import Graph, Op
from tests import tiny_run


@pytest.fixture(scope="session")
def run() -> Path:
    return tiny_run.quantized("dense")


@pytest.fixture(scope="session")
def record(run: Path) -> dict[str, Any]:
    return run_files.QUANTIZE.read(run)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def test_calibration_sees_boxes_that_are_off() -> None:
    faces = open_faces(None, "train", limit=6)
    crops = calibration.cut(faces, tiny_run.SPEC)
    assert sorted(crops.ids) == sorted(face.id for face in faces)
    exact = {face.id: evaluate.cut([face], tiny_run.SPEC).truth[0] for face in faces}
    off = [abs(crops.truth[i] - exact[name]).max() for i, name in enumerate(crops.ids)]
    assert np.round(off[:2], 6).tolist() == [0, 0]  # of six faces, the first and the fifth
    assert min(off[2:]) > 0.01


def test_every_weight_is_int8(run: Path) -> None:
    tensors = tflite_file.tensors(tflite_file.read(run / run_files.FILES["int8"]))
    weights = [t for t in tensors if t.constant and sum(side > 1 for side in t.shape) > 1]
    assert len(weights) > 10
    assert {tensor.dtype for tensor in weights} == {"int8"}


def test_the_graph_is_one_partition(run: Path) -> None:
    assert runtime.load(run / run_files.FILES["int8"]).session.delegation() == Delegation(1, {})


def test_edges_stay_float(run: Path) -> None:
    session = sessions.open_session(run / run_files.FILES["int8"])
    edges = [(edge.name, edge.dtype) for edge in (*session.inputs, *session.outputs)]
    assert edges == [("image", "float32"), ("landmarks", "float32")]


def test_the_audit_says_what_stayed_float_and_why(record: dict[str, Any]) -> None:
    found = record["audit"]
    kept = {(row["kind"], row["why"]) for row in found["float_ops"]}
    assert {("HARD_SWISH", "kernel"), ("CONV_2D", "head"), ("ADD", "tail")} <= kept
    assert {("MEAN", "gate"), ("CONV_2D", "gate"), ("MUL", "gate")} <= kept
    assert all(row["reason"] for row in found["float_ops"])
    assert found["int8_ops"]["CONV_2D"] > 5
    assert found["constants"]["int8"]["bytes"] > 10 * found["constants"]["float32"]["bytes"]


def test_the_landmarks_stay_close(run: Path, record: dict[str, Any]) -> None:
    step = record["step"]
    assert 0 < step["mean_px"] <= step["largest_px"] < 0.05 * tiny_run.INPUT_PX
    assert step["bytes"] < 0.6 * (run / "model.fp32.tflite").stat().st_size


def test_all_methods_are_recorded_and_the_best_is_taken(record: dict[str, Any]) -> None:
    trials = {trial["method"]: trial["mean_px"] for trial in record["trials"]}
    assert {*calibration.METHODS, "none (float32)"} == trials.keys()
    assert trials[record["method"]] == min(trials[method] for method in calibration.METHODS)
    assert record["search"] is None  # the hand recipe held the budget


def test_layer_errors_are_finite_and_small(record: dict[str, Any]) -> None:
    errors = {row["layer"]: row["relative_error"] for row in record["layers"]}
    assert len(errors) > 20
    assert all(0 <= error < 0.5 for error in errors.values())
    assert errors["image"] == 0
    assert 0 < errors["landmarks"] < 0.1


def test_only_training_faces_calibrate(run: Path, record: dict[str, Any]) -> None:
    ids = record["calibration_ids"]
    assert len(set(ids)) == tiny_run.OPTIONS.calibration_faces
    assert all(id_.startswith("lfpw/trainset/") for id_ in ids)
    assert runtime.load(run / run_files.FILES["int8"]).spec.calibration == tuple(ids)


def test_a_test_face_is_refused() -> None:
    faces = open_faces(tiny_run.faces_root(), "all")
    with pytest.raises(InputError, match=r"lfpw/testset/image_0000: is a test face"):
        calibration.pick(faces, (), 8, 0)


def test_a_test_face_that_hides_among_training_faces_is_refused() -> None:
    faces = [replace(face, part="train") for face in open_faces(tiny_run.faces_root(), "all")]
    with pytest.raises(InputError, match=r"the result is measured on it \(12 such faces\)"):
        calibration.pick(faces, tiny_run.evaluation().crops(tiny_run.SPEC).ids, 8, 0)


def test_a_graph_that_the_quantiser_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(tiny_run.exported("dense"), tmp_path / "run"))

    def refuse(*_: object) -> None:
        raise ValueError("no such\nop")

    monkeypatch.setattr("ai_edge_quantizer.quantizer.Quantizer.quantize", refuse)
    with pytest.raises(StepError, match=r"cannot make int8 of .*fp32.tflite \(no such op\)\."):
        chain.quantize(run, tiny_run.evaluation(), tiny_run.OPTIONS, lambda _: None)
    assert not (run / run_files.FILES["int8"]).exists()


def test_test_faces_do_not_calibrate() -> None:
    root = tiny_run.faces_root()
    tests = {face.id for face in open_faces(root, "common")}
    found = calibration.faces_for(root, "68", "common", tests, 1000, 0)
    assert found.ids
    assert not tests & {*found.ids, *(face.id for face in found.choose)}


def test_the_gate_names_a_limit_that_takes_the_file_only_where_it_would() -> None:
    """With another limit a search may find another file, and measure it anew."""
    _, steps = read_record(tiny_run.exported("dense"))
    found: Any = SimpleNamespace(faults=list)
    for searched in (False, True):
        with pytest.raises(StepError, match=r"limit \+0\.05") as refused:
            chain.check(replace(steps[-1], nme_percent=5.061), found, 5.0, 0.05, searched=searched)
        assert ("--max-nme-drop 0.07 takes this one" in str(refused.value)) != searched


def test_calibration_and_choice_share_no_face() -> None:
    faces = open_faces(tiny_run.faces_root(), "train")
    found = calibration.pick(faces, (), 24, 0)
    assert not set(found.ids) & {face.id for face in found.choose}
    assert found.ids == calibration.pick(faces, (), 24, 0).ids
    assert found.ids != calibration.pick(faces, (), 24, 1).ids
    everything = calibration.pick(faces, (), 1000, 0)
    assert len(everything.ids) + len(everything.choose) == len(faces)
    with pytest.raises(InputError, match="0 calibration faces wanted, expected 1 or more"):
        calibration.pick(faces, (), 0, 0)
    with pytest.raises(InputError, match="0 calibration faces wanted, expected 1 or more"):
        chain.Options(calibration_faces=0)


def test_methods_on_ranges_known_by_hand() -> None:
    ranges = np.array([[-1, 1]] * 99 + [[-1, 100]], np.float32)  # one odd picture
    assert calibration.min_max(ranges) == (-1, 100)
    assert calibration.quantile(ranges, 0.98) == (-1, 1)
    assert calibration.moving_average(ranges)[1] == pytest.approx(0.95 * 1 + 0.05 * 100)


def test_the_gate_names_step_limit_and_finding(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: files.sha256(path) for path in copy.iterdir() if path.is_file()}
    monkeypatch.setattr(chain, "measure", lambda *a, **k: replace(measure(*a, **k), nme_percent=99))
    with pytest.raises(StepError, match=r"step int8: NME .* -> 99.000 %, .* points, limit \+5"):
        chain.quantize(copy, tiny_run.evaluation(), tiny_run.OPTIONS, lambda _: None)
    found = {path.name: files.sha256(path) for path in copy.iterdir() if path.is_file()}
    assert found == before


@pytest.mark.parametrize("budget", [-0.01, float("nan"), float("inf")])
def test_a_budget_that_no_file_can_hold_is_refused(budget: float) -> None:
    with pytest.raises(InputError, match="points of NME as a budget, expected 0 or more"):
        chain.Options(max_nme_drop=budget)


def test_the_audit_finds_float_weights_and_partitions(run: Path) -> None:
    """The float file, offered as int8."""
    model = tflite_file.read(run / "model.fp32.tflite")
    faults = audit(model, recipe.float_ops(model), Delegation(21, {"HARD_SWISH": 20})).faults()
    assert len(faults) == 4
    assert "conv_2d_0/in1" in faults[0]
    assert "ops left float without a reason" in faults[1]
    assert faults[3] == "21 partitions (outside: {'HARD_SWISH': 20}), limit 1"


def test_ops_that_xnnpack_does_not_take_are_found_out(
    monkeypatch: pytest.MonkeyPatch, copy: Path
) -> None:
    """In int8, HARD_SWISH would cut the graph into pieces; here nobody says so beforehand."""
    monkeypatch.setattr(recipe, "NO_INT8_KERNEL", frozenset())
    chain.quantize(copy, tiny_run.evaluation(), tiny_run.OPTIONS, lambda _: None)
    found = run_files.QUANTIZE.read(copy)["audit"]
    assert found["partitions"] == 1
    assert ("HARD_SWISH", "kernel") in {(row["kind"], row["why"]) for row in found["float_ops"]}


def test_a_dense_layer_that_writes_the_landmarks_itself_stays_float() -> None:
    kinds = ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "FULLY_CONNECTED", "RESHAPE"]
    assert list(recipe.chosen(in_a_row(kinds))) == [
        (0, "head"),
        (1, "head"),
        (3, "tail"),
        (4, "tail"),
    ]
    kinds[-1:] = ["MUL", "RESHAPE"]
    assert [i for i, why in recipe.chosen(in_a_row(kinds)) if why == "tail"] == [4, 5]


def in_a_row(kinds: list[str]) -> Graph:
    """Each op reads what the one before it wrote."""
    return wired([(kind, [i]) for i, kind in enumerate(kinds)])


def wired(ops: list[tuple[str, list[int]]]) -> Graph:
    """Ops by kind and what they read; the first writes tensor 1, the second 2, and so on."""
    made = [Op(i, kind, tuple(reads), (i + 1,), "") for i, (kind, reads) in enumerate(ops)]
    return Graph((), tuple(made), (0,), (len(ops),))


def test_both_looks_of_a_mirrored_model_begin_and_end_in_float() -> None:
    look = ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "RESHAPE", "SOFTMAX", "FULLY_CONNECTED"]
    kinds = [*look, "FULLY_CONNECTED", *look, "ADD"]
    reads = [[0], [1], [2], [3], [4], [5], [0], [7], [8], [9], [10], [11], [12], [6, 13]]
    graph = wired(list(zip(kinds, reads, strict=True)))
    int8 = {2, 9}
    assert {i for i, _ in recipe.chosen(graph)} == set(range(14)) - int8


def test_a_reshape_amid_convolutions_does_not_end_the_int8_part() -> None:
    kinds = ["CONV_2D", "DEPTHWISE_CONV_2D", "RESHAPE", "CONV_2D", "MEAN", "FULLY_CONNECTED"]
    graph = in_a_row([*kinds, "SOFTMAX", "FULLY_CONNECTED", "MUL"])
    assert [i for i, why in recipe.chosen(graph) if why == "tail"] == [8]


def test_a_mean_behind_a_float_activation_stays_float_without_a_gate() -> None:
    kinds = ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "HARD_SWISH", "MEAN", "FULLY_CONNECTED"]
    assert (4, "gate") in set(recipe.chosen(in_a_row([*kinds, "RESHAPE"])))


def test_heat_maps_are_scored_in_int8_and_read_in_float() -> None:
    run = tiny_run.quantized("heatmap")
    assert runtime.load(run / run_files.FILES["int8"]).session.delegation() == Delegation(1, {})
    found = run_files.QUANTIZE.read(run)["audit"]
    tail = {row["kind"] for row in found["float_ops"] if row["why"] == "tail"}
    assert tail == {"RESHAPE", "TRANSPOSE", "FULLY_CONNECTED", "STRIDED_SLICE"}
    assert ("SOFTMAX", "kernel") in {(row["kind"], row["why"]) for row in found["float_ops"]}
    assert found["int8_ops"]["ADD"] >= 2  # the pyramid's, and the prior's


def test_another_evaluation_than_the_export_s_is_refused(copy: Path) -> None:
    evaluation = Evaluation(tiny_run.faces_root(), "train")
    with pytest.raises(InputError, match="Give both commands the same --data and --split"):
        chain.quantize(copy, evaluation, tiny_run.OPTIONS, lambda _: None)


def test_a_run_that_was_not_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"export\.json: no such file"):
        chain.quantize(tmp_path, tiny_run.evaluation(), tiny_run.OPTIONS, lambda _: None)


def test_a_misspelt_command_is_not_taken_for_a_run() -> None:
    with pytest.raises(InputError, match=r"audti: neither a run nor a command\. Is it audit\?"):
        command.main(["audti", "model.int8.tflite"])


def test_the_command_prints_one_table_over_all_steps(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tiny_run.faces_root())
    command.main([str(copy), "--data", data, "--calibration-faces", "24", "--max-nme-drop", "5"])
    heading, *lines = capsys.readouterr().out.splitlines()
    assert "NME on 12 faces" in heading
    names = ["step", "keras", "onnx", "fp32", "fp16", "int8"]
    assert [line.split()[0] for line in lines] == names
    assert "1 partition" in lines[-1]
    assert run_files.QUANTIZE.read(copy)
