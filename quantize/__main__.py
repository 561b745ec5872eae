"""`python -m quantize RUN`, and `python -m quantize COMMAND` for each file of `commands/`."""

import os
import sys
from collections.abc import Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from efld.errors import run_command
from quantize.commands import run

COMMANDS = {"run": run}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line; exits with 1 where a limit is missed."""
    words = list(sys.argv[1:] if argv is None else argv)
    named = bool(words) and words[0] in COMMANDS
    command = COMMANDS[words[0]] if named else run
    text, exit_code = command.run(words[1:] if named else words)
    print(text)
    if exit_code:
        sys.exit(exit_code)


if __name__ == "__main__":
    run_command(main)
