"""`python -m benchmark beside`."""

import argparse
from pathlib import Path
from typing import Any

from benchmark import beside
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome


def add(parsers: Any) -> None:
    sub = parsers.add_parser(
        "beside", help="error and latency, beside other people's files",
        description=beside.HELP, **flags.HOW,
    )  # fmt: skip
    sub.add_argument("files", nargs="+", type=Path, help=".onnx or .tflite of efld")
    flags.add_peer(sub, required=True)
    sub.add_argument(
        "--peer-spec", action="append", default=[], type=Path, metavar="JSON",
        help="how that peer is fed and read; one for each that carries no spec, in order",
    )  # fmt: skip
    flags.add_faces(sub)
    sub.add_argument("--threads", type=int, default=1)
    flags.add_seconds(sub)
    flags.add_json(sub)


def run(options: argparse.Namespace, command: str) -> Outcome:
    place = flags.record_path(options, "beside.json")
    result = beside.measure(
        options.files,
        options.peer,
        options.peer_spec,
        data=options.data,
        split=flags.split(options),
        command=command,
        threads=options.threads,
        seconds=options.seconds,
    )
    return Outcome(beside.text(result), result.record(), place)
