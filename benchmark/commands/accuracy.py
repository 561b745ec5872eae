"""`python -m benchmark accuracy`."""

import argparse
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from benchmark import accuracy, accuracy_html, accuracy_report
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome
from efld import corrupt
from efld.data import datasets
from efld.errors import to_install
from efld.metrics import THRESHOLD_PERCENT, Normaliser
from efld.runtime import load

HELP = """examples:
  python -m benchmark accuracy runs/efld-small/model.*.tflite
  python -m benchmark accuracy model.keras model.int8.tflite --data 300W --split common
  python -m benchmark accuracy runs/*/model.int8.tflite --data 300W --robust --html compare.html

Without --data the faces are the embedded synthetic ones: good to see what a step cost, no measure
of how a model does on people. Every file is compared with the first one, face by face. Files of one
folder runs/NAME are recorded in runs/NAME/bench/accuracy-DATA-SPLIT.json and shown in
runs/NAME/accuracy-DATA-SPLIT.html unless --json and --html say where.
"""
NO_PAGE = f"no page: {{}} is missing; {to_install('benchmark')}"
NOWHERE = "nothing is written of files that do not lie in one run; --json and --html say where"


def add(parsers: Any) -> None:
    sub = parsers.add_parser(
        "accuracy", help="error on annotated faces", description=HELP, **flags.HOW
    )
    sub.add_argument("files", nargs="+", type=Path, help=".keras, .onnx or .tflite of efld")
    flags.add_faces(sub)
    sub.add_argument(
        "--normaliser", choices=get_args(Normaliser), default=accuracy.NORMALISER,
        help=f"what errors are divided by; default: {accuracy.NORMALISER}",
    )  # fmt: skip
    sub.add_argument(
        "--threshold", type=float, default=THRESHOLD_PERCENT, metavar="PERCENT",
        help=f"where a failure begins, for AUC and FR; default: {THRESHOLD_PERCENT:g}",
    )  # fmt: skip
    sub.add_argument(
        "--robust", action="store_true",
        help="also with boxes that are off, blur, little light and covered parts",
    )  # fmt: skip
    sub.add_argument("--html", metavar="PATH", type=Path, help="page of the result")
    flags.add_json(sub)


def run(options: argparse.Namespace, command: str) -> Outcome:
    folder = flags.run_folder(options.files)
    split = flags.split(options)
    name = accuracy_report.record_name(datasets.label(options.data), split, options.normaliser)
    place = flags.record_path(options, f"{name}.json")
    page, notes = _page(options.html, folder and folder / f"{name}.html")
    if page is None and place is None and options.json is None:
        notes = [*notes, NOWHERE]
    ruler = accuracy.Ruler(options.normaliser, options.threshold)
    models = [load(path) for path in options.files]  # a wrong file is said before the long part
    faces = datasets.open_faces(options.data, split)
    measured = accuracy.measure(models, faces, ruler, corrupt.CONDITIONS if options.robust else ())
    report = accuracy_report.Report(
        command=command,
        data=datasets.source(options.data),
        split=split,
        terms=accuracy_report.terms(options.data),
        ruler=ruler,
        faces=faces,
        results=list(tqdm(measured, total=len(models), unit="file", leave=False, disable=None)),
    )
    if page is not None:
        accuracy_html.write(page, report)
    return Outcome(accuracy_report.text(report), report.record(), place, notes)


def _page(wanted: Path | None, default: Path | None) -> tuple[Path | None, list[str]]:
    """Where the page goes; without libraries for it, a page that nobody asked for is left out."""
    if wanted is not None:
        accuracy_html.check(wanted)
    elif default is not None and (library := accuracy_html.missing()) is not None:
        return None, [NO_PAGE.format(library)]
    page = wanted or default
    return page, [f"written: {page}"] if page else []
