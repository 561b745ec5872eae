"""`python -m benchmark card`: a run is measured and published."""

import argparse
from pathlib import Path
from typing import Any

from benchmark import card
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome
from efld import run_files


def add(parsers: Any) -> None:
    sub = parsers.add_parser(
        "card", help="measure a run and publish it in pretrained/", **flags.HOW
    )
    sub.add_argument("run", type=Path, help="a run, exported and quantized")
    sub.add_argument("--name", help="what to publish it as; default: the model's name")
    sub.add_argument("--data", type=Path, required=True, help="300-W: all splits are measured")


def run(options: argparse.Namespace, command: str) -> Outcome:
    made = run_files.named(options.run)
    folder = card.publish(made, card.measure(made, options.data, command, options.name))
    return Outcome(f"{folder}: weights, spec, {card.CARD}, {card.RECORD}")
