"""Scales of real faces travel with weights, as numbers."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efld import files, run_files, runtime
from efld.data import datasets
from efld.errors import InputError, StepError
from export import run_folder, steps
from export.chain import Evaluation
from export.steps import Step
from quantize import calibration, chain
from tests import tiny_run

RENDERED = Evaluation(None, "common")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was quantised with data, then exported without.

    What stands for the rendered faces are those of the tiny dataset, other ones for calibration.
    """
    run = Path(shutil.copytree(tiny_run.quantized("dense"), tmp_path / "run"))
    root = tiny_run.faces_root()
    training = datasets.training_faces(root)[::-1][:40]
    tests = datasets.open_faces(root, "common")
    monkeypatch.setattr("export.chain.open_faces", lambda *_: tests)
    monkeypatch.setattr(calibration, "training_faces", lambda *_: training)
    record = run_files.EXPORT.read(run)
    record["data"] |= {"root": datasets.label(None)}
    run_files.EXPORT.write(run, record)
    return run


def quantize(run: Path) -> tuple[str, dict[str, Any]]:
    said: list[str] = []
    chain.quantize(run, RENDERED, tiny_run.OPTIONS, said.append)
    return "\n".join(said), run_files.QUANTIZE.read(run)


def test_without_data_kept_numbers_give_the_file_of_the_data(run: Path) -> None:
    with_data = (run / run_files.FILES["int8"]).read_bytes()
    before = run_files.QUANTIZE.read(run)
    kept = (run / run_files.CALIBRATION).read_bytes()
    (run / run_files.FILES["int8"]).unlink()
    said, record = quantize(run)
    assert "calibration on 24 training faces of" in said
    assert "as kept in" in said
    assert (run / run_files.FILES["int8"]).read_bytes() == with_data
    for what in ("calibration_data", "calibration_ids", "method"):
        assert record[what] == before[what]
    assert [trial["method"] for trial in record["trials"]] == ["none (float32)", record["method"]]
    assert (run / run_files.CALIBRATION).read_bytes() == kept


def test_without_kept_numbers_other_faces_calibrate(run: Path) -> None:
    with_data = (run / run_files.FILES["int8"]).read_bytes()
    (run / run_files.CALIBRATION).unlink()
    said, record = quantize(run)
    assert "as kept in" not in said
    assert record["calibration_data"] == "embedded synthetic faces"
    assert (run / run_files.FILES["int8"]).read_bytes() != with_data
    assert not (run / run_files.CALIBRATION).exists()


def test_kept_numbers_hold_no_picture(run: Path) -> None:
    kept = json.loads((run / run_files.CALIBRATION).read_text())
    assert kept["data"].endswith("300w")
    assert len(kept["ids"]) == 24
    channels = max(len(text.split()) for text in kept["channel_means"].values())
    assert channels < tiny_run.INPUT_PX**2  # no map of places


