"""`python -m benchmark claims`: printed numbers, arithmetic, what we measured, verdicts."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark import card
from benchmark.claims import audit, evidence, published, rules
from benchmark.claims.evidence import Evidence, Finding, Shelf
from benchmark.claims.published import Claim
from benchmark.commands import claims as command
from benchmark.emulated import gate
from efld import files
from tests.tiny_files import SPEC, write_tflite

CLAIMS = published.load()
W05 = "efficientnet-w0.5-d1.1"


def claim(model: str, quantity: str, split: str = "", **options: Any) -> Claim:
    return next(
        found
        for found in CLAIMS
        if (found.model, found.quantity, found.split, found.options)
        == (model, quantity, split, options)
    )


def measured(value: float) -> Evidence:
    return Evidence((Finding(value=value, what="a file", source="a command", judged=True),))


@pytest.mark.parametrize(
    ("common", "challenging", "full", "says"),
    [
        (3.56, 6.67, 4.17, None),  # ODN, Zhu et al. 2019
        (4.73, 9.98, 5.76, None),  # CFSS, Zhu et al. 2015
        (4.09, 13.88, 4.10, "(554 x 4.09 + 135 x 13.88) / 689 = 6.01, printed 4.10"),
        (3.27, 6.38, 3.76, "(554 x 3.27 + 135 x 6.38) / 689 = 3.88, printed 3.76"),
    ],
)
def test_the_full_set_is_the_mean_of_its_parts(
    common: float, challenging: float, full: float, says: str | None
) -> None:
    assert rules.full_of_subsets(common, challenging, full) == says


def test_a_size_must_fit_the_number_of_parameters() -> None:
    assert rules.bytes_per_parameter(9.3, 2_011_776) is None  # 4.6 bytes: weights and names
    assert "12.2 bytes each" in str(rules.bytes_per_parameter(24.6, 2_011_776))


def test_a_ratio_of_normalisers_must_be_that_of_faces() -> None:
    assert rules.pupil_ratio(4.03, 2.87) is None  # STAR, Zhou et al. 2023
    assert "= 1.82, expected 1.38 to 1.44" in str(rules.pupil_ratio(7.85, 4.32))


def test_a_rate_must_be_one_over_the_time() -> None:
    assert rules.rate_times_latency(140, 7) is None  # PFLD, both rounded
    assert rules.rate_times_latency(30, 10) == "30 fps x 10 ms = 300, expected 1000"


@pytest.mark.parametrize(
    ("model", "quantity", "split", "value", "verdict"),
    [
        ("efld-small", "size_mb", "", 2.1, "met"),
        ("efld-small", "size_mb", "", 2.11, "missed"),
        ("efld-small", "fps", "", 139.9, "missed"),
        ("efld-small", "fps", "", 140, "met"),
        (W05, "parameters", "", 2_011_776, "met"),
        (W05, "parameters", "", 2_011_775, "missed"),
        (W05, "nme_percent", "common", 4.09, "met"),
        (W05, "nme_percent", "full", 4.0, "cannot be true"),  # whatever we measure
        (W05, "size_mb", "", 1.0, "cannot be true"),
    ],
)
def test_verdicts(model: str, quantity: str, split: str, value: float, verdict: str) -> None:
    assert audit.judge(claim(model, quantity, split), CLAIMS, measured(value)).verdict == verdict


def test_what_nobody_measured_says_what_it_would_take(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for found, says in (
        (
            claim("efld-small", "fps"),
            "it takes a Snapdragon 845: run `python -m benchmark android`",
        ),
        (claim(W05, "nme_percent", "common"), f"no weights of {W05} were measured: train it"),
        (claim(W05, "accuracy_percent"), "the paper does not say when a face or a point counts"),
        (claim("AODN", "parameters"), "AODN is not in efld's zoo"),
    ):
        trial = audit.judge(found, CLAIMS, evidence.of(found, shelf))
        assert trial.verdict == "not measurable here"
        assert trial.why.startswith(says)


def test_a_model_card_is_evidence(tmp_path: Path) -> None:
    rows = [
        {"file": name, "file_bytes": size, "model": "efld-small", "faces": 689, "nme_percent": 4.0}
        for name, size in (("model.fp32.tflite", 857_232), ("model.int8.tflite", 287_696))
    ]
    record = {
        "schema": card.SCHEMA, "command": "a command", "cpu": "a desktop",
        "normaliser": "inter-ocular", "accuracy": {"full": rows},
        "latency": [{"file": "model.fp32.tflite", "median_ms": 0.5}],
    }  # fmt: skip
    files.write_json(tmp_path / "pretrained" / "efld-small" / "card.json", record)
    size = evidence.of(claim("efld-small", "size_mb"), Shelf(tmp_path))
    assert [found.value for found in size.findings] == [0.857232, 0.287696]
    assert size.judged == size.findings[0]
    rate = evidence.of(claim("efld-small", "fps"), Shelf(tmp_path))
    assert rate.judged is None  # a desktop is no phone
    assert rate.findings[0].value == 2000


@pytest.mark.parametrize(("instructions", "found"), [(7_456_367, 2), (3_076_111, 0)])
def test_an_estimate_stands_beside_a_rate_and_decides_nothing(
    tmp_path: Path, instructions: int, found: int
) -> None:
    counts = {"efld-small/model.fp32.tflite a72": instructions}
    files.write_json(tmp_path / gate.RECORD, {"schema": gate.SCHEMA, "instructions": counts})
    rate = evidence.of(claim("efld-small", "fps"), Shelf(tmp_path))
    assert len(rate.findings) == found  # a runtime each, and only where the calibration reaches
    assert all(finding.source.startswith("ESTIMATE, not measured") for finding in rate.findings)
    assert rate.judged is None


@pytest.mark.parametrize(
    ("model", "soc", "emulated", "judged"),
    [
        ("efld-small", "SDM845", False, 1),
        ("efld-small-dense", "SDM845", False, 0),
        ("efld-small", "SDM845", True, 0),
        ("efld-small", "SM8150", False, 0),
        ("efld-small", "QTI SM8450", False, 0),
    ],
)
def test_only_the_model_on_the_phone_itself_proves_its_rate(
    tmp_path: Path, model: str, soc: str, emulated: bool, judged: int
) -> None:
    write_phone(tmp_path, [timed(2.0)], model, soc, emulated)
    other = tmp_path / "runs" / "x" / "bench" / "other.json"
    files.write_json(other, {"schema": 1, "phone": "of another kind"})
    found = evidence.of(claim("efld-small", "fps"), Shelf(tmp_path))
    assert [finding.value for finding in found.findings] == [500] * judged


def timed(median_ms: float, **changed: Any) -> dict[str, Any]:
    """A row of a phone's record that may decide, unless something is changed."""
    row = {"file": "runs/x/model.fp32.tflite", "asked": "cpu", "threads": 1, "throttled": False}
    return {**row, "median_ms": median_ms, **changed}


