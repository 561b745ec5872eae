"""Where a survey may write; checked before it reads a dataset for minutes."""

import os
from pathlib import Path

from efld.errors import InputError
from efld.run_files import RUNS


def default_sheet(root: Path) -> Path:
    """`runs/data/<last two folders of root>.jpg`: one name, "train", many datasets have."""
    name = "-".join(root.resolve().parts[1:][-2:])
    return RUNS / "data" / f"{name or 'root'}.jpg"


def spare_dataset(path: Path, root: Path) -> None:
    """Raises InputError for a file of the surveyed folder, which writing would replace."""
    place = path.parent.resolve() / path.name
    if os.path.lexists(place) and place.is_relative_to(root.resolve()):
        raise InputError(f"{path}: exists in the surveyed folder {root}. Give another name.")
