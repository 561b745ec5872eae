"""`python -m benchmark estimate`."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.commands import flags
from benchmark.commands.outcome import Outcome
from benchmark.emulated.toolchain import tools
from benchmark.estimate import estimating, published
from benchmark.estimate.estimating import CALIBRATION, MEANS, SCHEMA
from efld import files
from efld.errors import InputError

HELP = """examples:
  python -m benchmark estimate runs/efld-small/model.fp32.tflite
  python -m benchmark estimate runs/efld-small/bench/emulated.json
  python -m benchmark estimate model.fp32.tflite --extrapolate --json -
  python -m benchmark estimate --calibrate

Milliseconds on one big core of a Snapdragon 845, estimated from exact counts of ARM instructions
(`make setup-arm`, or a record of `benchmark emulated`) and the published latencies of known nets.
An estimate is no measurement: with a phone at hand, use `benchmark android`. Float32 and int8, and
only in the range of instructions of the known nets unless --extrapolate. Goal: the faces a second
that we want of a model on that phone. --calibrate counts the known
nets again (minutes; needs Keras and TensorFlow) and writes benchmark/estimate/calibration.json.
"""


def add(parsers: Any) -> None:
    sub = parsers.add_parser(
        "estimate", help="milliseconds on a phone, estimated", description=HELP, **flags.HOW
    )
    sub.add_argument(
        "files", nargs="*", type=Path, help=".tflite, or a record of benchmark emulated"
    )
    sub.add_argument(
        "--extrapolate", action="store_true", help="also outside the range of the calibration"
    )
    sub.add_argument("--calibrate", action="store_true", help="count the known nets again")
    flags.add_json(sub)


def run(options: argparse.Namespace, command: str) -> Outcome:
    if options.calibrate == bool(options.files):
        raise InputError("estimate: expected files, or --calibrate alone.")
    return _calibrate(command) if options.calibrate else _estimate(options, command)


def _calibrate(command: str) -> Outcome:
    total = len(published.nets())
    counts = list(tqdm(estimating.count_nets(), total=total, unit="net", leave=False, disable=None))
    files.write_json(CALIBRATION, estimating.calibrate(counts, tools(), command))
    return Outcome(
        estimating.heading(estimating.load().fits), notes=[f"written: {CALIBRATION.name}"]
    )


def _estimate(options: argparse.Namespace, command: str) -> Outcome:
    place = flags.record_path(options, "estimate.json")
    calibration = estimating.load()
    rows = [
        row
        for path in options.files
        for counted in estimating.counted(path, calibration)
        for row in estimating.estimate(counted, calibration.fits, options.extrapolate)
    ]
    record = {
        "schema": SCHEMA, "command": command, "means": MEANS, "stands_for": published.PHONE,
        "soc": published.PHONES[published.PHONE], "threads": 1,
        "estimates": [asdict(row) for row in rows],
    }  # fmt: skip
    return Outcome(estimating.text(rows, calibration.fits), record, place)
