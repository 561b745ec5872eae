"""Flags that several commands share, and what they share in reading them."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from efld import files
from efld.data import datasets
from efld.run_files import RUNS

HOW: dict[str, Any] = {
    "formatter_class": argparse.RawDescriptionHelpFormatter,
    "allow_abbrev": False,
}


def add_faces(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--data", type=Path, help="a dataset's folder; default: synthetic faces")
    sub.add_argument(
        "--split", choices=get_args(datasets.Split),
        help="default: full, every test face; all, where a dataset has no split",
    )  # fmt: skip


def split(options: argparse.Namespace) -> datasets.Split:
    given: datasets.Split | None = options.split
    return given or datasets.default_split(options.data)


def add_seconds(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seconds", type=float, default=3, help="for each file; default: 3")


def add_peer(sub: argparse.ArgumentParser, required: bool = False) -> None:
    sub.add_argument(
        "--peer", action="append", default=[], required=required, type=Path,
        help="a file to compare with",
    )  # fmt: skip


def add_json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", metavar="PATH", help="record of the result; - for stdout")


def run_folder(paths: Sequence[Path]) -> Path | None:
    """`runs/NAME` when all files lie there, or are records in its `bench/`."""
    folders = {path.parent.parent if path.suffix == ".json" else path.parent for path in paths}
    folder = folders.pop()
    return None if folders or folder.absolute().parent.name != RUNS.name else folder


def record_path(options: argparse.Namespace, name: str) -> Path | None:
    """As `place`: `runs/NAME/bench/` and the record's name, when all files lie in one run."""
    folder = run_folder(options.files)
    return place(options, folder / "bench" / name if folder else None)


def place(options: argparse.Namespace, path: Path | None) -> Path | None:
    """A record's own place, unless --json names another one.

    Raises:
        InputError: no file can be made there, said before the measurement.
    """
    if path is None or options.json is not None:
        return None
    files.check_writable(path)
    return path
