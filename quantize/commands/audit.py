"""`python -m quantize audit FILE`: what a .tflite file is made of, and whether it is int8."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from efld import files
from efld.run_files import FILES
from quantize.audit.report import Options, report
from quantize.audit.text import text

HELP = """examples:
  python -m quantize audit runs/efld-small
  python -m quantize audit downloaded_full_integer_quant.tflite --json audit.json
  python -m quantize audit model.tflite --says int8 --data DATA/300w

Works on any .tflite file: ours or foreign, int8 or not. What it finds is a fault, a warning or a
note; a fault makes it exit with 1.

It is a fault when a file says int8 and is not: its name has int8 or quant (and not dynamic, weight,
int16 or float), its spec names calibration pictures, or you say so (--says int8). So are test faces
among the calibration pictures, numbers that cannot be right, an output that hardly moves, and a
file of ours without a spec: one whose edges are called image and landmarks, or --ours. Of any other
file a missing spec is a warning.
"""


def parse(argv: Sequence[str]) -> Namespace:
    """The command line."""
    parser = ArgumentParser(
        "python -m quantize audit", description=__doc__, epilog=HELP, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", type=Path, help="a .tflite file, or runs/NAME for its int8 file")
    parser.add_argument("--says", choices=("int8", "float"), default="", help="what it claims")
    parser.add_argument("--ours", action="store_true", help="it must carry a spec")
    parser.add_argument(
        "--data", type=Path, help="faces to run it on: a dataset's folder (default: rendered faces)"
    )
    parser.add_argument("--split", default="", help="of --data (default: its training faces)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything to a file")
    return parser.parse_args(argv)


def run(argv: Sequence[str]) -> tuple[str, int]:
    """Audits one file; the exit code is 1 if it has a fault.

    Raises:
        InputError: no whole TFLite file, or faces that cannot be had.
    """
    given = parse(argv)
    if given.file.is_dir():
        given.file /= FILES["int8"]
    found = report(given.file, Options(given.says, given.ours, given.data, given.split))
    if given.json is not None:
        files.write_json(given.json, found.record())
    return text(found), found.exit_code
