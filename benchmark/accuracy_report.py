"""What was measured on a split, put together: for a terminal, as a record, and for the page."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.accuracy import NORMALISER, Group, Result, Ruler, flags_of, groups, labels, poses
from efld import attributes, metrics, statistics
from efld.data import datasets
from efld.data.faces import TEST_PARTS, Face
from efld.metrics import PoseGrid
from efld.statistics import LEVEL, Interval, interval

SCHEMA = 2
TITLES = {
    "region": "NME % by region of the face",
    "attribute": "NME % by attribute",
    "condition": "NME % under a change, and how much it adds",
}


def record_name(data: str, split: str, normaliser: str) -> str:
    """What a run's record and its page are called: other faces get a name of their own."""
    words = [Path(data).name, split, *([] if normaliser == NORMALISER else [normaliser])]
    return "-".join(["accuracy", *re.findall(r"\w+", " ".join(words).lower())])


def terms(data: Path | None) -> str:
    """What a report says of a dataset's terms; the embedded faces have none to respect."""
    return datasets.terms(data) if data else ""


@dataclass(frozen=True, eq=False)
class Report:
    """Files on the faces of a split."""

    command: str
    data: str
    split: str
    terms: str  # of the data; empty: nothing to respect
    ruler: Ruler
    faces: Sequence[Face]
    results: Sequence[Result]  # one a file

    @cached_property
    def names(self) -> list[str]:
        """Short names of the files."""
        return labels([Path(result.row.file) for result in self.results])

    @property
    def columns(self) -> list[str]:
        """What stands over a file's column: its number, where names would be too wide."""
        count = len(self.results)
        return ["NME %"] if count == 1 else [f"[{i}]" for i in range(1, count + 1)]

    @cached_property
    def groups(self) -> list[Group]:
        """Means over regions, attributes and conditions."""
        return groups(self.results, flags_of(self.faces), self.faces[0].scheme)

    @cached_property
    def grids(self) -> list[PoseGrid]:
        """Means over head poses, one a file; empty where no pose is known."""
        angles = poses(self.faces)
        if angles is None:
            return []
        grids = [metrics.by_pose(own.errors_percent, *angles.T[:2]) for own in self.results]
        return [grid for grid in grids if grid.errors_percent]

    def title(self, kind: str) -> str:
        """Heading of a kind of group."""
        ours = kind == "attribute" and self.derived
        return TITLES[kind] + (", from the true points" if ours else "")

    @property
    def derived(self) -> bool:
        """Whether attributes are ours and not the dataset's."""
        return any(face.attributes is None for face in self.faces)

    def meant(self, group: Group) -> str:
        """A group's name, and what it is where it is ours."""
        meaning = attributes.MEANING.get(group.name)
        ours = meaning and self.derived and group.kind == "attribute"
        return f"{group.name} ({meaning})" if ours else group.name

    @property
    def heading(self) -> str:
        """Data, split, and of which parts of the data the faces are."""
        parts = [face.part for face in self.faces]
        counts = ", ".join(f"{part} {parts.count(part)}" for part in dict.fromkeys(parts))
        return f"{self.data}, split {self.split}: {len(parts)} faces ({counts})"

    @property
    def caution(self) -> str:
        """What the files were trained on, where the faces are not for testing alone."""
        if all(face.part in TEST_PARTS for face in self.faces):
            return ""
        seen = dict.fromkeys(name for own in self.results for name in own.trained_on)
        return f"not only test faces; the files were trained on: {', '.join(seen) or 'not said'}"

    @property
    def how(self) -> str:
        """Ruler and box rule."""
        factors = dict.fromkeys(f"{result.row.box_factor:g}" for result in self.results)
        text = (
            f"error in % of the {metrics.MEANING[self.ruler.normaliser]} "
            f"({self.ruler.normaliser}); truth box: square, "
            f"{' or '.join(factors)} times the longer side of the true landmarks' box"
        )
        missing = int(np.isnan(self.results[0].point_errors).sum())
        total = self.results[0].point_errors.size
        return text + (f"; {missing} of {total} points not annotated, left out" if missing else "")

    @property
    def comparisons(self) -> list[str]:
        """Every file with the first one, in words."""
        return [
            statistics.verdict(
                name, self.names[0], self.difference(result), len(self.faces), " points of NME"
            )
            for name, result in zip(self.names[1:], self.results[1:], strict=True)
        ]

    def difference(self, result: Result) -> statistics.Interval:
        """Of a file's error and the first one's, over faces, percent."""
        return statistics.difference(result.errors_percent, self.results[0].errors_percent)

    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        return {
            "schema": SCHEMA,
            "command": self.command,
            "data": self.data,
            "split": self.split,
            "box": "truth",
            "normaliser": self.ruler.normaliser,
            "threshold_percent": self.ruler.threshold_percent,
            "level": LEVEL,
            "files": [self._file(result) for result in self.results],
            "groups": [_group(group) for group in self.groups],
            "pose": [_grid(grid) for grid in self.grids],
        }

    def _file(self, result: Result) -> dict[str, Any]:
        first = result is self.results[0]
        return {
            **asdict(result.row),
            **_mean(result.spread),
            "nrmse_percent": result.nrmse_percent,
            "minus_first_file": None if first else self.difference(result)._asdict(),
        }


