"""Model cards and the README's table: every figure in them is measured by these functions."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import accuracy, host
from benchmark.emulated import gate
from efld import files
from efld.data.datasets import open_faces
from efld.errors import InputError
from efld.run_files import CALIBRATION, CONFIG, FILES, MADE_OF, PRETRAINED, QUANTIZE, SPEC, WEIGHTS
from efld.runtime import load
from efld.spec import ModelSpec

SCHEMA = 2
CARD, RECORD = "README.md", "card.json"
ARTEFACTS = {
    "Keras": FILES["keras"],
    "ONNX": FILES["onnx"],
    "TFLite float32": FILES["fp32"],
    "TFLite float16": FILES["fp16"],
    "TFLite int8": FILES["int8"],
}
# What the field calls each split; IBUG's pictures may be cut from another distribution of it.
SPLITS = ("common", "challenging", "full")
# Their instructions say more of a phone than the time of the machine that measured.
ARM = ("a72", "a76")
MARKS = ("<!-- results: python -m benchmark results -->", "<!-- end of results -->")


def measure(run: Path, data: Path, command: str, name: str | None = None) -> dict[str, Any]:
    """All artefacts of an exported run on all splits of a dataset, and the `.tflite` side by side.

    Args:
        name: what it is published as; None = the model's name in the zoo.

    Raises:
        InputError: an artefact, a split, or the record of how the weights were made is missing.
    """
    if name is not None and (name in ("", "..") or Path(name).name != name):
        raise InputError(f"--name {name!r}: expected a name such as efld-small, not a path.")
    paths = [run / file for file in ARTEFACTS.values()]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file. Run export and quantize on {run} first.")
    spec, quantized = ModelSpec.read(run / SPEC), QUANTIZE.read(run)
    training = _training(run, PRETRAINED / (name or spec.model), spec)
    models = [load(path) for path in paths]
    rows = {
        split: [asdict(result.row) for result in accuracy.measure(models, open_faces(data, split))]
        for split in SPLITS
    }
    for row in (row for split in rows.values() for row in split):
        row["file"] = Path(row["file"]).name
    speed = host.measure([path for path in paths if path.suffix == ".tflite"], starts=1)
    return {
        "schema": SCHEMA,
        "name": name or spec.model,
        "command": command,
        "spec": asdict(spec),
        **training,
        "calibration": quantized["calibration_data"],
        "normaliser": accuracy.NORMALISER,
        "accuracy": rows,
        "cpu": speed.cpu,
        "latency": [
            {"file": Path(row.file).name, "median_ms": row.median_ms, "ratio": row.ratio}
            for row in speed.files
        ],
    }


def _training(run: Path, published: Path, spec: ModelSpec) -> dict[str, Any]:
    """How the weights were made: by the run, or as their card says that is published already."""
    if not (run / CONFIG.file).exists() and (published / RECORD).is_file():
        earlier = files.read_json(published / RECORD, SCHEMA, "python -m benchmark card")
        if earlier["spec"]["weights_sha256"] == spec.weights_sha256:
            return {"training": earlier["training"], "seed": earlier["seed"]}
    for made in MADE_OF:
        if (run / made.file).exists():
            return _made_of(made.read(run), made.file)
    if not (run / CONFIG.file).exists():
        raise InputError(
            f"{run}: nothing says how its weights were made, expected {CONFIG.file} of a training, "
            f"or {published / RECORD} of the same weights. Give the folder of the training, or "
            "--name of the published model that it is a copy of."
        )
    record = CONFIG.read(run)
    training = {"command": record["command"], "versions": record["versions"]}
    return {"training": training, "seed": record["config"]["seed"]}


def _made_of(record: dict[str, Any], file: str) -> dict[str, Any]:
    """How the weights were made that a command took, and the command."""
    source = Path(record["source"])
    spec = ModelSpec.read(source / SPEC)
    if spec.weights_sha256 != record["source_sha256"]:
        raise InputError(
            f"{source}: has other weights by now ({spec.weights_sha256[:8]}) than {file} tells of "
            f"({record['source_sha256'][:8]}). Make it again: `{record['command']}`."
        )
    made = _training(source, source, spec)
    command = f"{made['training']['command']}; {record['command']}"
    return {**made, "training": {**made["training"], "command": command}}


def publish(run: Path, record: dict[str, Any]) -> Path:
    """Copies weights, spec and kept calibration to `pretrained/<name>/`, and writes the card."""
    folder = PRETRAINED / record["name"]
    for name in (WEIGHTS, SPEC, CALIBRATION):
        if (run / name).is_file() or name != CALIBRATION:
            with files.whole(folder / name) as temporary:
                shutil.copyfile(run / name, temporary)
        else:  # int8's scales are of rendered faces
            (folder / name).unlink(missing_ok=True)
    files.write_json(folder / RECORD, record)
    _write_card(folder, record)
    return folder


def _write_card(folder: Path, record: dict[str, Any]) -> None:
    with files.whole(folder / CARD) as temporary:
        temporary.write_text(card(record))


def card(record: dict[str, Any]) -> str:
    """The model card, Markdown."""
    spec = record["spec"]
    versions = ", ".join(
        f"{name} {version}" for name, version in record["training"]["versions"].items()
    )
    return f"""# {record["name"]}

