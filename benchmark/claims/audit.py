"""All claims put on trial: for a terminal, for documents, as a record."""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from benchmark.claims import evidence, published, rules
from benchmark.claims.evidence import Evidence, Shelf
from benchmark.claims.published import SHOWN, Claim
from benchmark.claims.rules import Verdict

SCHEMA = 1
WIDTH = 100
INDENT = " " * 4


@dataclass(frozen=True)
class Trial:
    """A claim, what we have of it, and what it comes to."""

    claim: Claim
    verdict: Verdict
    why: str  # arithmetic, the comparison, or what is missing
    evidence: Evidence

    def record(self) -> dict[str, Any]:
        claim = {key: value for key, value in asdict(self.claim).items() if value not in ("", None)}
        findings = [asdict(found) for found in self.evidence.findings]
        return {"claim": claim, "verdict": self.verdict, "why": self.why, "measured": findings}


def judge(claim: Claim, claims: Sequence[Claim], found: Evidence) -> Trial:
    """The verdict: what cannot be true is said first, whatever we measured."""
    broken = rules.contradiction(claim, claims)
    if broken is not None:
        return Trial(claim, "cannot be true", broken, found)
    ours = found.judged
    if ours is None:
        return Trial(claim, "not measurable here", found.missing, found)
    met = rules.is_met(claim.quantity, claim.value, ours.value)
    shown = SHOWN[claim.quantity].format(ours.value)
    return Trial(claim, "met" if met else "missed", f"{shown}, {ours.what}", found)


def run(claims: Sequence[Claim], wanted: Sequence[Claim], shelf: Shelf) -> Iterator[Trial]:
    """Tries each of the `wanted` claims beside all others. A model to be built takes seconds."""
    for claim in wanted:
        yield judge(claim, claims, evidence.of(claim, shelf))


def record(trials: Sequence[Trial], command: str) -> dict[str, Any]:
    """For a JSON file."""
    return {
        "schema": SCHEMA,
        "kind": "claims",
        "command": command,
        "verdicts": counts(trials),
        "claims": [trial.record() for trial in trials],
    }


def counts(trials: Sequence[Trial]) -> dict[str, int]:
    """How many claims came to each verdict."""
    found = Counter(trial.verdict for trial in trials)
    return {verdict: found[verdict] for verdict in get_args(Verdict)}


def text(trials: Sequence[Trial]) -> str:
    """A block a claim, at most `WIDTH` columns wide."""
    heading = ", ".join(f"{count} {verdict}" for verdict, count in counts(trials).items())
    return "\n\n".join([f"{len(trials)} claims: {heading}", *map(_block, trials)])


def _block(trial: Trial) -> str:
    claim = trial.claim
    head = f"{trial.verdict.upper()}: {claim.says()} ({claim.paper}, {claim.where})"
    details = [] if claim.where.startswith("table") else [f'"{claim.words}"']
    details += [] if trial.verdict in ("met", "missed") else [trial.why]
    details += _ours(trial)
    details += [f"note: {claim.note}"] if claim.note else []
    return "\n".join([*textwrap.wrap(head, WIDTH), *map(_indented, details)])


def _ours(trial: Trial) -> list[str]:
    """What was measured, a line for each source, first what the verdict rests on."""
    shape, sources = SHOWN[trial.claim.quantity], defaultdict(list)
    for found in sorted(trial.evidence.findings, key=lambda found: not found.judged):
        sources[found.source].append(f"{shape.format(found.value)} {found.what}")
    return [f"ours: {'; '.join(values)} ({source})" for source, values in sources.items()]


def _indented(line: str) -> str:
    return textwrap.fill(
        line, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT + "  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def markdown(trials: Sequence[Trial]) -> str:
    """A table for documents, papers below it."""
    rows = [
        f"| {trial.claim.paper}, {trial.claim.where} | {trial.claim.says()} | {trial.verdict} "
        f"| {trial.why} |"
        for trial in trials
    ]
    head = ["| where | claim | verdict | why |", "| --- | --- | --- | --- |"]
    named = {trial.claim.paper for trial in trials}
    papers = [f"{paper}: {title}." for paper, title in published.titles().items() if paper in named]
    return "\n".join([*head, *rows, "", *papers])
