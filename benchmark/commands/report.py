"""`python -m benchmark report`."""

import argparse
from pathlib import Path
from typing import Any

from benchmark import accuracy_html
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome
from benchmark.report import page, records
from efld import files, run_files

HELP = """examples:
  python -m benchmark report runs/efld-small-300w
  python -m benchmark report runs/efld-small-300w --peer-record results/beside.json

The whole story of a run on one page, runs/NAME/report.html, and the same in runs/NAME/report.md:
what the model is, what each step of the chain cost, errors, times beside peers, ARM instructions,
estimates, claims, phones, and which file to ship for which phone. Nothing is measured: of each part
that has no record, the page says which command makes one. --peer-record adds a record of `benchmark
beside`, `emulated` or `host` that lies elsewhere.
"""


def add(parsers: Any) -> None:
    sub = parsers.add_parser(
        "report", help="a run's whole story on one page", description=HELP, **flags.HOW
    )
    sub.add_argument("run", type=Path, help="runs/NAME, or NAME alone")
    sub.add_argument(
        "--peer-record", action="append", default=[], type=Path, metavar="JSON",
        help="a record with other files to compare with; may be repeated",
    )  # fmt: skip


def run(options: argparse.Namespace, command: str) -> Outcome:  # noqa: ARG001
    folder = run_files.named(options.run)
    run = records.read(folder, options.peer_record)
    html, markdown = folder / "report.html", folder / "report.md"
    accuracy_html.check(html)
    report = page.report(run)
    for path, text in ((html, page.as_html(report)), (markdown, page.as_markdown(report))):
        with files.whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    gaps = [f"missing: {gap.what}. Run: {gap.command}" for gap in report.missing]
    return Outcome(f"written: {html}, {markdown}", notes=gaps)
