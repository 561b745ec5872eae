"""Flags that several commands share."""

from argparse import ArgumentParser
from pathlib import Path

from quantize.chain import Options


def add_data(parser: ArgumentParser) -> None:
    """`--data`."""
    parser.add_argument("--data", type=Path, help="dataset folder (default: the embedded faces)")


def add_calibration(parser: ArgumentParser) -> None:
    """How many training faces set the int8 scales, and which."""
    default = Options()
    parser.add_argument(
        "--calibration-faces", type=int, default=default.calibration_faces, metavar="N",
        help="training faces that set the int8 scales, at most (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=default.seed, help="draws those faces")
