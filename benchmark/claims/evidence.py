"""What we have of a claimed quantity: from records of measurements, or computed here."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmark import compare_kinds
from benchmark.card import RECORD as CARD
from benchmark.card import SCHEMA as CARD_SCHEMA
from benchmark.claims.published import Claim
from benchmark.claims.rules import FACES, FLOAT32_BYTES
from benchmark.emulated import gate
from benchmark.estimate import estimating
from benchmark.estimate.estimating import Counted
from benchmark.estimate.published import PHONE, PHONES
from efld import files, tflite_file
from efld.quiet import native_stderr
from efld.run_files import FILES, PRETRAINED

KERAS, FLOAT_TFLITE = FILES["keras"], FILES["fp32"]
ADAM_KERAS = "the same with Adam's state"
NO_KERAS = "not measured: building it needs Keras"
ACCURACY_RECORDS = ("results/*.json", "runs/*/bench/accuracy*.json")
DEVICE_RECORDS = "runs/*/bench/*.json"
UNKNOWN = "unknown"  # a claim's device


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A measured value in the claim's unit."""

    value: float
    what: str  # which file, on what
    source: str  # the command, or how it was computed
    judged: bool = False  # whether the verdict rests on it


@dataclass(frozen=True)
class Evidence:
    """All that we have of a claim; without a judged finding, the reason why."""

    findings: tuple[Finding, ...] = ()
    missing: str = ""

    @property
    def judged(self) -> Finding | None:
        return next((found for found in self.findings if found.judged), None)


@dataclass(frozen=True)
class Shelf:
    """Where records of measurements lie: the project's root."""

    root: Path = field(default_factory=Path)

    def card(self, model: str) -> dict[str, Any] | None:
        """The record of what is published under the model's own name; None without one."""
        path = self.root / PRETRAINED / model / CARD
        made_by = "python -m benchmark card"
        return files.read_json(path, CARD_SCHEMA, made_by) if path.exists() else None

    def records(self, *patterns: str) -> Iterator[dict[str, Any]]:
        """Records of those names, of any kind."""
        for path in sorted(path for pattern in patterns for path in self.root.glob(pattern)):
            yield compare_kinds.read(path)


def of(claim: Claim, shelf: Shelf) -> Evidence:
    """Looks up or computes what a claim is about."""
    if claim.undefined:
        return Evidence(missing=claim.undefined)
    if not claim.in_zoo:
        return Evidence(missing=f"{claim.model} is not in efld's zoo")
    if claim.quantity == "parameters":
        return _parameters(claim)
    if claim.quantity == "size_mb":
        return _size(claim, shelf)
    if claim.quantity == "fps":
        return _rate(claim, shelf)
    return _error(claim, shelf)


def _parameters(claim: Claim) -> Evidence:
    count = parameters(claim.model, tuple(claim.options.items()))
    if count is None:
        return Evidence(missing=NO_KERAS)
    found = Finding(value=count, what="all of the model", source="built from the zoo", judged=True)
    return Evidence((found,))


def _size(claim: Claim, shelf: Shelf) -> Evidence:
    """Of the exported files; where there are none, of the weights and of Keras's files."""
    card = shelf.card(claim.model)
    if card is None:
        sizes = _built_sizes(claim.model)
        return Evidence(sizes, "" if sizes else NO_KERAS)
    return Evidence(
        tuple(
            Finding(
                value=row["file_bytes"] / 1e6,
                what=row["file"],
                source=card["command"],
                judged=row["file"] == FLOAT_TFLITE,
            )
            for row in card["accuracy"]["full"]
        )
    )


def _built_sizes(model: str) -> tuple[Finding, ...]:
    count, sizes = parameters(model, ()), keras_bytes(model)
    if count is None or sizes is None:
        return ()
    weights, int8 = count * FLOAT32_BYTES, count
    return (
        Finding(value=weights / 1e6, what="weights alone, float32", source="4 bytes a parameter"),
        Finding(value=int8 / 1e6, what="weights alone, int8", source="1 byte a parameter"),
        Finding(value=sizes[0] / 1e6, what=KERAS, source="built, saved", judged=True),
        Finding(value=sizes[1] / 1e6, what=ADAM_KERAS, source="compiled with Adam, saved"),
    )


def _rate(claim: Claim, shelf: Shelf) -> Evidence:
    """On the claim's phone, if one was measured; on this kind of machine it is no verdict."""
    phone = _on_phone(claim, shelf)
    if any(found.judged for found in phone):
        missing = ""
    elif claim.device == UNKNOWN:
        missing = "the machine that it was measured on is unknown"
    else:
        missing = (
            f"it takes a {claim.device}: run `python -m benchmark android` with {FLOAT_TFLITE} on "
            "one, where it is not throttled"
        )
    return Evidence((*phone, *_estimated(claim, shelf), *_on_host(claim, shelf)), missing)


