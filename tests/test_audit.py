"""`python -m quantize audit`: broken files, each found by its code, and files that are right."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from efld import files, tflite_file
from quantize.audit.report import Options, Report, report
from quantize.commands import audit as command
from quantize.commands import run as quantize_command
from tests import audited_files, tiny_run
from tests.audited_files import BROKEN, NAME, source
from tests.tiny_files import write_tflite


def look(path: Path, **options: str | bool) -> Report:
    """On the faces of the tiny run."""
    return report(path, Options(data=tiny_run.faces_root(), **options))  # type: ignore[arg-type]


def faults(found: Report) -> set[str]:
    return {finding.code for finding in found.findings if finding.severity == "fault"}


def codes(found: Report) -> set[str]:
    return {finding.code for finding in found.findings}


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source().write(tmp_path_factory.mktemp("clean") / NAME)


@pytest.fixture(scope="session")
def seen(clean: Path) -> Report:
    return look(clean)


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_file_is_found_by_its_code_alone(code: str, tmp_path: Path) -> None:
    path = BROKEN[code](tmp_path / NAME)
    text, exit_code = command.run([str(path), "--data", str(tiny_run.faces_root())])
    assert exit_code == 1
    assert [line.split()[1] for line in text.splitlines() if line.startswith("fault ")] == [code]


def test_a_file_of_the_chain_passes(seen: Report) -> None:
    assert seen.says_int8
    assert (seen.exit_code, codes(seen)) == (0, set())
    assert seen.computing.kind == "int8"
    assert seen.computing.int8_share > 0.5


@pytest.mark.parametrize("name", ["model.fp32.tflite", "model.fp16.tflite"])
def test_float_files_pass(name: str) -> None:
    found = look(tiny_run.exported("dense") / name)
    assert (found.exit_code, found.says_int8) == (0, False)
    assert (
        found.computing.kind == {"fp32": "float32", "fp16": "float16 weights"}[name.split(".")[1]]
    )


def test_a_run_stands_for_its_int8_file(clean: Path, tmp_path: Path) -> None:
    shutil.copy(clean, tmp_path / "model.int8.tflite")
    text, exit_code = command.run([str(tmp_path)])
    assert exit_code == 0
    assert "model.int8.tflite" in text


def test_a_float_file_that_says_int8_does_not_pass(tmp_path: Path) -> None:
    path = shutil.copy(tiny_run.exported("dense") / "model.fp32.tflite", tmp_path / NAME)
    assert faults(look(Path(path))) == {"not-int8"}
    assert faults(look(source().fp32.path, says="int8")) == {"not-int8"}
    assert faults(look(Path(path), says="float")) == set()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("net_full_integer_quant.tflite", True),
        ("net.INT8.tflite", True),
        ("lightweight_int8.tflite", True),
        ("net_int8_weights.tflite", False),
        ("net_dynamic_range_quant.tflite", False),
        ("net_integer_quant_with_int16_act.tflite", False),
        ("net.tflite", False),
    ],
)
def test_what_a_name_says(name: str, says: bool, tmp_path: Path) -> None:
    found = report(write_tflite(tmp_path / name, spec=None), Options())
    assert found.says_int8 is says
    assert ("its name has" in found.says_why) is says


def test_float_among_int8_is_told_by_island_with_its_reason(seen: Report) -> None:
    islands = {island.ops[0]: island for island in seen.computing.islands}
    assert islands["conv_2d_0"].edge
    gate = islands["hard_swish_10"]
    assert gate.kinds == {"HARD_SWISH": 1, "MEAN": 1, "CONV_2D": 2, "MUL": 2}
    assert gate.reasons["mul_17"].startswith("squeeze-excite")
    assert all(island.explained for island in seen.computing.islands)
    assert seen.planned_by == "the rules of quantize/recipe.py"


def test_the_record_beside_a_file_explains_what_stayed_float(tmp_path: Path) -> None:
    path = audited_files.float_island(tmp_path / NAME)
    rows = [{"reason": "because", "names": [op]} for op in ("conv_2d_18", "hard_swish_10")]
    record = {"schema": 1, "step": {"sha256": files.sha256(path)}, "audit": {"float_ops": rows}}
    files.write_json(tmp_path / "quantize.json", record)
    found = look(path)
    assert found.planned_by == "quantize.json beside it"
    island = next(i for i in found.computing.islands if "conv_2d_18" in i.ops)
    assert island.reasons["conv_2d_18"] == "because"
    assert not island.explained  # the record is silent on the rest of it
    files.write_json(tmp_path / "quantize.json", record | {"step": {"sha256": "of another file"}})
    assert look(path).planned_by == "the rules of quantize/recipe.py"


def test_what_the_chain_records_explains_its_file() -> None:
    run = tiny_run.quantized("dense")
    found = look(run / "model.int8.tflite")
    assert found.planned_by == "quantize.json beside it"
    assert found.exit_code == 0


def test_bytes_are_all_accounted_for(clean: Path, seen: Report) -> None:
    sizes = seen.sizes
    assert sizes.total == clean.stat().st_size
    spec = tflite_file.read_spec(clean)
    assert spec is not None
    assert sizes.metadata["efld.spec.json"] == len(spec.to_json())
    weights = [
        t for t in tflite_file.tensors(tflite_file.read(clean)) if t.constant and t.dtype == "int8"
    ]
    assert 0 < sizes.weights <= sum(tensor.size_bytes for tensor in weights)
    assert 0 < sizes.structure < sizes.total / 2
    assert sizes.unused == 0


def test_the_text_has_the_verdict_first_and_the_record_has_everything(
    clean: Path, tmp_path: Path
) -> None:
    out = tmp_path / "audit.json"
    text, exit_code = command.run(
        [str(clean), "--data", str(tiny_run.faces_root()), "--json", str(out)]
    )
    assert exit_code == 0
    assert "int8," in text.splitlines()[0]
    assert "0 faults, 0 warnings, 0 notes" in text.splitlines()[0]
    assert "XNNPACK: 1 partition, outside it nothing" in text
    assert "none of them calibrated it" in text
    record = json.loads(out.read_text())
    assert (record["schema"], record["file"], record["findings"]) == (1, NAME, [])
    assert record["sizes"]["total"] == clean.stat().st_size
    assert record["delegation"]["partitions"] == 1
    assert len(record["spec"]["calibration"]) == len(source().ids)
    listed = Counter(tensor["dtype"] for tensor in record["tensors"])
    counted = Counter(record["activations"])
    counted.update({dtype: own["tensors"] for dtype, own in record["constants"].items()})
    assert listed == counted
    assert any(len(tensor["scales"]) > 1 for tensor in record["tensors"] if tensor["constant"])


def test_faces_that_calibrated_are_not_looked_at(clean: Path, seen: Report) -> None:
    training = tiny_run.TRAIN_FACES - len(source().ids)
    assert seen.seen.count == training > 0
    assert seen.seen.pictures.startswith(f"{training} faces of ")


def test_every_command_s_help_starts_with_examples() -> None:
    for module in (command, quantize_command):
        assert module.HELP.startswith("examples:\n  python -m quantize")
