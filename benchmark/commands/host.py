"""`python -m benchmark host`."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import host
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome

SCHEMA = 1
HELP = """examples:
  python -m benchmark host model.fp32.tflite model.int8.tflite
  python -m benchmark host model.fp32.tflite --peer other.onnx --seconds 10 --json -

Files run by turns in one process; ratios are to the first --peer, or to the first file. Files of
one folder runs/NAME are recorded in runs/NAME/bench/host.json unless --json says where.
"""


def add(parsers: Any) -> None:
    sub = parsers.add_parser("host", help="latency and memory here", description=HELP, **flags.HOW)
    sub.add_argument("files", nargs="+", type=Path, help="any .onnx or .tflite")
    flags.add_peer(sub)
    flags.add_timing(sub)
    sub.add_argument("--seed", type=int, default=0, help="of the input and of the order")
    flags.add_json(sub)


def run(options: argparse.Namespace, command: str) -> Outcome:
    result = host.measure(
        options.files,
        options.peer,
        threads=options.threads,
        seconds=options.seconds,
        seed=options.seed,
    )
    return Outcome(
        f"{host.heading(result)}\n{host.table(result)}",
        {"schema": SCHEMA, "command": command, **asdict(result)},
        flags.record_path(options.files, "host.json"),
    )
