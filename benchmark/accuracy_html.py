"""The page of a report: one file that needs no network, the same bytes for the same report."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import plots
from benchmark.accuracy_report import TITLES, Report, added, bin_label, shown
from benchmark.thumbnails import thumbnail
from efld import files
from efld.errors import InputError, to_install
from efld.metrics import PoseGrid, Values
from efld.statistics import LEVEL, interval

TEMPLATE = Path(__file__).with_name("accuracy.html.j2")
WORST, SHEET = 20, 20  # faces shown


@dataclass(frozen=True)
class Bar:
    """One file's bar in a group."""

    width_percent: float
    text: str


@dataclass(frozen=True)
class Cell:
    """One bin of the heat map."""

    shade_percent: float
    nme: str
    small: str  # interval and faces


@dataclass(frozen=True)
class Shot:
    """One face of a contact sheet."""

    name: str
    nme: str
    picture: str  # data: URI


def missing() -> str | None:
    """A library that the page needs and this environment lacks."""
    return next((name for name in ("jinja2", "matplotlib") if find_spec(name) is None), None)


def check(path: Path) -> None:
    """Refuses a bad place, or a missing library, before the measurement and not after it.

    Raises:
        InputError: not *.html, no file can be made there, or no jinja2 or matplotlib.
    """
    if path.suffix != ".html":
        raise InputError(f"{path}: expected a file *.html to write to.")
    files.check_writable(path)
    if (library := missing()) is not None:
        raise InputError(
            f"{path}: {library} is not installed, expected for a page. "
            f"Run: {to_install('benchmark')}."
        )


def write(path: Path, report: Report) -> None:
    """Writes the page of a report; `check` comes before the measurement."""
    with files.whole(path) as temporary:
        temporary.write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """The page as text."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(TEMPLATE.read_text()).render(
        report=report,
        level=round(100 * LEVEL),
        colours=[plots.colour(i) for i in range(len(report.results))],
        curves=plots.ced(
            [result.errors_percent for result in report.results],
            report.ruler.normaliser,
            report.ruler.threshold_percent,
        ),
        bars={report.title(kind): bars for kind in TITLES if (bars := _bars(report, kind))},
        pose=_pose(report.grids[0]) if report.grids else None,
        worst=[_shot(report, i, True) for i in _worst(report)],
        sheet=[_shot(report, i, False) for i in _even(len(report.faces))],
    )


def _bars(report: Report, kind: str) -> list[tuple[str, int, list[Bar]]]:
    """Rows of a kind of group: name, faces, a bar a file."""
    own = [group for group in report.groups if group.kind == kind]
    longest = max((found.high for group in own for found in group.nme_percent), default=0) or 1
    return [
        (
            report.meant(group),
            group.faces,
            [
                Bar(
                    100 * found.mean / longest,
                    found.shown(group.faces, 2) + added(group, found, result),
                )
                for found, result in zip(group.nme_percent, report.results, strict=True)
            ],
        )
        for group in own
    ]


def _pose(grid: PoseGrid) -> dict[str, Any]:
    rows, columns = shown(grid)
    means = [float(errors.mean()) for errors in grid.errors_percent.values()]
    low, span = min(means), max(means) - min(means) or 1.0

    def cell(errors: Values | None) -> Cell | None:
        if errors is None:
            return None
        found = interval(errors)
        mean, _, spread = found.shown(len(errors), 1).partition(" ")
        return Cell(100 * (found.mean - low) / span, mean, f"{spread} ({len(errors)})".strip())

    cells = grid.errors_percent
    return {
        "yaw": [bin_label(grid, column) for column in columns],
        "rows": [
            (bin_label(grid, row), [cell(cells.get((row, column))) for column in columns])
            for row in rows
        ],
    }


def _worst(report: Report) -> Sequence[int]:
    """The faces with the largest error of the first file, the largest first."""
    order = np.argsort(-report.results[0].errors_percent, kind="stable")
    return [int(i) for i in order[:WORST]]


def _even(faces: int) -> Sequence[int]:
    """Faces at even steps through the data."""
    return [i * faces // SHEET for i in range(SHEET)] if faces > SHEET else range(faces)


def _shot(report: Report, index: int, with_truth: bool) -> Shot:
    face, result = report.faces[index], report.results[0]
    picture = thumbnail(face, result.points[index], result.row.box_factor, with_truth)
    return Shot(face.id, f"{result.errors_percent[index]:.1f}", picture)
