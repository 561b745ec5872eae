"""`python -m export runs/NAME`: model.keras -> model.onnx, model.fp32.tflite, model.fp16.tflite."""

import os
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

# Whatever backend trained the weights: only TensorFlow's graphs can be converted.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from efld.data.layouts import layout_of
from efld.errors import run_command, say, steps_of
from export import chain, run_folder
from export.steps import LIMITS, table, with_fp16

EPILOG = """examples:
  python -m export efld-small                  the pretrained model, measured on rendered faces
  python -m export runs/NAME                   your training run
  python -m export runs/NAME --data DATA/300w --split common
"""


def parse(argv: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    parser = ArgumentParser(
        "python -m export", description=__doc__, epilog=EPILOG, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("run", help="runs/NAME, or the name of a pretrained model")
    parser.add_argument("--data", type=Path, help="dataset folder (default: the embedded faces)")
    parser.add_argument("--split", default="", help="faces to measure on (default: common, if any)")
    parser.add_argument(
        "--fp16-limit-px", type=float, default=LIMITS["fp16"].largest_px, metavar="PX",
        help="how far float16 weights may move any point (default: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Exports, then prints what each step cost; a step over its limit exits with 1."""
    options = parse(argv)
    limits = with_fp16(LIMITS, options.fp16_limit_px)
    if options.data is not None:
        layout_of(options.data)  # a wrong path is refused before a folder is made
    run = run_folder.prepare(options.run)
    with steps_of(run):
        steps = chain.export(run, chain.Evaluation(options.data, options.split), say, limits)
    print(f"{chain.described(run)}\n{table(steps)}")


if __name__ == "__main__":
    run_command(main)
