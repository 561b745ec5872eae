"""`python -m benchmark`: what model files cost and what they are worth."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from benchmark import accuracy, accuracy_html, accuracy_report, beside, card, host
from efld import corrupt, files
from efld.data import datasets
from efld.errors import InputError, run_command
from efld.metrics import THRESHOLD_PERCENT, Normaliser
from efld.runtime import load

SCHEMA = 1
STDOUT = "-"
README = Path("README.md")

HELP = """examples:
  python -m benchmark accuracy runs/efld-small/model.*.tflite
  python -m benchmark accuracy model.int8.tflite --data 300W --split challenging --json -
  python -m benchmark host runs/efld-small/model.*.tflite --peer other.tflite --seconds 5
  python -m benchmark beside model.int8.tflite --peer pfld.onnx --peer-spec pfld.json --data 300W
  python -m benchmark card runs/efld-small-300w --data 300W
  python -m benchmark results
"""

ACCURACY_HELP = """examples:
  python -m benchmark accuracy runs/efld-small/model.*.tflite
  python -m benchmark accuracy model.keras model.int8.tflite --data 300W --split common
  python -m benchmark accuracy runs/*/model.int8.tflite --data 300W --robust --html compare.html

Without --data the faces are the embedded synthetic ones: good to see what a step cost, no measure
of how a model does on people. Every file is compared with the first one, face by face. Files of one
folder runs/NAME are recorded in runs/NAME/bench/accuracy.json and shown in runs/NAME/accuracy.html
unless --json and --html say where.
"""

HOST_HELP = """examples:
  python -m benchmark host model.fp32.tflite model.int8.tflite
  python -m benchmark host runs/efld-small/model.*.tflite --peer other.onnx --seconds 10 --json -

Files run by turns in one process; ratios are to the first --peer, or to the first file. Files of
one folder runs/NAME are recorded in runs/NAME/bench/host.json unless --json says where.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line; `argv` without the program's name."""
    run_command(lambda: _main(sys.argv[1:] if argv is None else list(argv)))


def _main(argv: list[str]) -> None:
    options = _parse(argv)
    command = _named(argv)
    if options.command == "accuracy":
        _accuracy(options, command)
    elif options.command == "host":
        _host(options, command)
    elif options.command == "beside":
        _beside(options, command)
    elif options.command == "card":
        folder = card.publish(options.run, card.measure(options.run, options.data, command))
        print(f"{folder}: weights, spec, {card.CARD}, {card.RECORD}")
    else:
        print(f"{README}: {', '.join(card.write_results(README))}")


def _named(argv: list[str]) -> str:
    """The command, folders outside the project by their last names alone: records get published."""
    words = ["/".join(Path(word).parts[-2:]) if Path(word).is_absolute() else word for word in argv]
    return shlex.join(["python", "-m", "benchmark", *words])


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmark", description=HELP, **_HOW)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_accuracy(commands)
    _add_host(commands)
    _add_beside(commands)
    sub = commands.add_parser("card", help="measure a run and publish it in pretrained/", **_HOW)
    sub.add_argument("run", type=Path, help="runs/NAME, exported and quantized")
    sub.add_argument("--data", type=Path, required=True, help="300-W: all splits are measured")
    commands.add_parser("results", help="write the table of pretrained/ into README.md", **_HOW)
    return parser.parse_args(argv)


def _add_accuracy(commands: Any) -> None:
    sub = commands.add_parser(
        "accuracy", help="error on annotated faces", description=ACCURACY_HELP, **_HOW
    )
    sub.add_argument("files", nargs="+", type=Path, help=".keras, .onnx or .tflite of efld")
    _add_faces(sub)
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
    sub.add_argument("--json", metavar="PATH", help="record of the result; - for stdout")


def _add_faces(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--data", type=Path, help="a dataset's folder; default: synthetic faces")
    sub.add_argument(
        "--split", choices=get_args(datasets.Split),
        help="default: full, every test face; all, where a dataset has no split",
    )  # fmt: skip


def _add_host(commands: Any) -> None:
    sub = commands.add_parser("host", help="latency and memory here", description=HOST_HELP, **_HOW)
    sub.add_argument("files", nargs="+", type=Path, help="any .onnx or .tflite")
    sub.add_argument(
        "--peer", action="append", default=[], type=Path, help="a file to compare with"
    )
    _add_timing(sub)
    sub.add_argument("--seed", type=int, default=0, help="of the input and of the order")
    sub.add_argument("--json", metavar="PATH", help="record of the result; - for stdout")


def _add_timing(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--threads", type=int, default=1)
    sub.add_argument("--seconds", type=float, default=3, help="for each file; default: 3")


def _add_beside(commands: Any) -> None:
    sub = commands.add_parser(
        "beside", help="error and latency, beside other people's files",
        description=beside.HELP, **_HOW,
    )  # fmt: skip
    sub.add_argument("files", nargs="+", type=Path, help=".onnx or .tflite of efld")
    sub.add_argument(
        "--peer", action="append", required=True, type=Path, help="a file to compare with"
    )
    sub.add_argument(
        "--peer-spec", action="append", default=[], type=Path, metavar="JSON",
        help="how that peer is fed and read; one for each that carries no spec, in order",
    )  # fmt: skip
    _add_faces(sub)
    _add_timing(sub)
    sub.add_argument("--json", metavar="PATH", help="record of the result; - for stdout")


_HOW: dict[str, Any] = {
    "formatter_class": argparse.RawDescriptionHelpFormatter,
    "allow_abbrev": False,
}


def _accuracy(options: argparse.Namespace, command: str) -> None:
    folder = _run_folder(options.files)
    _check_json(options.json)
    page = _page(options.html, folder)
    ruler = accuracy.Ruler(options.normaliser, options.threshold)
    models = [load(path) for path in options.files]  # a wrong file is said before the long part
    split = options.split or datasets.default_split(options.data)
    faces = datasets.open_faces(options.data, split)
    measured = accuracy.measure(models, faces, ruler, corrupt.CONDITIONS if options.robust else ())
    report = accuracy_report.Report(
        command=command,
        data=datasets.label(options.data),
        split=split,
        terms=datasets.terms(options.data) if options.data else "",
        ruler=ruler,
        faces=faces,
        results=list(tqdm(measured, total=len(models), unit="file", leave=False, disable=None)),
    )
    record = folder / "bench" / "accuracy.json" if folder else None
    _report(accuracy_report.text(report), report.record(), options.json or record)
    if page is not None:
        accuracy_html.write(page, report)
        print(f"written: {page}", file=sys.stderr if options.json == STDOUT else sys.stdout)


def _page(wanted: Path | None, folder: Path | None) -> Path | None:
    """Where the page goes; without libraries for it, a page that nobody asked for is left out."""
    if wanted is not None:
        accuracy_html.check(wanted)
        return wanted
    if folder is not None and (library := accuracy_html.missing()) is not None:
        print(f"no page: {library} is missing; pip install 'efld[benchmark]'", file=sys.stderr)
        return None
    return folder / "accuracy.html" if folder else None


def _host(options: argparse.Namespace, command: str) -> None:
    _check_json(options.json)
    result = host.measure(
        options.files,
        options.peer,
        threads=options.threads,
        seconds=options.seconds,
        seed=options.seed,
    )
    record = {"schema": SCHEMA, "command": command, **asdict(result)}
    folder = _run_folder(options.files)
    default = folder / "bench" / "host.json" if folder else None
    _report(f"{host.heading(result)}\n{host.table(result)}", record, options.json or default)


def _beside(options: argparse.Namespace, command: str) -> None:
    _check_json(options.json)
    result = beside.measure(
        options.files,
        options.peer,
        options.peer_spec,
        data=options.data,
        split=options.split or datasets.default_split(options.data),
        command=command,
        threads=options.threads,
        seconds=options.seconds,
    )
    folder = _run_folder(options.files)
    default = folder / "bench" / "beside.json" if folder else None
    _report(beside.text(result), result.record(), options.json or default)


def _run_folder(paths: Sequence[Path]) -> Path | None:
    """`runs/NAME` when all files lie there."""
    folders = {path.parent for path in paths}
    folder = folders.pop()
    return None if folders or folder.absolute().parent.name != "runs" else folder


def _check_json(where: str | None) -> None:
    """Refuses a bad place before the measurement, not after it."""
    if where not in (None, STDOUT) and (Path(str(where)).suffix != ".json" or Path(where).is_dir()):
        raise InputError(f"--json {where!r}: expected a file *.json to write to, or - for stdout.")


def _report(table: str, record: dict[str, Any], where: str | Path | None) -> None:
    if where == STDOUT:
        print(table, file=sys.stderr)
        print(json.dumps(record, indent=2))
        return
    print(table)
    if where is not None:
        files.write_json(Path(where), record)
        print(f"written: {where}")


if __name__ == "__main__":
    main()
