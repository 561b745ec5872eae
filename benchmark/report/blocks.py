"""What a report is made of: the same blocks become HTML and Markdown, with the same figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str
    tone: Literal["plain", "note", "warn"] = "plain"


@dataclass(frozen=True)
class Command:
    """The line that made the figures above it."""

    line: str


@dataclass(frozen=True)
class Missing:
    """Something that nobody measured yet."""

    what: str
    command: str  # that would measure it


@dataclass(frozen=True)
class Link:
    """To a file beside the page."""

    words: str
    href: str


@dataclass(frozen=True)
class Table:
    """Rows of text; from column `words` on they are numbers, up to `tail` columns of words."""

    head: Cells
    rows: Sequence[Cells]
    words: int = 1
    tail: int = 0

    def is_number(self, column: int) -> bool:
        return self.words <= column < len(self.head) - self.tail


@dataclass(frozen=True)
class Bars:
    """A group of bars a row, one for each of `names`: its length is in percent of the longest."""

    title: str
    names: Cells
    rows: Sequence[tuple[str, Sequence[tuple[float, str]]]]  # name; length_percent, text


@dataclass(frozen=True)
class Figures:
    """Pictures side by side, an `<svg>` each. Their numbers stand in a table of the section."""

    svgs: Sequence[tuple[str, str]]  # what it shows, element


Block = Text | Command | Missing | Link | Table | Bars | Figures


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """For links within the page."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title.lower()).split())

    @property
    def missing(self) -> list[Missing]:
        return [block for block in self.blocks if isinstance(block, Missing)]
