"""`python -m benchmark results`: the README's table."""

import argparse
from pathlib import Path
from typing import Any

from benchmark import card
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome

README = Path("README.md")


def add(parsers: Any) -> None:
    parsers.add_parser(
        "results", help="write the table of pretrained/ into README.md, and every card", **flags.HOW
    )


def run(options: argparse.Namespace, command: str) -> Outcome:  # noqa: ARG001
    return Outcome(f"{README}: {', '.join(card.write_results(README))}")