68 facial landmarks on a grey {spec["input_px"]} px crop: square, centred on the
face, {spec["box_factor"]:g} times the longer side of the box that the landmarks span.

| | |
| --- | --- |
| data | {"; ".join(spec["data"])} |
| terms | {spec["licence"]} |
| training | `{record["training"]["command"]}`, seed {record["seed"]} |
| versions | {versions} |
| int8 scales from | {record["calibration"]}, training part |
| weights | `model.keras`, sha256 `{spec["weights_sha256"]}` |

## Measured

NME in % of the distance of the outer eye corners, crops by the true box, mean over all faces of a
split; time is the median, beside float32's in the same run.

{table([record])}
Command: `{record["command"]}`

## Use and limits

For face alignment, under the terms of the data above. It expects a face box: a detector's box that
is off by more than a tenth of its side costs accuracy. Profiles, covered faces and very small or
dark ones are its weak side, as the challenging split shows. The data is not balanced over ages and
skin tones; measure on your own users before you rely on it. It is not made to identify anyone.
"""


def table(records: Sequence[dict[str, Any]]) -> str:
    """A Markdown table, a row an artefact, smallest int8 file first; and what its ratios are."""
    counts = gate.recorded() if gate.RECORD.is_file() else {}
    head = ("model", "file", "bytes", *SPLITS, "time", *map(str.upper, ARM))
    lines = [f"| {' | '.join(head)} |", f"| --- | --- |{' ---: |' * (len(head) - 2)}"]
    for record in sorted(records, key=_int8_bytes):
        lines += [_row(record, kind, name, counts) for kind, name in ARTEFACTS.items()]
    cpus = sorted({record["cpu"] for record in records})
    means = (
        f"Ratios to float32: time on one thread of {' or '.join(cpus)}; instructions on ARM's "
        f"{' and '.join(map(str.upper, ARM))}, emulated (`{gate.RECORD}`)."
    )
    return "\n".join([*lines, "", means]) + "\n"


def _int8_bytes(record: dict[str, Any]) -> int:
    rows = record["accuracy"]["full"]
    return next(int(row["file_bytes"]) for row in rows if row["file"] == FILES["int8"])


def _row(record: dict[str, Any], kind: str, name: str, counts: Mapping[str, int]) -> str:
    found = {
        split: next(row for row in rows if row["file"] == name)
        for split, rows in record["accuracy"].items()
    }
    errors = " | ".join(f"{found[split]['nme_percent']:.2f}" for split in SPLITS)
    ratio = next((f"{row['ratio']:.2f}" for row in record["latency"] if row["file"] == name), "")
    size = found["full"]["file_bytes"]
    arm = " | ".join(_arm_ratio(record["name"], name, cpu, counts) for cpu in ARM)
    return f"| {record['name']} | {kind} | {size:,} | {errors} | {ratio} | {arm} |"


def _arm_ratio(model: str, file: str, cpu: str, counts: Mapping[str, int]) -> str:
    """Of instructions, to float32's; empty where they were not counted."""
    found, float32 = (counts.get(gate.key(model, one, cpu)) for one in (file, FILES["fp32"]))
    return f"{found / float32:.2f}" if found and float32 else ""


def write_results(readme: Path) -> list[str]:
    """Puts the table of all pretrained models between the marks in the README; their names.

    Their cards are written again, too: ARM's instructions are counted after a model is published.

    Raises:
        InputError: the README has no marks, or there are no cards.
    """
    paths = sorted(PRETRAINED.glob(f"*/{RECORD}"))
    if not paths:
        raise InputError(f"{PRETRAINED}: no {RECORD} in it. Run `python -m benchmark card` first.")
    records = [files.read_json(path, SCHEMA, "python -m benchmark card") for path in paths]
    begin, end = map(re.escape, MARKS)
    text = readme.read_text()
    if not re.search(f"{begin}.*{end}", text, re.DOTALL):
        raise InputError(f"{readme}: expected the marks {MARKS[0]!r} and {MARKS[1]!r}, found none.")
    block = f"{MARKS[0]}\n{table(records)}{MARKS[1]}"
    for path, record in zip(paths, records, strict=True):
        _write_card(path.parent, record)
    with files.whole(readme) as temporary:
        temporary.write_text(re.sub(f"{begin}.*{end}", lambda _: block, text, flags=re.DOTALL))
    return [record["name"] for record in records]
