"""The errors that a command says in one line, and how it says them."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# Signals that a command has got. The exception of a signal can be lost: Python drops one that is
# raised while a library's callback runs, and native code makes another of it.
_signals: list[int] = []


class InputError(ValueError):
    """Something given to efld is wrong. One line: where, expected, found, remedy."""


class StepError(Exception):
    """A step of the chain failed, or cost more than its limit: step, limit and finding."""


def to_install(extra: str) -> str:
    """What gives an optional part of efld, of pyproject.toml's extras."""
    return f"pip install '.[{extra}]' in efld's repository"


def one_line(error: Exception, limit: int = 300) -> str:
    """Another library's message, made to fit into ours."""
    return " ".join(str(error).split())[:limit]


def run_command(command: Callable[[], None]) -> None:
    """Runs a command; what a user can mend becomes one line on stderr and exit code 2.

    Ctrl-C exits with 130, SIGTERM with 143 and a closed pipe with 141, as a shell expects. Any
    other exception is a bug in efld and keeps its traceback.
    """
    _signals.clear()
    signal.signal(signal.SIGTERM, _signalled)
    signal.signal(signal.SIGINT, _signalled)
    try:
        command()
        sys.stdout.flush()  # short output meets a closed pipe only here
    except KeyboardInterrupt:
        _interrupted()
    except BrokenPipeError:
        # Python would flush stdout once more on exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if signal.SIGINT in _signals:  # this is what a library made of it
            _interrupted()
        if signal.SIGTERM in _signals:
            _end(signal.SIGTERM)
        if isinstance(error, InputError):
            _stop(str(error))
        if isinstance(error, OSError) and (error.filename or error.errno in DISK_FULL):
            _stop(_described(error))
        raise


def check_signals() -> None:
    """For long loops over other people's code: ends a command whose signal was lost there."""
    if _signals:
        _end(_signals[-1])


@contextmanager
def steps_of(run: Path) -> Iterator[None]:
    """A step that fails in here ends the command with one line on stderr and exit code 1."""
    try:
        yield
    except StepError as error:
        say(f"failed: {error} Earlier files in {run} are untouched.")
        sys.exit(1)


def say(text: str) -> None:
    """Progress goes to stderr, so that a command's result alone can be piped on."""
    print(text, file=sys.stderr, flush=True)


def _signalled(number: int, _frame: object) -> NoReturn:
    _signals.append(number)
    os.write(2, b"\nstopping\n")  # not print: a signal may come while another one writes
    _end(number)


def _end(number: int) -> NoReturn:
    """By an exception, so that temporary files are removed on the way out."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _interrupted() -> NoReturn:
    say("\ninterrupted: no half-written file is left. Run it again; a training with --resume.")
    sys.exit(128 + signal.SIGINT)


def _described(error: OSError) -> str:
    if error.errno in DISK_FULL:
        remedy = "Nothing half-written is left. Free some space and run again"
    else:
        remedy = "Expected a path that can be written and read"
    return f"{error.filename or 'output'}: {error.strerror}. {remedy}."


def _stop(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
