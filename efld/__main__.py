"""`python -m efld`: a picture to landmarks, and the table of models."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import cv2

from efld import files
from efld.draw import ColourPicture, draw
from efld.errors import InputError, run_command
from efld.geometry import Box, Points
from efld.predict import check_box, parse_box, predict, read_colour, to_grey
from efld.quiet import native_stderr
from efld.runtime import LandmarkModel, load

SCHEMA = 1
PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")

HELP = """examples:
  python -m efld predict me.jpg --model model.int8.tflite --box 80,60,200,220 -o out.png
  python -m efld predict me.jpg --model model.keras --box 80,60,200,220 --json
  python -m efld models
"""

PREDICT_HELP = """examples:
  python -m efld predict me.jpg --model model.tflite --box 80,60,200,220 -o out.png
  python -m efld predict me.jpg --model model.tflite --box 80,60,200,220 --json > points.json

The box is the face as landmarks span it: brows to chin, ear to ear; x,y is its upper left corner in
pixels of the picture as a viewer shows it. The model adds its own margin. A box that starts left of
the picture is written --box=-5,60,200,220.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line; `argv` without the program's name."""
    run_command(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> None:
    options = _parse(argv)
    if options.command == "models":
        _models()
    else:
        _predict(
            options.picture, options.model, parse_box(options.box), options.output, options.json
        )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m efld", description=HELP, formatter_class=raw, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    sub = commands.add_parser(
        "predict",
        help="find the landmarks of one face in a picture",
        description=PREDICT_HELP,
        formatter_class=raw,
        allow_abbrev=False,
    )
    sub.add_argument("picture", type=Path, help="JPEG, PNG or BMP")
    sub.add_argument("--model", type=Path, required=True, help=".keras, .onnx or .tflite of efld")
    sub.add_argument("--box", required=True, metavar="X,Y,W,H", help="the face, in pixels")
    sub.add_argument("-o", "--output", type=Path, help="picture to draw the landmarks on")
    sub.add_argument("--json", action="store_true", help="print the points")
    commands.add_parser("models", help="print the models that efld can build and their cost")
    return parser.parse_args(argv)


def _predict(path: Path, model_path: Path, face: Box, output: Path | None, as_json: bool) -> None:
    _check_output(path, output, as_json)
    picture = read_colour(path)
    check_box(face, picture.shape[1], picture.shape[0])  # before the model's runtime says things
    model = load(model_path)
    points = predict(model, to_grey(picture), face)
    if output is not None:
        _write_picture(output, draw(picture, points, model.spec.scheme))
    if as_json:
        print(json.dumps(_record(path, model, face, points)))
    else:
        print(f"{output}: {len(points)} landmarks drawn")


def _check_output(picture: Path, output: Path | None, as_json: bool) -> None:
    if output is None:
        if not as_json:
            raise InputError("nothing to write: expected -o PICTURE, --json or both.")
        return
    if output.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(
            f"{output}: suffix {output.suffix!r}, expected one of {', '.join(PICTURE_SUFFIXES)}."
        )
    if not output.parent.is_dir():
        raise InputError(f"{output}: no folder {output.parent}. Make it, or give -o another name.")
    if output.exists() and picture.exists() and output.samefile(picture):
        raise InputError(f"{output}: is the input picture. Give -o another name.")


def _write_picture(path: Path, picture: ColourPicture) -> None:
    _, data = cv2.imencode(path.suffix.lower(), picture)
    with files.whole(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _record(path: Path, model: LandmarkModel, face: Box, points: Points) -> dict[str, object]:
    """Points are pixel centres of the picture, 0-based, x before y."""
    return {
        "schema": SCHEMA,
        "picture": str(path),
        "model": str(model.path),
        "runtime": model.session.runtime,
        "scheme": model.spec.scheme,
        "box_px": [face.left, face.top, face.width, face.height],
        "points_px": [[round(float(x), 3), round(float(y), 3)] for x, y in points],
    }


def _models() -> None:
    try:
        with native_stderr():
            from efld.models import zoo

            rows = list(zoo.table())
    except ImportError:
        raise InputError(
            "models: building them needs Keras. Run: pip install 'efld[train]'."
        ) from None
    print(f"{'model':<26}{'parameters':>12}{'M multiply-adds':>17}{'float32 B':>12}{'int8 B':>12}")
    for row in rows:
        print(
            f"{row.name:<26}{row.parameters:>12,}{row.multiply_adds / 1e6:>17.2f}"
            f"{row.float_bytes:>12,}{row.int8_bytes:>12,}  {row.note}{_published(row.name)}"
        )
    print("bytes: weights alone, before any conversion")


def _published(name: str) -> str:
    """A mark where the working folder has trained weights of a model."""
    return "; pretrained" if Path("pretrained", name, "model.keras").is_file() else ""


if __name__ == "__main__":
    main()
