"""`python -m benchmark android`."""

import argparse
import re
from pathlib import Path
from typing import Any, get_args

from benchmark.android import adb, fleet, measure, record, runner
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome
from efld import files
from efld.errors import InputError

HELP = """examples:
  python -m benchmark android model.fp32.tflite model.int8.tflite
  python -m benchmark android runs/efld-small/model.*.tflite --serial 8A1X0 --length standard
  python -m benchmark android model.fp16.tflite --runner ~/benchmark_model --delegate cpu gpu
  python -m benchmark android model.int8.tflite --all --repeats 5 --sustained 10m

Times files on Android devices through adb, each repeat from the same temperature. The program that
runs them is Google's benchmark_model, named by --runner or EFLD_BENCHMARK_MODEL, else our own
(make setup-arm). Each device's record, bench/DEVICE.json in runs/NAME where all files lie there, is
written after every file: when a device goes away, the same command goes on.
"""
DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
SECONDS = {"s": 1, "m": 60, "h": 3600, None: 1}


def add(parsers: Any) -> None:
    sub = parsers.add_parser("android", help="latency on phones", description=HELP, **flags.HOW)
    sub.add_argument("files", nargs="+", type=Path, help="any .tflite")
    flags.add_peer(sub)
    sub.add_argument("--serial", action="append", default=[], help="a device; may be repeated")
    sub.add_argument("--all", action="store_true", help="every device that adb lists")
    sub.add_argument("--runner", type=Path, metavar="PATH", help="benchmark_model for the device")
    sub.add_argument(
        "--delegate", nargs="+", choices=get_args(runner.Delegate), default=["cpu"],
        help="what runs the graph; default: cpu",
    )  # fmt: skip
    sub.add_argument(
        "--length", choices=runner.LENGTHS, default="quick",
        help="of a run, as MLPerf Mobile has them: 1024 inferences and 60 s, 128 and 10, 64 and 6",
    )  # fmt: skip
    sub.add_argument("--repeats", type=int, default=3, help="runs of each file; default: 3")
    sub.add_argument("--threads", type=int, default=1)
    sub.add_argument("--fp16", action="store_true", help="compute in half precision, on the CPU")
    sub.add_argument(
        "--sustained", type=duration_s, default=0, metavar="10m",
        help="also load the device for so long and record how it slows down",
    )  # fmt: skip
    sub.add_argument(
        "--cool-down", type=duration_s, default=300, metavar="5m",
        help="longest wait before a run; default: 5m",
    )  # fmt: skip
    sub.add_argument("--folder", type=Path, help="for the records; default: bench/")


def duration_s(text: str) -> float:
    """Seconds of "90", "90s", "10m" or "1h"."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a duration such as 90s or 10m")
    return float(match[1]) * SECONDS[match[2]]


def run(options: argparse.Namespace, command: str) -> Outcome:
    plan = record.Plan(
        length=options.length,
        repeats=options.repeats,
        threads=options.threads,
        delegates=tuple(dict.fromkeys(options.delegate)),
        fp16=options.fp16,
        sustained_s=options.sustained,
        cool_down_s=options.cool_down,
    )
    jobs = measure.jobs(options.files, options.peer, plan)
    program = runner.find(options.runner, plan.delegates)
    folder = options.folder or (flags.run_folder(options.files) or Path()) / "bench"
    files.check_writable(folder / "DEVICE.json")
    devices = adb.choose(options.serial, options.all)
    found, errors = fleet.run(devices, jobs, plan, program, folder, command)
    if not found:
        raise errors[0] if len(errors) == 1 else InputError(" ".join(map(str, errors)))
    failures = [failure for one, _ in found for failure in one.failures]
    notes = [f"written: {path}" for _, path in found]
    notes += [f"failed: {failure.file}, {failure.asked}: {failure.why}" for failure in failures]
    return Outcome(
        "\n\n".join(f"{record.heading(one)}\n{record.table(one.files)}" for one, _ in found),
        notes=notes + [f"error: {error}" for error in errors],
        exit_code=2 if errors else 1 if failures else 0,
    )
