"""What every dataset layout has: a way to recognise it, a reader, and what its owners say of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from efld.data.faces import Face
from efld.errors import InputError

Report = Callable[[InputError], None]
Reader = Callable[[Path, Report], Iterator[Face]]


@dataclass(frozen=True)
class Layout:
    """One way in which a dataset lies on a disk.

    `read` yields faces in a stable order. What is damaged it hands to `report` and goes on with the
    next face; `report` may raise. It does not open pictures, so a folder is read in seconds, but it
    reports a picture that is not there.
    """

    name: str  # as people call it: "300-W"
    recognise: Callable[[Path], bool]  # by names; opens as little as it can
    read: Reader
    holds: str  # what lies there, for messages: "the folders afw, helen, lfpw, ibug"
    terms: str  # what may be done with it
    has_split: bool = True  # whether it says which faces are for training
    # The owners' counts, keyed as the report prints them: a part or "part/folder".
    official: Mapping[str, int] = field(default_factory=dict)
    # The sub-folders that belong to it, relative; None: everything under the root.
    folders: tuple[str, ...] | None = None
    # Where the points of a picture lie, if each picture has a file of its own.
    annotation: Callable[[Path], Path] | None = None
    # What else a reader of the report should know of the faces under a root.
    notes: Callable[[Path], list[str]] = field(default=lambda _: [])


def strict(error: InputError) -> None:
    """The `report` of whoever wants all or nothing."""
    raise error
