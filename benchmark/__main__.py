"""`python -m benchmark`: what model files cost and what they are worth."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.commands import (
    accuracy,
    android,
    beside,
    card,
    claims,
    compare,
    emulated,
    estimate,
    flags,
    host,
    report,
    results,
)
from benchmark.commands.outcome import Outcome
from benchmark.names import shown
from efld import files
from efld.errors import InputError, run_command

COMMANDS = {
    "accuracy": accuracy,
    "host": host,
    "beside": beside,
    "emulated": emulated,
    "android": android,
    "estimate": estimate,
    "claims": claims,
    "compare": compare,
    "report": report,
    "card": card,
    "results": results,
}
STDOUT = "-"

HELP = """examples:
  python -m benchmark accuracy runs/efld-small/model.*.tflite
  python -m benchmark accuracy model.int8.tflite --data 300W --split challenging --json -
  python -m benchmark host runs/efld-small/model.*.tflite --peer other.tflite --seconds 5
  python -m benchmark beside model.int8.tflite --peer pfld.onnx --peer-spec pfld.json --data 300W
  python -m benchmark emulated runs/efld-small/model.*.tflite --peer other.tflite
  python -m benchmark android runs/efld-small/model.*.tflite
  python -m benchmark estimate runs/efld-small/model.fp32.tflite
  python -m benchmark claims
  python -m benchmark compare before.json after.json
  python -m benchmark report runs/efld-small
  python -m benchmark card runs/efld-small-300w --data 300W
  python -m benchmark results
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line; `argv` without the program's name."""
    run_command(lambda: _main(sys.argv[1:] if argv is None else list(argv)))


def _main(argv: list[str]) -> None:
    options = _parse(argv)
    where: str | None = getattr(options, "json", None)
    _check_json(where)
    outcome = COMMANDS[options.command].run(options, _named(argv))
    _report(outcome, where)
    if outcome.exit_code:
        sys.exit(outcome.exit_code)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmark", description=HELP, **flags.HOW)
    parsers = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(parsers)
    return parser.parse_args(argv)


def _named(argv: list[str]) -> str:
    """The command, folders outside the project by their last names alone: records get published."""
    return shlex.join(["python", "-m", "benchmark", *map(_word, argv)])


def _word(given: str) -> str:
    flag, equals, value = given.partition("=")
    return f"{flag}={shown(value)}" if equals and flag.startswith("--") else shown(given)


def _check_json(where: str | None) -> None:
    """Refuses a bad place before the measurement, not after it."""
    if where is None or where == STDOUT:
        return
    if Path(where).suffix != ".json":
        raise InputError(f"--json {where!r}: expected a file *.json to write to, or - for stdout.")
    files.check_writable(Path(where))


def _report(outcome: Outcome, where: str | None) -> None:
    """Prints the text and writes the record; with `--json -` the record alone is on stdout."""
    people = sys.stderr if where == STDOUT else sys.stdout
    print("\n".join([outcome.text, *outcome.notes]), file=people)
    if outcome.record is None:
        return
    path = outcome.default if where is None else Path(where)
    if where == STDOUT:
        print(json.dumps(outcome.record, indent=2))
    elif path is not None:
        files.write_json(path, outcome.record)
        print(f"written: {path}")


if __name__ == "__main__":
    main()
