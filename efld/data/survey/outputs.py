"""Where a survey may write; checked before it reads a dataset for minutes."""

import os
from pathlib import Path

from efld.errors import InputError


def default_sheet(root: Path) -> Path:
    """`runs/data/<last two folders of root>.jpg`: one name, "train", many datasets have."""
    name = "-".join(root.resolve().parts[1:][-2:])
    return Path("runs", "data", f"{name or 'root'}.jpg")


def spare_dataset(path: Path, root: Path) -> None:
    """Raises InputError for a file of the surveyed folder, which writing would replace."""
    place = path.parent.resolve() / path.name
    if os.path.lexists(place) and place.is_relative_to(root.resolve()):
        raise InputError(f"{path}: exists in the surveyed folder {root}. Give another name.")


def check_writable(path: Path) -> None:
    """Raises InputError if no file can be made there."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected the name of a file.")
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    if not parent.is_dir():
        raise InputError(f"{path}: {parent} is a file, expected a folder. Give another name.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{path}: the folder {parent} cannot be written to. Give another one.")
