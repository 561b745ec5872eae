"""One thing that is wrong, or worth knowing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["fault", "warning", "note"]
SHOWN = 3  # names in a list for people; a record has them all


@dataclass(frozen=True)
class Finding:
    """`code` stays the same from version to version, so that a script may look for it."""

    severity: Severity
    code: str
    where: str
    what: str
    todo: str


def sorted_by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Faults first; within a severity in the order given."""
    return sorted(findings, key=lambda finding: get_args(Severity).index(finding.severity))


def counted(findings: Sequence[Finding]) -> str:
    """`1 fault, 2 warnings, 0 notes`."""
    counts = {s: sum(f.severity == s for f in findings) for s in get_args(Severity)}
    return ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items())


def short(name: str) -> str:
    """onnx2tf's names are lists of all that was fused."""
    return name.partition(";")[0]


def few(names: Sequence[str]) -> str:
    """The first of many names."""
    names = [*map(short, names)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def lines(findings: Sequence[Finding]) -> list[str]:
    """For people to read: a finding in two lines."""
    return [
        line
        for found in findings
        for line in (
            f"{found.severity:<8} {found.code:<20} {found.where}",
            f"{'':<8} {found.what} {found.todo}",
        )
    ]
