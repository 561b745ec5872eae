"""`python -m benchmark compare`."""

import argparse
from pathlib import Path
from typing import Any

from benchmark import compare
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome

HELP = """examples:
  python -m benchmark compare before/host.json runs/efld-small/bench/host.json
  python -m benchmark compare a/accuracy.json b/accuracy.json --json comparison.json
  python -m benchmark compare pixel3.json pixel8.json --across-devices

Two records of one command, before and after: what got slower, larger or less accurate, by how
much, and whether that is noise. Worse is what lies beyond both records' own spread (quartiles of
ratios, 95 % intervals of errors, slowest and fastest repeat on a phone); of counts, what rose by
more than 1 %. Files are matched by name. Exits with 1 if something got worse.
"""


def add(parsers: Any) -> None:
    sub = parsers.add_parser(
        "compare", help="two records: what got worse", description=HELP, **flags.HOW
    )
    sub.add_argument("old", type=Path, help="a record, before")
    sub.add_argument("new", type=Path, help="one of the same command, after")
    sub.add_argument("--across-devices", action="store_true", help="compare records of two devices")
    flags.add_json(sub)


def run(options: argparse.Namespace, command: str) -> Outcome:
    found = compare.compare(options.old, options.new, options.across_devices)
    return Outcome(compare.text(found), found.record(command), exit_code=1 if found.worse else 0)