def write_phone(
    root: Path, rows: list[dict[str, Any]], model: str = "efld-small", soc: str = "SDM845",
    emulated: bool = False, name: str = "phone", fp16: bool = False,
) -> None:  # fmt: skip
    run = root / "runs" / "x"
    run.mkdir(parents=True, exist_ok=True)
    for file in {Path(row["file"]).name for row in rows}:
        write_tflite(run / file, replace(SPEC, model=model))
    record = {
        "schema": 1, "command": "python -m benchmark android", "plan": {"fp16": fp16},
        "phone": {"soc": soc, "emulated": emulated}, "files": rows,
    }  # fmt: skip
    files.write_json(run / "bench" / f"{name}.json", record)


def test_one_row_of_a_phone_decides_whatever_the_order(tmp_path: Path) -> None:
    others = [
        timed(1.0, file="runs/x/model.int8.tflite"),
        timed(1.0, asked="gpu"),
        timed(1.0, threads=4),
        timed(9.0, throttled=True),
        timed(9.0, throttled=None),
    ]
    write_phone(tmp_path, others, name="a")
    write_phone(tmp_path, [timed(1.0)], name="b", fp16=True)
    wanted = claim("efld-small", "fps")
    assert evidence.of(wanted, Shelf(tmp_path)).judged is None
    assert evidence.of(wanted, Shelf(tmp_path)).missing.startswith("it takes a Snapdragon 845")
    write_phone(tmp_path, [timed(4.0)], name="c")
    write_phone(tmp_path, [timed(5.0)], name="d")
    found = evidence.of(wanted, Shelf(tmp_path))
    assert [finding.value for finding in found.findings if finding.judged] == [200]
    assert len(found.findings) == 8


@pytest.mark.parametrize(("faces", "verdict"), [(554, "met"), (300, "not measurable here")])
def test_an_accuracy_record_is_evidence(tmp_path: Path, faces: int, verdict: str) -> None:
    """Rendered faces have a common split too, but another number of faces."""
    row = {"file": "runs/x/model.keras", "model": W05, "faces": faces, "nme_percent": 4.0}
    record = {
        "schema": 2, "command": "python -m benchmark accuracy", "split": "common",
        "normaliser": "inter-ocular", "files": [row],
    }  # fmt: skip
    files.write_json(tmp_path / "results" / "x.json", record)
    wanted = claim(W05, "nme_percent", "common")
    assert audit.judge(wanted, CLAIMS, evidence.of(wanted, Shelf(tmp_path))).verdict == verdict


def test_the_zoo_answers_for_parameters(tmp_path: Path) -> None:
    wanted = claim("efficientnet-w0.25-d1.2", "parameters")  # the others: tests/test_models.py
    assert audit.judge(wanted, CLAIMS, evidence.of(wanted, Shelf(tmp_path))).verdict == "met"


def test_without_keras_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "parameters", lambda *_: None)
    monkeypatch.setattr(evidence, "keras_bytes", lambda _: None)
    for quantity in ("parameters", "size_mb"):
        found = evidence.of(claim(W05, quantity), Shelf(tmp_path))
        assert found == Evidence(missing="not measured: building it needs Keras")


def test_adam_trebles_a_keras_file() -> None:
    without, with_adam = evidence.keras_bytes(W05) or (0, 0)
    assert 4 <= without / 2_011_776 < 5
    assert 12 <= with_adam / 2_011_776 < 13  # as 24.6 MB has


def test_the_command_tries_what_is_asked_for() -> None:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    outcome = command.run(parser.parse_args(["claims", "--model", "PFLD 0.25X"]), "a command")
    assert outcome.text.startswith("2 claims: 0 met, 0 missed, 0 cannot be true, 2 not measurable")
    assert outcome.default is None  # the record of all claims stays


def test_the_text_fits_a_terminal_and_the_record_is_json() -> None:
    trials = [audit.judge(found, CLAIMS, measured(1)) for found in CLAIMS]
    assert max(map(len, audit.text(trials).splitlines())) <= audit.WIDTH
    record = json.loads(json.dumps(audit.record(trials, "a command")))
    assert sum(record["verdicts"].values()) == len(CLAIMS)
    assert (
        audit.markdown(trials).count("| cannot be true |") == record["verdicts"]["cannot be true"]
    )
