"""What a command gives back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """A command's result; `python -m benchmark` prints and records it."""

    text: str
    record: dict[str, Any] | None = None
    default: Path | None = None  # where the record goes unless --json says where
    notes: Sequence[str] = ()  # lines after the text
    exit_code: int = 0
