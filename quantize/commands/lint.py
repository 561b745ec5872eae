"""`python -m quantize lint FILE|RUN`: what is known to break int8 in a float file."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efld import files, tflite_file
from efld.errors import InputError
from efld.run_files import FILES
from export import run_folder
from quantize import lint
from quantize.audit import pictures
from quantize.audit.finding import counted, lines
from quantize.graph import Graph

SCHEMA = 1
HELP = """examples:
  python -m quantize lint runs/efld-small
  python -m quantize lint pfld_float32.tflite --input-range 0 1 --data DATA/300w

Looks at a float .tflite for what is known to break int8, and says of each finding what
`python -m quantize` will do about it, or what you should. Ranges are measured on a few faces; a
file without a spec does not say what values it takes, so give --input-range. Advice: it exits
with 0 whatever it finds.
"""


def parse(argv: Sequence[str]) -> Namespace:
    """The command line."""
    parser = ArgumentParser(
        "python -m quantize lint", description=__doc__, epilog=HELP, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", help="a float .tflite file, runs/NAME or a pretrained model's name")
    parser.add_argument(
        "--data", type=Path, help="faces to measure on: a dataset's folder (default: rendered)"
    )
    parser.add_argument("--split", default="", help="of --data (default: its training faces)")
    parser.add_argument(
        "--input-range", type=float, nargs=2, metavar=("BLACK", "WHITE"),
        help="of a file without a spec: values of a black and of a white pixel",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the findings to a file")
    return parser.parse_args(argv)


def run(argv: Sequence[str]) -> tuple[str, int]:
    """Lints one file.

    Raises:
        InputError: no float file, or faces that cannot be had.
    """
    given = parse(argv)
    file = Path(given.file)
    if file.suffix != ".tflite":
        file = run_folder.exported(given.file) / FILES["fp32"]
    crops, words = _crops(file, given)
    found = lint.findings(file, crops)
    if given.json is not None:
        rows = [asdict(finding) for finding in found]
        record = {"schema": SCHEMA, "file": file.name, "pictures": words, "findings": rows}
        files.write_json(given.json, record)
    return "\n".join([f"{file}: {counted(found)}.", f"pictures: {words}", *lines(found)]), 0


def _crops(file: Path, given: Namespace) -> tuple[NDArray[Any] | None, str]:
    """Pictures in the input range of the graph, and in words which, or why there are none."""
    graph = Graph.of(tflite_file.read(file))
    spec = tflite_file.read_spec(file)
    if spec is not None and given.input_range:
        raise InputError(f"{file}: its spec says {spec.input_range}. Leave out --input-range.")
    if spec is None and given.input_range:
        if not np.isfinite(given.input_range).all():
            raise InputError(f"--input-range {given.input_range}: expected two numbers.")
        spec = pictures.spread_over(graph, tuple(given.input_range))
        if spec is None:
            return None, "none: it takes no square pictures of 1 or 3 channels, channels last."
    if spec is None:
        return None, "none: no spec says what values it takes. Give --input-range."
    faces, words = pictures.faces_for(spec, given.data, given.split, lint.PICTURES)
    return pictures.feeds(graph, spec, faces)[:, 0], words
