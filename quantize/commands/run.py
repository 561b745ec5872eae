"""`python -m quantize RUN`: model.fp32.tflite -> model.int8.tflite."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import get_args

from efld.errors import say, steps_of
from export import run_folder
from export.chain import Evaluation, described
from export.steps import table
from quantize import chain
from quantize.chain import Options
from quantize.commands import flags
from quantize.search.cost import DEFAULT, Objective

HELP = """examples:
  python -m quantize efld-small                the pretrained model, after python -m export
  python -m quantize runs/NAME --data DATA/300w --split common
  python -m quantize runs/NAME --data DATA/300w --max-nme-drop 0.03 --objective host-latency

others, each with its own --help:
  python -m quantize MODEL.onnx     a landmark model from anywhere becomes a run, then int8
  python -m quantize lint RUN       what is known to break, before
  python -m quantize audit FILE     what a .tflite is made of, and whether it is int8
  python -m quantize recipes RUN    float16, dynamic range, int8 and other ways, side by side

Without --data a run is calibrated by its calibration.json, which pretrained models bring
and which --data writes (--calibration-faces means nothing then); where there is none, on
rendered faces. To export a pretrained model by its name brings back the published one;
runs/NAME keeps yours.
"""


def parse(argv: Sequence[str]) -> Namespace:
    """The command line."""
    default = Options()
    parser = ArgumentParser(
        "python -m quantize", description=__doc__, epilog=HELP, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("run", help="runs/NAME, or the name of a pretrained model")
    flags.add_data(parser)
    parser.add_argument("--split", default="", help="faces to measure on (default: common, if any)")
    flags.add_calibration(parser)
    parser.add_argument(
        "--max-nme-drop", type=float, default=default.max_nme_drop, metavar="POINTS",
        help="points of NME that int8 may cost (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--objective", choices=get_args(Objective),
        help="search for the cheapest file within --max-nme-drop: the smallest, the fastest on "
        "this machine, or that of fewest instructions on ARM (needs make setup-arm); default: "
        f"search only if the recipe comes too near to its limit, for {DEFAULT}",
    )  # fmt: skip
    return parser.parse_args(argv)


def options_of(given: Namespace) -> Options:
    """
    Raises:
        InputError: a budget that no file could hold.
    """
    return Options(given.calibration_faces, given.seed, given.max_nme_drop, given.objective)


def run(argv: Sequence[str]) -> tuple[str, int]:
    """Quantises; the text says what each step since Keras cost.

    Raises:
        StepError: over the limit, or not int8 throughout.
    """
    return quantized(parse(argv))


def quantized(given: Namespace) -> tuple[str, int]:
    """`run`, of a command line that is read already."""
    folder = run_folder.exported(given.run)
    options = options_of(given)
    with steps_of(folder):
        steps = chain.quantize(folder, Evaluation(given.data, given.split), options, say)
    return f"{described(folder)}\n{table(steps)}", 0
