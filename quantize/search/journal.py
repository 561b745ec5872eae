"""Measured trials on the disk: what is killed loses one trial, and goes on where it was."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1


@dataclass(frozen=True)
class Result:
    """One int8 file on held-out training faces."""

    bytes: int
    mean_px: float  # distance from the float model's points
    drop: float  # NME minus the float model's, points
    drop_half: float  # half of its 95 % interval; 0 where faces are too few to tell
    nme_percent: float


@dataclass(frozen=True, eq=False)
class Journal:
    """`trials-*.jsonl`: a heading, of which model and faces, then a line for each trial."""

    path: Path
    heading: dict[str, Any]
    known: dict[str, Result] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, context: dict[str, Any]) -> "Journal":
        """Reads what was measured in this context; starts anew where nothing can be read.

        Args:
            context: all that a trial's figures depend on, but for what is tried. Each has a file.
        """
        key = digest(context)
        path = folder / f"trials-{key[:8]}.jsonl"
        found = cls(path, {"schema": SCHEMA, "context": key})
        lines = path.read_text().splitlines() if path.is_file() else []
        if not lines or _parsed(lines[0]) != found.heading:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found.heading) + "\n")
            return found
        for line in lines[1:]:
            if (row := _parsed(line)) is not None:
                key = row.pop("key")
                found.known[key] = Result(**row)
        if lines[1:] and _parsed(lines[-1]) is None:  # the next line must not continue it
            _append(path, "\n")
        return found

    def add(self, key: str, result: Result) -> None:
        self.known[key] = result
        _append(self.path, json.dumps({"key": key, **asdict(result)}) + "\n")


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _parsed(line: str) -> dict[str, Any] | None:
    """None for a line that a killed run cut off."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError):
        return None


def digest(record: Any) -> str:
    """The same for the same record."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:24]
