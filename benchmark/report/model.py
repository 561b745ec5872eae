"""What the model is, and what each step of the chain did to it."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmark.report import drawing
from benchmark.report.blocks import Block, Command, Figures, Missing, Section, Table, Text
from benchmark.report.records import Record, Run, on_faces
from efld import schemes
from efld.run_files import FILES, MADE_OF


def model(run: Run) -> Section:
    """Spec, data, terms, and how it was trained."""
    spec, foreign = run.spec, _foreign(run)
    rows = [
        ("model", spec.model),
        ("answers", f"{schemes.scheme(spec.scheme).points} landmarks, scheme {spec.scheme}"),
        ("takes", f"{spec.input_px} x {spec.input_px} px, {spec.channels}, "
         f"{spec.input_range[0]:g} to {spec.input_range[1]:g}"),
        ("crop", f"square, {spec.box_factor:g} times the longer side of the landmarks' box"),
        ("seen in training", "; ".join(spec.data) or "not said"),
        ("terms" if foreign else "terms of that data", spec.licence or "none stated"),
        ("weights", f"{_first(run)}, sha256 {spec.weights_sha256 or 'not said'}"),
    ]  # fmt: skip
    how = _training(run) if foreign is None else _told(foreign, _first(run))
    return Section("The model", [Table(("", ""), rows, words=2), *how])


def _foreign(run: Run) -> Record | None:
    """Of a run that was made of somebody else's file: that file, and what was said of it."""
    found: Record | None = (run.get("export") or {}).get("foreign")
    return found


def _first(run: Run) -> str:
    """The file that the chain starts with."""
    export = run.get("export")
    return str(export["steps"][0]["file"]) if export else FILES["keras"]


def _told(foreign: Record, kept: str) -> Iterator[Text]:
    """How a foreign file is read, and whether training faces bear that out."""
    found = foreign["found"]
    yield Text(
        f"Made of {foreign['file']}, which was trained elsewhere, and kept as {kept}. Read as "
        f"{_flags(foreign['told'])}: NME {found['nme_percent']:.3f} % on {found['faces']} "
        "training faces."
    )
    others = found["others_nme_percent"]
    if better := [f"{others[flag]:.3f} % with {flag}" for flag in found["better"]]:
        yield Text(f"There it has {', '.join(better)}: was it trained like that?", "warn")


def _flags(told: Record) -> str:
    output = f" --output {shlex.quote(told['output'])}" if told["output"] else ""
    return (
        f"--preprocess {told['preprocess']} --points {told['scheme']} --box "
        f"{told['box_factor']:g} --units {told['units']} --origin {told['origin_px']:g}{output}"
    )


def _training(run: Run) -> Iterator[Block]:
    config = run.get("config")
    if config is None:
        if published := _published(run):
            yield published
        else:
            yield from _made(run) or [run.missing("config")]
        return
    chosen, versions = config["config"], config["versions"]
    tools = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield Text(
        f"Trained for {chosen['epochs']} epochs of {chosen['epoch_steps']} steps of "
        f"{chosen['batch']} pictures, loss {chosen['loss']}, seed {chosen['seed']}, with {tools}."
    )
    if not run.history:
        yield Missing("the curve of the training, history.csv", config["command"])
        return
    best = min(run.history, key=lambda row: row["val_nme"])
    rows = [
        (what, f"{row['epoch']:.0f}", f"{row['nme']:.2f}", f"{row['val_nme']:.2f}")
        for what, row in (
            ("first", run.history[0]), ("least held out", best), ("last", run.history[-1]),
        )
    ]  # fmt: skip
    yield Figures([("error over epochs", drawing.training_curve(run.history))])
    yield Table(("epoch", "number", "NME % training", "NME % held out"), rows)
    yield Text("Errors while training: on augmented crops, and on faces held out.", "note")
    yield Command(config["command"])


def _published(run: Run) -> Block | None:
    """How published weights were trained, as their card says."""
    for card in run.cards:
        if card["spec"]["weights_sha256"] == run.spec.weights_sha256 != "":
            how = card["training"]["command"]
            return Text(f"Published as {card['name']}. Trained by {how}, seed {card['seed']}.")
    return None


