"""`python -m benchmark emulated`."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.commands import flags
from benchmark.commands.outcome import Outcome
from benchmark.emulated import gate, layers, markdown, measure, tables
from benchmark.emulated.measure import Emulated
from benchmark.emulated.toolchain import CPUS
from benchmark.names import shown
from efld import files
from efld.errors import InputError

SCHEMA = 1
HELP = """examples:
  make setup-arm
  python -m benchmark emulated runs/efld-small/model.*.tflite --peer other.tflite
  python -m benchmark emulated model.fp32.tflite --cpu a72 --layers
  python -m benchmark emulated model.fp32.tflite --cpu a76 --fp16 --json -
  python -m benchmark emulated runs/efld-{nano,small,large}/model.fp??.tflite --gate
  python -m benchmark emulated FILES --json results/arm-counts.json --markdown results/arm-counts.md

Exact counts of instructions on emulated ARM processors, the same on every machine: which of two
graphs costs less on a phone's processor, and where. No milliseconds: memory, caches and clock are
not emulated. Files of one folder runs/NAME are recorded in runs/NAME/bench/emulated.json unless
--json says where. --gate ends with exit code 1 where a file costs over 1 % more than recorded in
benchmark/arm_cost.json, or is not in it.
"""


def add(parsers: Any) -> None:
    sub = parsers.add_parser(
        "emulated", help="instructions on ARM, without a phone", description=HELP, **flags.HOW
    )
    sub.add_argument("files", nargs="+", type=Path, help="any .tflite")
    flags.add_peer(sub)
    sub.add_argument(
        "--cpu", action="append", choices=CPUS, help="class of processors; default: all, in turn"
    )
    sub.add_argument(
        "--fp16", action="store_true",
        help="half precision for every file where the processor has it; default: for files whose "
        "weights are float16",
    )  # fmt: skip
    sub.add_argument(
        "--layers",
        action="store_true",
        help="also by layer: a second for each, minutes for several files",
    )
    sub.add_argument("--markdown", type=Path, metavar="PATH", help="also as a table for documents")
    sub.add_argument("--gate", action="store_true", help="compare with the record")
    sub.add_argument("--write", action="store_true", help="with --gate: renew the record instead")
    sub.add_argument(
        "--record", type=Path, default=gate.RECORD, help="default: benchmark/arm_cost.json"
    )
    flags.add_json(sub)


def run(options: argparse.Namespace, command: str) -> Outcome:
    _check(options)
    place = flags.record_path(options, "emulated.json")
    recorded = gate.read(options.record) if options.gate and not options.write else {}
    cpus = list(dict.fromkeys(options.cpu or CPUS))
    found = measure.measure(options.files, options.peer, cpus, force_fp16=options.fp16)
    by_layer = [
        (path, cpu, layers.measure(path, cpu, force_fp16=options.fp16))
        for path in options.files
        for cpu in cpus
        if options.layers
    ]
    record = {"schema": SCHEMA, "command": command, **asdict(found)}
    if options.layers:
        record["layers"] = [
            {"file": shown(path), "cpu": cpu, "layers": [asdict(layer) for layer in rows]}
            for path, cpu, rows in by_layer
        ]
    if options.markdown:
        with files.whole(options.markdown) as temporary:
            temporary.write_text(markdown.document(found, command), encoding="utf-8")
    notes, exit_code = _gated(found, recorded, options) if options.gate else ([], 0)
    return Outcome(
        "\n".join([tables.text(found), *(tables.layers(*row) for row in by_layer)]),
        record,
        place,
        notes,
        exit_code,
    )


def _check(options: argparse.Namespace) -> None:
    """Refuses bad flags, and places that cannot be written, before the counts."""
    if options.write and not options.gate:
        raise InputError("--write: expected --gate beside it, whose record it renews.")
    if options.gate and options.fp16:
        raise InputError(
            "--fp16: expected no --gate beside it: the record has float32 files in float32."
        )
    if options.write:
        files.check_writable(options.record)
    if options.markdown and options.markdown.suffix != ".md":
        raise InputError(f"--markdown {str(options.markdown)!r}: expected a file *.md to write to.")
    if options.markdown:
        files.check_writable(options.markdown)


def _gated(
    found: Emulated, recorded: Mapping[str, int], options: argparse.Namespace
) -> tuple[list[str], int]:
    """Lines about the gate, and the exit code."""
    if options.write:
        gate.write(found, options.record)
        return [f"written: {options.record}"], 0
    verdicts = gate.judge(found, recorded)
    return ["", *map(str, verdicts)], int(not all(verdict.passed for verdict in verdicts))