def test_kept_numbers_bring_what_stayed_float(run: Path) -> None:
    """Other faces would have chosen otherwise: the file is the one that was measured."""
    path = run / run_files.CALIBRATION
    kept = json.loads(path.read_text())
    extra = next(name for name in kept["ranges"] if "conv" in name and name not in kept["floats"])
    kept["floats"][extra] = "budget"
    files.write_json(path, kept)
    _, record = quantize(run)
    assert record["as_kept"]
    assert extra in {
        name for row in record["audit"]["float_ops"] for name in row["names"]
    }  # only there


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces here on which int8 costs far more than any limit."""

    def measure(*words: Any, **named: Any) -> Step:
        step = steps.measure(*words, **named)
        return replace(step, nme_percent=step.nme_percent + 99)

    monkeypatch.setattr("quantize.chain.measure", measure)


@pytest.mark.usefixtures("costly")
def test_a_file_that_held_its_limit_on_the_faces_of_its_choice_holds_it(run: Path) -> None:
    kept = json.loads((run / run_files.CALIBRATION).read_text())
    assert kept["measured_on"] == f"{tiny_run.TEST_FACES} faces of {kept['data']}, split common"
    _, record = quantize(run)
    cost = f"the same bytes cost {kept['nme_drop']:+.3f} on {kept['measured_on']}, limit +5"
    assert cost in record["step"]["verdict"]


def with_other_bytes(run: Path, distance: float) -> None:
    """As if the kept choice had given a file `distance` times as far from the float file's points.

    The distance that this choice has on the faces here is looked up first.
    """
    _, record = quantize(run)
    path = run / run_files.CALIBRATION
    other = {"int8_sha256": "0" * 64, "rendered_px": distance * record["step"]["mean_px"]}
    files.write_json(path, json.loads(path.read_text()) | other)


@pytest.mark.usefixtures("costly")
def test_another_file_than_was_measured_is_judged_by_the_faces_here(run: Path) -> None:
    with_other_bytes(run, 1.1)
    with pytest.raises(StepError, match=r"points, limit \+5"):
        quantize(run)


@pytest.mark.usefixtures("costly")
def test_the_same_file_but_for_rounding_is_known_by_its_distance(run: Path) -> None:
    """Float weights differ between processors in their last bit."""
    with_other_bytes(run, 1.001)
    _, record = quantize(run)
    kept = json.loads((run / run_files.CALIBRATION).read_text())
    cost = f"but for rounding the same file cost {kept['nme_drop']:+.3f} on {kept['measured_on']}"
    assert cost in record["step"]["verdict"]


def test_what_is_kept_says_how_far_the_file_is_on_the_embedded_faces() -> None:
    run = tiny_run.quantized("dense")
    kept = json.loads((run / run_files.CALIBRATION).read_text())
    fp32, int8 = (runtime.load(run / run_files.FILES[name]) for name in ("fp32", "int8"))
    images = RENDERED.crops(fp32.spec).images
    apart_px = np.linalg.norm(int8(images) - fp32(images), axis=-1).mean() * tiny_run.INPUT_PX
    assert kept["rendered_px"] == pytest.approx(apart_px, abs=1e-4)  # it is kept to four places


@pytest.mark.parametrize("asked", [{"max_nme_drop": 4.0}, {"objective": "size"}])
def test_who_asks_for_more_than_was_kept_gets_another_choice(
    run: Path, asked: dict[str, Any]
) -> None:
    chain.quantize(run, RENDERED, replace(tiny_run.OPTIONS, **asked), lambda _: None)
    assert not run_files.QUANTIZE.read(run)["as_kept"]


def of_other_weights(kept: dict[str, Any]) -> None:
    kept["weights_sha256"] = "0" * 64


def without_a_tensor(kept: dict[str, Any]) -> None:
    kept["ranges"].popitem()


def with_an_op_too_many(kept: dict[str, Any]) -> None:
    kept["floats"]["conv_of_old"] = "budget"


def without_a_mean(kept: dict[str, Any]) -> None:
    kept["channel_means"].popitem()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (of_other_weights, r"calibration.json: is of the weights 00000000, .* or give --data"),
        (without_a_tensor, r"calibration.json: .* expected in both: another .* Give --data"),
        (without_a_mean, r"calibration.json: .* expected in both: another .* Give --data"),
        (with_an_op_too_many, r"calibration.json: conv_of_old is in it or in .* Give --data"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    run: Path, spoil: Callable[[dict[str, Any]], None], message: str
) -> None:
    path = run / run_files.CALIBRATION
    kept = json.loads(path.read_text())
    spoil(kept)
    files.write_json(path, kept)
    with pytest.raises(InputError, match=message):
        quantize(run)


def test_a_pretrained_model_brings_its_numbers(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "pretrained" / "tiny"
    source.mkdir(parents=True)
    names = (run_files.WEIGHTS, run_files.SPEC, run_files.CALIBRATION)
    for name in names:
        shutil.copy(run / name, source)
    folder = run_folder.prepare("tiny")
    for name in names:
        assert (folder / name).read_bytes() == (source / name).read_bytes()
    (source / run_files.CALIBRATION).unlink()
    run_folder.prepare("tiny")
    assert not (folder / run_files.CALIBRATION).exists()