def _made(run: Run) -> list[Block]:
    """What a command took that made this model of a finished one."""
    for record in MADE_OF:
        if (run.folder / record.file).exists():
            told = record.read(run.folder)
            return [Text(f"Made of {told['source']}, without training."), Command(told["command"])]
    return []


def chain(run: Run) -> Section:
    """Each file, and what its step cost."""
    export, quantize = run.get("export"), run.get("quantize")
    blocks: list[Block] = []
    if export is not None:
        steps = [*export["steps"], *([run.int8_step] if run.int8_step else [])]
        head = ("file", "bytes", "to float32", "largest px", "mean px", "NME %", "verdict")
        sizes = {step["step"]: step["bytes"] for step in steps}
        blocks.append(Table(head, [_step(step, sizes) for step in steps], tail=1))
        blocks += [*_where(export, _first(run)), *_changed(run, steps)]
        if quantize is not None and not run.int8_step:
            blocks.append(Text(
                f"{FILES['int8']} was measured on {_faces(quantize['data'])}, before this export: "
                "its figures are of other faces and left out.", "warn",
            ))  # fmt: skip
        blocks.append(Command(_export_command(run, export)))
    else:
        blocks.append(run.missing("export"))
    if quantize is None:
        blocks.append(run.missing("quantize"))
    else:
        ratio = quantize["latency"]["int8_over_fp32"]
        blocks.append(Text(
            f"int8: scales from {len(quantize['calibration_ids'])} faces of "
            f"{quantize['calibration_data']}, method {quantize['method']}; on the machine that "
            f"made it, {ratio:.2f} times float32's time."
        ))  # fmt: skip
        blocks.append(Command(quantize_command(run, quantize)))
    return Section("The chain, step by step", blocks)


def _step(step: Record, sizes: Mapping[str, int]) -> tuple[str, ...]:
    ratio = step["bytes"] / sizes["fp32"] if "fp32" in sizes else None
    first = step["verdict"] == "reference"
    return (
        step["file"],
        f"{step['bytes']:,}",
        "-" if ratio is None else f"{ratio:.2f}",
        "-" if first else _px(step["largest_px"]),
        "-" if first else _px(step["mean_px"]),
        f"{step['nme_percent']:.3f}",
        step["verdict"],
    )


def _px(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def _where(export: Record, first: str) -> Iterator[Text]:
    yield Text(
        f"Differences to {first}, pixels of the {export['input_px']} px crop, and NME: "
        f"{_faces(export['data'])}. A step that costs more than its limit fails and leaves no "
        "file.", "note",
    )  # fmt: skip


def _faces(data: Record) -> str:
    return f"{data['faces']} faces of {data['root']}, split {data['split']}"


def _export_command(run: Run, export: Record) -> str:
    foreign = _foreign(run)
    if foreign is None:
        return f"python -m export {run.folder}{on_faces(export)}"
    file, fp16_px = shlex.quote(foreign["file"]), export["limits"]["fp16"]["largest_px"]
    return (
        f"python -m quantize {file}{on_faces(export)} {_flags(foreign['told'])} "
        f"--fp16-limit-px {fp16_px:g} --run {run.folder}"
    )


def quantize_command(run: Run, quantize: Record, objective: str = "") -> str:
    """The line that made the int8 file; or that would make one by a search for `objective`."""
    options = quantize["options"]
    wanted = objective or options["objective"]
    return (
        f"python -m quantize {run.folder}{on_faces(quantize)}"
        f" --calibration-faces {options['calibration_faces']} --seed {options['seed']}"
        f" --max-nme-drop {options['max_nme_drop']:g}{f' --objective {wanted}' if wanted else ''}"
    )


def _changed(run: Run, steps: list[Record]) -> Iterator[Text]:
    """Files that are not what the chain wrote."""
    for step in steps:
        if run.sha256.get(step["file"], step["sha256"]) != step["sha256"]:
            yield Text(f"{step['file']} has changed since this step wrote it.", "warn")


def kind(file: str) -> str:
    """The kind of a file of a run by its name; "" for another file."""
    return next((kind for kind, name in FILES.items() if name == Path(file).name), "")
