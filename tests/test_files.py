"""Files are whole or absent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from efld import files
from efld.errors import InputError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_workspace_is_empty_and_goes(tmp_path: Path) -> None:
    (tmp_path / ".work").mkdir()
    (tmp_path / ".work" / "left by a killed run").touch()
    with files.workspace(tmp_path, "work") as work:
        assert list(work.iterdir()) == []
        (work / "x").touch()
    assert list(tmp_path.iterdir()) == []


TERMINATED = """
import os, pathlib, signal, sys
from efld import errors, files
def work():
    with files.workspace(pathlib.Path(sys.argv[1]), "work"):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            if sys.argv[2] == "wrapped":
                raise SystemError("returned a result with an exception set") from None
            raise
errors.run_command(work)
"""


INTERRUPTED = """
import gc, os, signal, sys
from efld import errors
def lost():
    gc.callbacks.append(lambda *_: os.kill(os.getpid(), signal.SIGINT))
    gc.collect()
    gc.callbacks.clear()
    errors.check_signals()
    print("went on")
def wrapped():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise SystemError("returned a result with an exception set") from None
def refused():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise errors.InputError("a file that it refuses") from None
errors.run_command({"lost": lost, "wrapped": wrapped, "refused": refused}[sys.argv[1]])
"""


@pytest.mark.parametrize("way", ["lost", "wrapped", "refused"])
def test_ctrl_c_ends_a_command_whatever_a_library_makes_of_it(way: str) -> None:
    words = [sys.executable, "-c", INTERRUPTED, way]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.strip().startswith("stopping")
    assert "interrupted: no half-written file is left" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("way", ["plain", "wrapped"])
def test_a_command_that_is_terminated_cleans_up(tmp_path: Path, way: str) -> None:
    words = [sys.executable, "-c", TERMINATED, str(tmp_path), way]
    done = subprocess.run(words, check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 143
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_is_no_error_however_short_the_output() -> None:
    code = "from efld import errors; errors.run_command(lambda: print('short'))"
    words = [sys.executable, "-c", code]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(words, check=False, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == ""


def test_records_say_their_schema(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with pytest.raises(ValueError, match="a record without 'schema'"):
        files.write_json(path, {"a": 1})
    files.write_json(path, {"schema": 2, "a": 1})
    assert files.read_json(path, 2, "make it") == {"schema": 2, "a": 1}
    with pytest.raises(InputError, match=r"r\.json: schema 2, expected 1"):
        files.read_json(path, 1, "make it")


@pytest.mark.parametrize(
    ("text", "message"), [(None, "no such file. Run `make it`"), ("{", "not JSON")]
)
def test_a_record_that_cannot_be_read(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "r.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        files.read_json(path, 1, "make it")
