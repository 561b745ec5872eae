"""`python -m quantize RUN`, `python -m quantize MODEL.onnx`, and the other files of `commands/`."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from efld.errors import InputError, run_command
from efld.run_files import RUNS
from quantize.commands import audit, foreign, lint, recipes, run

COMMANDS = {"run": run, "lint": lint, "audit": audit, "recipes": recipes}
FOREIGN = (".onnx", ".tflite")  # what ends so is a file from elsewhere; anything else is a run


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line; exits with 1 where a limit is missed."""
    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else ""
    if first in COMMANDS:
        text, exit_code = COMMANDS[first].run(words[1:])
    else:
        refuse_misspelt(first)
        text, exit_code = (foreign if first.endswith(FOREIGN) else run).run(words)
    print(text)
    if exit_code:
        sys.exit(exit_code)


def refuse_misspelt(word: str) -> None:
    """A run may be called anything: what is none, and nearly a command, was meant as one."""
    near = get_close_matches(word, COMMANDS, n=1) if word.isalpha() else []
    if near and not Path(word).exists() and not (RUNS / word).exists():
        raise InputError(f"{word}: neither a run nor a command. Is it {near[0]}?")


if __name__ == "__main__":
    run_command(main)
