"""`python -m quantize runs/NAME`: model.fp32.tflite -> model.int8.tflite."""

import os
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from efld.errors import run_command, say, steps_of
from export import run_folder
from export.chain import Evaluation, described
from export.steps import table
from quantize import chain
from quantize.chain import Options

EPILOG = """examples:
  python -m quantize efld-small                the pretrained model, after python -m export
  python -m quantize runs/NAME --data DATA/300w --split common
"""


def parse(argv: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    default = Options()
    parser = ArgumentParser(
        "python -m quantize", description=__doc__, epilog=EPILOG, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("run", help="runs/NAME, or the name of a pretrained model")
    parser.add_argument("--data", type=Path, help="dataset folder (default: the embedded faces)")
    parser.add_argument("--split", default="", help="faces to measure on (default: common, if any)")
    parser.add_argument(
        "--calibration-faces", type=int, default=default.calibration_faces, metavar="N",
        help="training faces that set the int8 scales, at most (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=default.seed, help="draws those faces")
    parser.add_argument(
        "--max-nme-drop", type=float, default=default.max_nme_drop, metavar="POINTS",
        help="points of NME that int8 may cost (default: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Quantises, then prints what each step since Keras cost; over the limit, exits with 1."""
    given = parse(argv)
    run = run_folder.locate(given.run)
    options = Options(given.calibration_faces, given.seed, given.max_nme_drop)
    with steps_of(run):
        steps = chain.quantize(run, Evaluation(given.data, given.split), options, say)
    print(f"{described(run)}\n{table(steps)}")


if __name__ == "__main__":
    run_command(main)
