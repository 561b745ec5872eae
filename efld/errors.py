"""The one error that is the user's to mend, and how a command says it."""

import errno
import os
import sys
from collections.abc import Callable

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class InputError(ValueError):
    """Something given to efld is wrong. One line: where, expected, found, remedy."""


def one_line(error: Exception, limit: int = 300) -> str:
    """Another library's message, made to fit into ours."""
    return " ".join(str(error).split())[:limit]


def run_command(command: Callable[[], None]) -> None:
    """Runs a command; what a user can mend becomes one line on stderr and exit code 2.

    Ctrl-C exits with 130 and a closed pipe with 141, as a shell expects. Any other exception is a
    bug in efld and keeps its traceback.
    """
    try:
        command()
    except InputError as error:
        _stop(str(error))
    except KeyboardInterrupt:
        print(
            "\ninterrupted: no half-written file is left. Run it again; a training with --resume.",
            file=sys.stderr,
        )
        sys.exit(130)
    except BrokenPipeError:
        # Python would flush stdout once more on exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.filename is None and error.errno not in DISK_FULL:
            raise
        _stop(_described(error))


def _described(error: OSError) -> str:
    if error.errno in DISK_FULL:
        remedy = "Nothing half-written is left. Free some space and run again"
    else:
        remedy = "Expected a path that can be written and read"
    return f"{error.filename or 'output'}: {error.strerror}. {remedy}."


def _stop(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
