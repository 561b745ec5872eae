"""`python -m quantize MODEL.onnx`: a landmark file from anywhere becomes a run, then int8."""

from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from efld.errors import InputError, say, steps_of
from efld.run_files import RUNS
from export import foreign, foreign_check
from export.chain import Evaluation
from export.foreign import FOREIGN_LIMITS, Source
from export.foreign_model import ForeignModel
from export.foreign_spec import ORIGINS_PX, PREPROCESS, UNITS, Told
from export.steps import with_fp16
from quantize.commands import run as run_command

HELP = """examples:
  python -m quantize pfld.onnx --data DATA/300w --preprocess rgb01 --points 68 --box 1.1
  python -m quantize net.tflite --data DATA/300w --preprocess grey-11 --points 68 --box 1.25 \\
    --units px --run runs/mine --max-nme-drop 0.1

What is said of the file is checked on the training faces of --data; what is grossly wrong is
refused. Then the file becomes runs/<its name>/ with an input of pixels 0..255 and an output of
0..1 over the crop's edges, and goes the way of our own models. Flags that are not listed here are
those of `python -m quantize RUN`.
"""

NEEDED = {"data": "data", "preprocess": "preprocess", "scheme": "points", "box_factor": "box"}


def parse(argv: Sequence[str]) -> tuple[Namespace, list[str]]:
    """The command line, and the words that are for `python -m quantize RUN`."""
    parser = ArgumentParser(
        "python -m quantize MODEL", description=__doc__, epilog=HELP, allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter, argument_default=SUPPRESS,
    )  # fmt: skip
    parser.add_argument("file", type=Path, help=".onnx, or .tflite with float edges")
    parser.add_argument("--data", type=Path, help="dataset folder with training and test faces")
    parser.add_argument("--split", help="faces to measure on (default: common, if any)")
    _add_said(parser)
    parser.add_argument("--output", help="output whose first numbers are the points (if not clear)")
    parser.add_argument("--licence", help="terms of the model, for its spec")
    parser.add_argument(
        "--fp16-limit-px", type=float, metavar="PX",
        help="how far float16 weights may move any point "
        f"(default: {FOREIGN_LIMITS['fp16'].largest_px:g})",
    )  # fmt: skip
    parser.add_argument("--run", type=Path, help="folder to make (default: runs/<file's name>)")
    return parser.parse_known_args(argv)


def _add_said(parser: ArgumentParser) -> None:
    """What the file does not say of itself."""
    parser.add_argument(
        "--preprocess", metavar="NAME",
        help=f"order and range of the colours it was trained on: {', '.join(PREPROCESS)}",
    )  # fmt: skip
    parser.add_argument(
        "--points", dest="scheme", metavar="SCHEME", help="point scheme: 68, 98, ..."
    )
    parser.add_argument(
        "--box", dest="box_factor", type=float, metavar="FACTOR",
        help="side of its crops over the longer side of the landmarks' box",
    )  # fmt: skip
    parser.add_argument(
        "--units", metavar="NAME",
        help=f"of its coordinates over the crop: {', '.join(UNITS)} (default: 01)",
    )  # fmt: skip
    parser.add_argument(
        "--origin", dest="origin_px", type=float, metavar="PX",
        help="where it has the middle of the crop's first pixel: "
        f"{', '.join(f'{px:g}' for px in ORIGINS_PX)} "
        "(default: 0.5, unless another clearly fits the training faces better)",
    )  # fmt: skip


def run(argv: Sequence[str]) -> tuple[str, int]:
    """Makes the run, then quantises it.

    Raises:
        InputError: a flag is missing or wrong, a file that is not as told, no training faces.
        StepError: over a limit, or not int8 throughout.
    """
    given, rest = parse(argv)
    words = vars(given)
    path, data, split = words.pop("file"), words.pop("data", None), words.pop("split", "")
    folder = words.pop("run", RUNS / path.stem)
    origin_px = words.pop("origin_px", None)
    fp16_px = words.pop("fp16_limit_px", FOREIGN_LIMITS["fp16"].largest_px)
    limits = with_fp16(FOREIGN_LIMITS, fp16_px)
    then = run_command.parse([f"{folder}/", *rest])  # this folder, whatever is called as it is
    then.data, then.split = data, split
    run_command.options_of(then)  # refused before the work
    _check_said(path, {"data": data, **words})
    model = ForeignModel.open(path, Told(**words))
    foreign.check_free(folder, path)
    say(f"{path}: is what was said of it true?")
    checked = foreign_check.check(model, data, origin_px)
    remarks = [*filter(None, (checked.note, checked.warning))]
    for remark in remarks:
        say(remark)
    source = Source(path, checked.told, checked.found)
    with steps_of(folder):
        foreign.make(source, Evaluation(data, split), folder, say, limits)
    table, code = run_command.quantized(then)
    return "\n".join(filter(None, [table, _said(checked.told), *remarks])), code


def _check_said(path: Path, words: dict[str, object]) -> None:
    lacking = [f"--{flag}" for name, flag in NEEDED.items() if words.get(name) is None]
    if lacking:
        raise InputError(
            f"{path}: {', '.join(lacking)} is missing, expected what the file does not say of "
            "itself. See `python -m quantize MODEL --help`."
        )


def _said(told: Told) -> str:
    return (
        f"read as: --preprocess {told.preprocess} --points {told.scheme} "
        f"--box {told.box_factor:g} --units {told.units} --origin {told.origin_px:g}"
    )
