"""`python -m benchmark claims`."""

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.claims import audit, published
from benchmark.claims.evidence import Shelf
from benchmark.commands import flags
from benchmark.commands.outcome import Outcome
from efld.errors import InputError

RECORD = Path("runs/claims.json")
HELP = """examples:
  python -m benchmark claims
  python -m benchmark claims --model efficientnet-w0.5-d1.1
  python -m benchmark claims --markdown
  python -m benchmark claims --json -

Every number that the papers behind efld's models claim, beside what was measured here, and a
verdict: met, missed, cannot be true (the arithmetic is shown), or not measurable here. Ours come
from pretrained/*/card.json, results/*.json and runs/*/bench/*.json; parameters are counted and
Keras files weighed by building the model, which needs Keras and about a minute.
"""


def add(parsers: Any) -> None:
    sub = parsers.add_parser(
        "claims", help="the papers' claims on trial", description=HELP, **flags.HOW
    )
    sub.add_argument("--model", action="append", metavar="NAME", help="only claims about it")
    sub.add_argument("--markdown", action="store_true", help="a table for documents")
    flags.add_json(sub)


def run(options: argparse.Namespace, command: str) -> Outcome:
    claims = published.load()
    models = {claim.model for claim in claims}
    if unknown := [name for name in options.model or () if name not in models]:
        raise InputError(
            f"--model {unknown[0]!r}: no claim is about it, expected one of "
            f"{', '.join(map(repr, sorted(models)))}."
        )
    place = flags.place(options, None if options.model else RECORD)  # a part replaces no whole
    wanted = [claim for claim in claims if not options.model or claim.model in options.model]
    tried = audit.run(claims, wanted, Shelf())
    trials = list(tqdm(tried, total=len(wanted), unit="claim", leave=False, disable=None))
    shown = audit.markdown(trials) if options.markdown else audit.text(trials)
    return Outcome(shown, audit.record(trials, command), place)