def _group(group: Group) -> dict[str, Any]:
    files = [_mean(own) for own in group.nme_percent]
    return {"kind": group.kind, "name": group.name, "faces": group.faces, "files": files}


def _grid(grid: PoseGrid) -> dict[str, Any]:
    cells = [
        {"pitch_bin": row, "yaw_bin": column, "faces": len(errors), **_mean(interval(errors))}
        for (row, column), errors in grid.errors_percent.items()
    ]
    return {"edges_deg": list(grid.edges_deg), "cells": cells}


def _mean(found: Interval) -> dict[str, Any]:
    return {"nme_percent": found.mean, "nme_interval": [found.low, found.high]}


def text(report: Report) -> str:
    """The report for a terminal."""
    heading = filter(None, [report.heading, report.how, report.caution])
    blocks = ["\n".join(heading), table(report), "\n".join(report.comparisons)]
    blocks += [_group_table(report, kind) for kind in TITLES]
    blocks += [_pose_table(report)] if report.grids else []
    return "\n\n".join(block for block in blocks if block)


def table(report: Report) -> str:
    """A row a file."""
    at = f"@{report.ruler.threshold_percent / 100:g}"
    names = [result.row.file for result in report.results]
    if len(names) > 1:
        names = [f"[{i}] {name}" for i, name in enumerate(names, 1)]
    width = max(map(len, names))
    head = (
        f"{'file':<{width}} {'faces':>6} {'NME %':>7} {f'({100 * LEVEL:.0f} %)':>15} "
        f"{'AUC' + at:>9} {'FR' + at:>8} {'bytes':>11}"
    )
    lines = [
        _line(f"{name:<{width}}", result)
        for name, result in zip(names, report.results, strict=True)
    ]
    return "\n".join([head, *lines])


def _line(name: str, result: Result) -> str:
    row = result.row
    spread = f"({result.spread.low:.3f}-{result.spread.high:.3f})"
    return (
        f"{name} {row.faces:>6} {row.nme_percent:>7.3f} {spread:>15} "
        f"{row.auc:>9.4f} {row.failure_rate:>8.4f} {row.file_bytes:>11,}"
    )


def _group_table(report: Report, kind: str) -> str:
    """A row a group, a column a file."""
    own = [group for group in report.groups if group.kind == kind]
    if not own:
        return ""
    head = [report.title(kind), "faces", *report.columns]
    rows = [head, *([report.meant(g), str(g.faces), *_values(g, report.results)] for g in own)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def _values(group: Group, results: Sequence[Result]) -> list[str]:
    return [
        found.shown(group.faces, 2) + added(group, found, result)
        for found, result in zip(group.nme_percent, results, strict=True)
    ]


def added(group: Group, found: Interval, result: Result) -> str:
    """How much larger than the error without a change, in words; empty for other groups."""
    if group.kind != "condition":
        return ""
    return f" ({100 * (found.mean / result.row.nme_percent - 1):+.0f} %)"


def shown(grid: PoseGrid) -> tuple[range, range]:
    """Rows and columns of a grid between the first and the last that hold a face."""
    rows, columns = zip(*grid.errors_percent, strict=True)
    return range(min(rows), max(rows) + 1), range(min(columns), max(columns) + 1)


def bin_label(grid: PoseGrid, index: int) -> str:
    """A bin's edges, degrees."""
    edges = grid.edges_deg
    if index == 0:
        return f"< {edges[0]:g}"
    return f"> {edges[-1]:g}" if index == len(edges) else f"{edges[index - 1]:g}..{edges[index]:g}"


def _pose_table(report: Report) -> str:
    grid = report.grids[0]
    rows, columns = shown(grid)
    title = f"NME % (faces) by head pose, degrees, {report.names[0]}; yaw across, pitch down"
    lines = [title, " " * 9 + "".join(f"{bin_label(grid, column):>19}" for column in columns)]
    for row in rows:
        cells = [_cell(grid, row, column) for column in columns]
        lines.append(f"{bin_label(grid, row):>9}" + "".join(f"{cell:>19}" for cell in cells))
    return "\n".join(lines)


def _cell(grid: PoseGrid, row: int, column: int) -> str:
    errors = grid.errors_percent.get((row, column))
    if errors is None:
        return "-"
    return f"{interval(errors).shown(len(errors), 2)} ({len(errors)})"
