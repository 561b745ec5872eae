"""The report as one HTML file that needs no network, and as Markdown: the same blocks, twice."""

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import plots
from benchmark.report import frontier, int8, measured, model, phones, shipping
from benchmark.report.blocks import Bars, Block, Cells, Command, Link, Missing, Section, Table, Text
from benchmark.report.records import Run

TEMPLATE = Path(__file__).with_name("report.html.j2")
SECTIONS = (
    model.model, model.chain, int8.section, measured.accuracy, measured.host, measured.arm,
    frontier.section, phones.estimates, phones.claims, phones.devices, shipping.section,
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """All sections of a run's report."""

    title: str
    lead: Sequence[Text]
    sections: Sequence[Section]

    @property
    def missing(self) -> list[Missing]:
        """What nobody measured, each once."""
        return list(dict.fromkeys(gap for section in self.sections for gap in section.missing))


def report(run: Run) -> Report:
    """Puts the sections together."""
    title = f"{run.folder.name}: {run.spec.model}"
    return Report(title, shipping.in_short(run), [make(run) for make in SECTIONS])


def as_html(found: Report) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.from_string(TEMPLATE.read_text()).render(report=found, colour=plots.colour)


def as_markdown(found: Report) -> str:
    """The same without pictures."""
    lines = [f"# {_plain(found.title)}", *map(_block, found.lead)]
    for section in found.sections:
        lines += [f"## {section.title}", *map(_block, section.blocks)]
    return "\n\n".join(filter(None, lines)) + "\n"


def _block(block: Block) -> str:
    text = ""  # of pictures
    match block:
        case Text(words, tone):
            text = ("> " if tone == "warn" else "") + _plain(words)
        case Command(line):
            text = f"Command: {_code(line)}"
        case Missing(what, command):
            text = f"> Missing: {_plain(what)}. To make it: {_code(command)}"
        case Link(words, href):
            text = f"[{_plain(words)}]({href})"
        case Table(head, rows):
            text = _table(head, rows, block.is_number)
        case Bars(title, names, groups):
            cells = [(name, *(shown for _, shown in bars)) for name, bars in groups]
            text = _table((title, *names), cells, lambda column: column > 0)
    return text


def _table(head: Cells, rows: Sequence[Cells], is_number: Callable[[int], bool]) -> str:
    sides = tuple("---:" if is_number(column) else "---" for column in range(len(head)))
    return "\n".join([_row(map(_plain, head)), _row(sides), *(_row(map(_plain, r)) for r in rows)])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown and the HTML within it leave alone, also in a table."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{c}" if c in r"\`*_[]|" else c for c in escaped)


def _code(line: str) -> str:
    """A line of code: between more backticks than stand in it."""
    line = " ".join(line.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}"
