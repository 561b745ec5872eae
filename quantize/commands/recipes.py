"""`python -m quantize recipes RUN`: the model by every recipe, side by side."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from efld import files, runtime
from efld.data.datasets import label
from efld.errors import say
from efld.run_files import FILES
from export import run_folder
from export.chain import Evaluation
from export.steps import Reference
from quantize import calibration, recipes_table
from quantize.commands import flags
from quantize.recipes_table import Point, Recipes

SCHEMA = 1
ENOUGH = 1.05  # of the distance with all pictures
HELP = """examples:
  python -m quantize recipes efld-small
  python -m quantize recipes runs/NAME --data DATA/300w --split common --json recipes.json
  python -m quantize recipes runs/NAME --data DATA/300w --curve

Makes each file in a temporary folder and measures it: NME, distance from the float model's points,
XNNPACK's partitions, and time beside float32 in the same run. Nothing in RUN changes.

"HARD_SWISH float" is the usual advice: float where XNNPACK has no int8 kernel, and nowhere else.
"mixed" leaves in float what the recipe by hand says; "slim, corrected" is how python -m quantize
writes it: scales shared where no channel loses much, biases corrected; "equalised" does so with
channels of like size, which linear layers and ReLU allow. Without --split it measures
on the training faces that do not calibrate; they choose the calibration method, too.
"""


def parse(argv: Sequence[str]) -> Namespace:
    """The command line."""
    parser = ArgumentParser(
        "python -m quantize recipes", description=__doc__, epilog=HELP, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("run", help="an exported runs/NAME, or the name of a pretrained model")
    flags.add_data(parser)
    parser.add_argument(
        "--split", default="", help="faces to measure on (default: held-out training faces)"
    )
    flags.add_calibration(parser)
    parser.add_argument(
        "--curve", action="store_true", help="also the error by number of calibration pictures"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything to a file")
    return parser.parse_args(argv)


def run(argv: Sequence[str]) -> tuple[str, int]:
    """Makes and measures every recipe's file.

    Raises:
        InputError: no exported run, or faces that cannot be had.
    """
    given = parse(argv)
    if given.json is not None:
        files.check_writable(given.json)
    folder = run_folder.exported(given.run)
    with TemporaryDirectory(prefix="efld-recipes-") as work:
        recipes, reference = _opened(folder, given, Path(work))
        method = recipes.best_method()
        say(f"calibration by {method}: nearest to the float model on held-out training faces")
        rows = recipes.rows(reference, method)
        curve = list(recipes.curve(method)) if given.curve else []
    record = {
        "schema": SCHEMA,
        "model": recipes.fp32.spec.model,
        "fp32_sha256": files.sha256(recipes.fp32.path),
        "data": label(given.data),
        "split": given.split or "training, held out",
        "faces": len(reference.crops),
        "calibration_faces": len(recipes.pictures),
        "method": method,
        "rows": [asdict(row) for row in rows],
        "curve": [asdict(point) for point in curve],
        "enough_pictures": enough(curve) if curve else None,
    }
    if given.json is not None:
        files.write_json(given.json, record)
    lines = [_heading(folder, record), recipes_table.text(rows), *map(_line, curve)]
    if curve:
        lines.append(
            f"{record['enough_pictures']} are enough: from there on the distance is at most "
            f"{ENOUGH - 1:.0%} over that with {curve[-1].pictures}"
        )
    return "\n".join(lines), 0


def enough(curve: Sequence[Point]) -> int:
    """The number of pictures from which on more of them change little."""
    most = curve[-1].mean_px
    near = takewhile(lambda point: point.mean_px <= ENOUGH * most, reversed(curve))
    return min(point.pictures for point in near)


def _opened(folder: Path, given: Namespace, work: Path) -> tuple[Recipes, Reference]:
    """The run, and the faces that measure."""
    fp32 = runtime.load(folder / FILES["fp32"])
    measured = Evaluation(given.data, given.split).crops(fp32.spec) if given.split else None
    faces = calibration.faces_for(
        given.data,
        fp32.spec.scheme,
        given.split,
        measured.ids if measured else (),
        given.calibration_faces,
        given.seed,
    )
    held_out = Reference.of(fp32, calibration.cut(faces.choose, fp32.spec))
    made = {
        "float16": folder / FILES["fp16"],
        f"{FILES['int8']} of the run": folder / FILES["int8"],
    }
    recipes = Recipes(
        fp32=fp32,
        made={name: path for name, path in made.items() if path.is_file()},
        pictures=calibration.cut(faces.calibrate, fp32.spec),
        held_out=held_out,
        work=work,
    )
    return recipes, Reference.of(fp32, measured) if measured else held_out


def _heading(folder: Path, record: dict[str, Any]) -> str:
    return (
        f"{folder}: NME on {record['faces']} faces of {record['data']}, split {record['split']}; "
        f"scales from {record['calibration_faces']} training faces, {record['method']}"
    )


def _line(point: Point) -> str:
    return (
        f"{point.pictures:>3} calibration pictures: {point.mean_px:.3f} px, "
        f"NME {point.nme_percent:.3f} % on held-out training faces"
    )
