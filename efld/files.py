"""Files that are whole or absent: temporary name, then rename."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from efld.errors import InputError


def cache_folder() -> Path:
    """Where efld keeps what it can make again: XDG's cache folder. It may be deleted."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "efld"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` on success, else removes it.

    The temporary name keeps the suffix, since Keras and onnx choose a format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename = str(path)  # the user knows this name, not the temporary one
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def is_left_over(path: Path) -> bool:
    """Whether `whole` gave the name: a killed command leaves such a file."""
    return re.match(r"\.\d+\.", path.name) is not None


def empty(folder: Path, *keep: str) -> None:
    """Removes what lies in a folder, which may be a link or absent, but for files of some names."""
    for old in folder.iterdir() if folder.exists() else ():
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        elif old.name not in keep:
            old.unlink()


@contextmanager
def workspace(folder: Path, name: str) -> Iterator[Path]:
    """Yields an empty `folder/.name` for intermediate files and removes it at the end.

    One that a killed run left is removed first.
    """
    work = folder / f".{name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_writable(path: Path) -> None:
    """For what is written after long work: raises InputError if no file can be made there."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected the name of a file.")
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    if not parent.is_dir():
        raise InputError(f"{path}: {parent} is a file, expected a folder. Give another name.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{path}: the folder {parent} cannot be written to. Give another one.")


def check_sha256(path: Path, expected: str, record: str, advice: str) -> str:
    """The digest of `path`; InputError where the `record` beside it is of other content."""
    if (found := sha256(path)) != expected:
        raise InputError(
            f"{path}: has sha256 {found[:8]}, expected {expected[:8]} as in {record} beside it. "
            f"{advice}"
        )
    return found


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Writes `record`, which says its `"schema"`, as indented JSON."""
    if "schema" not in record:
        raise ValueError(f"{path}: a record without 'schema': {sorted(record)}")
    with whole(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")


def read_json(path: Path, schema: int, made_by: str) -> dict[str, Any]:
    """Reads a record and checks its schema; `made_by` is the command that writes such a file.

    Raises:
        InputError: no file, no JSON, or another schema.
    """
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Run `{made_by}` first.") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}). Remove it and run `{made_by}`.") from None
    found = record.get("schema") if isinstance(record, dict) else None
    if found != schema:
        raise InputError(f"{path}: schema {found}, expected {schema}. Run `{made_by}` again.")
    return dict(record)


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