def _on_phone(claim: Claim, shelf: Shelf) -> tuple[Finding, ...]:
    """All that was measured there; the verdict rests on the slowest row that may decide."""
    found: list[Finding] = []
    for record in shelf.records(DEVICE_RECORDS):
        phone = record.get("phone")
        if not isinstance(phone, dict) or phone["emulated"] or not _is_device(claim, phone):
            continue
        for row in record["files"]:
            if _is_model(shelf.root / row["file"], claim.model):
                found.append(_phone_rate(row, record))
    deciding = (rate for rate in found if rate.judged)
    slowest = min(deciding, key=lambda rate: rate.value, default=None)
    return tuple(replace(rate, judged=rate is slowest) for rate in found)


def _is_device(claim: Claim, phone: dict[str, Any]) -> bool:
    """ "845" of "Snapdragon 845" stands in "SDM845", and not in "SM8450"."""
    number = claim.device.split()[-1]
    return re.search(rf"(?<!\d){re.escape(number)}(?!\d)", str(phone["soc"])) is not None


def _phone_rate(row: dict[str, Any], record: dict[str, Any]) -> Finding:
    """The float32 file in float32, on one thread of a processor that was not throttled, decides."""
    plain = Path(row["file"]).name == FLOAT_TFLITE and not record["plan"]["fp16"]
    how = f"{row['asked']}, threads {row['threads']}{', throttled' if row['throttled'] else ''}"
    return Finding(
        value=1000 / row["median_ms"],
        what=f"{row['file']}, {record['phone']['soc']}, {how}",
        source=record["command"],
        judged=plain and (row["asked"], row["threads"], row["throttled"]) == ("cpu", 1, False),
    )


def _is_model(path: Path, model: str) -> bool:
    """Whether a measured file is still there and says that it is the model."""
    if path.suffix != ".tflite" or not path.is_file():
        return False
    spec = tflite_file.read_spec(path)
    return spec is not None and spec.model == model


def _estimated(claim: Claim, shelf: Shelf) -> Iterator[Finding]:
    """From counted instructions, where the claim's phone and model are in the calibration."""
    path = shelf.root / gate.RECORD
    if claim.device != PHONES[PHONE] or not path.exists():
        return
    counts = gate.recorded(path)
    instructions = counts.get(gate.key(claim.model, FLOAT_TFLITE, estimating.CPU))
    fits = estimating.load().fits
    if instructions is None or not fits["float32"].covers(instructions):
        return
    for row in estimating.estimate(Counted(FLOAT_TFLITE, instructions, "fmla_f32"), fits):
        yield Finding(
            value=1000 / row.ms,
            what=f"with {row.runtime}, {row.low_ms:.1f} to {row.high_ms:.1f} ms",
            source=f"{estimating.MEANS}: python -m benchmark estimate, {FLOAT_TFLITE}, one thread",
        )


def _on_host(claim: Claim, shelf: Shelf) -> Iterator[Finding]:
    card = shelf.card(claim.model)
    if card is not None:
        where = f"one thread of {card['cpu']}: {card['command']}"
        for row in card["latency"]:
            yield Finding(value=1000 / row["median_ms"], what=row["file"], source=where)


def _error(claim: Claim, shelf: Shelf) -> Evidence:
    """Of the trained weights on all of the claim's faces: the Keras file, and what became of it."""
    rows = [
        Finding(
            value=row[claim.quantity],
            what=f"{row['file']}, {row['faces']} faces, true box",
            source=record["command"],
            judged=row["file"].endswith(KERAS),
        )
        for record in _accuracy_records(claim, shelf)
        for row in record["files"]
        if (row["model"], row["faces"]) == (claim.model, FACES[claim.split])
        and claim.quantity in row
    ]
    missing = (
        f"no weights of {claim.model} were measured: train it, then `python -m benchmark card`"
    )
    return Evidence(tuple(rows), "" if any(row.judged for row in rows) else missing)


def _accuracy_records(claim: Claim, shelf: Shelf) -> Iterator[dict[str, Any]]:
    """Records of the claim's split and normaliser, the card's first."""
    card = shelf.card(claim.model)
    if card is not None and card["normaliser"] == claim.normaliser:
        yield {"command": card["command"], "files": card["accuracy"][claim.split]}
    for record in shelf.records(*ACCURACY_RECORDS):
        if record.get("split") == claim.split and record.get("normaliser") == claim.normaliser:
            yield record


@cache
def parameters(model: str, options: tuple[tuple[str, Any], ...]) -> int | None:
    """The number of parameters, batch normalisation's averages among them; None without Keras."""
    try:
        with native_stderr():
            from efld.models import zoo
    except ImportError:
        return None
    return int(zoo.build(model, **dict(options)).count_params())


@cache
def keras_bytes(model: str) -> tuple[int, int] | None:
    """Bytes of the `.keras` file of an untrained model without and with the state of Adam, which
    a step of training does not change; None without Keras."""
    try:
        with native_stderr():
            import keras

            from efld.models import zoo
    except ImportError:
        return None
    built = zoo.build(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / KERAS
        built.save(path)
        without = path.stat().st_size
        built.compile(keras.optimizers.Adam())
        built.optimizer.build(built.trainable_variables)
        built.save(path)
        return without, path.stat().st_size
