"""`python -m benchmark host`."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import host, op_times
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome
from benchmark.names import shown

SCHEMA = 2
HELP = """examples:
  python -m benchmark host model.fp32.tflite model.int8.tflite
  python -m benchmark host model.fp32.tflite --peer other.onnx --seconds 10 --json -
  python -m benchmark host model.int8.tflite --threads 1,2,4
  python -m benchmark host model.onnx --layers

Files run by turns in one process; ratios are to the first --peer, or to the first file. Then each
is started --starts times, each time in a fresh process: how long it takes to open, and its first
run. Energy is that of the whole processor, where the machine tells it. Files of one folder
runs/NAME are recorded in runs/NAME/bench/host.json unless --json says where.
"""


def add(parsers: Any) -> None:
    sub = parsers.add_parser("host", help="latency and memory here", description=HELP, **flags.HOW)
    sub.add_argument("files", nargs="+", type=Path, help="any .onnx or .tflite")
    flags.add_peer(sub)
    sub.add_argument(
        "--threads", type=numbers, default=(1,), metavar="N[,N]",
        help="every file on each of these; default: 1",
    )  # fmt: skip
    flags.add_seconds(sub)
    sub.add_argument(
        "--starts", type=int, default=host.STARTS, help=f"of each file; default: {host.STARTS}"
    )
    sub.add_argument("--layers", action="store_true", help="also by op: .onnx alone tells it")
    sub.add_argument("--seed", type=int, default=0, help="of the input and of the order")
    flags.add_json(sub)


def numbers(text: str) -> tuple[int, ...]:
    """1 and 2 of "1,2"; each once."""
    try:
        return tuple(dict.fromkeys(map(int, text.split(","))))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected numbers such as 1,2") from None


def run(options: argparse.Namespace, command: str) -> Outcome:
    place = flags.record_path(options, "host.json")
    result = host.measure(
        options.files,
        options.peer,
        threads=options.threads,
        seconds=options.seconds,
        seed=options.seed,
        starts=options.starts,
    )
    record = {"schema": SCHEMA, "command": command, **asdict(result)}
    blocks = [host.heading(result), host.table(result), host.notes(result)]
    if options.layers:
        ops = {path: op_times.measure(path, options.threads[0]) for path in options.files}
        blocks += [op_times.table(str(path), own) for path, own in ops.items()]
        record["layers"] = [
            {"file": shown(path), "ops": own and [asdict(node) for node in own]}
            for path, own in ops.items()
        ]
    return Outcome("\n".join(blocks), record, place)
