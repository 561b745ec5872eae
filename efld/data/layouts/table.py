"""What the csv layouts share: rows of a picture's name and numbers, checked."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from efld.data.layouts.layout import Report
from efld.data.parsing import floats, reason
from efld.errors import InputError


def read_table(
    path: Path, name_column: str, number_columns: Sequence[str], report: Report
) -> Iterator[tuple[int, str, NDArray[np.float32]]]:
    """Yields (line of the file, name, numbers in the order of `number_columns`).

    Reports a file that cannot be read or lacks a column, and rows without all numbers.
    """
    try:
        with path.open(newline="") as file:
            table = csv.DictReader(file)
            _check_columns(path, table.fieldnames or (), name_column, number_columns)
            rows = [(table.line_num, row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        report(InputError(f"{path}: cannot be read ({reason(error)}). Expected a csv file."))
        return
    except InputError as error:
        report(error)
        return
    for line, row in rows:
        try:
            numbers = floats([row[column] for column in number_columns])
        except InputError as error:
            report(InputError(f"{path}:{line}: {error}"))
            continue
        if np.isfinite(numbers).all():
            yield line, row[name_column], numbers
        else:
            bad = number_columns[int(np.flatnonzero(~np.isfinite(numbers))[0])]
            report(InputError(f"{path}:{line}: column {bad!r} has no finite number. Restore it."))


def _check_columns(path: Path, found: Sequence[str], name: str, numbers: Sequence[str]) -> None:
    missing = [column for column in (name, *numbers) if column not in found]
    if missing:
        raise InputError(
            f"{path}: expected a first line with {len(numbers)} titles of numbers, "
            f"{numbers[0]!r} to {numbers[-1]!r}, and {name!r} for the picture's name; found "
            f"{len(found)} titles, {missing[0]!r} not among them. Restore the file."
        )
