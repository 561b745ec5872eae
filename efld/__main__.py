"""`python -m efld`: a picture to landmarks, the table of models, what a dataset holds."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from efld import files, finder, run_files
from efld.data.faces import PICTURE_SUFFIXES
from efld.data.layouts import LAYOUTS
from efld.data.survey import text
from efld.data.survey.outputs import default_sheet, spare_dataset
from efld.data.survey.sheet import contact_sheet
from efld.data.survey.survey import survey
from efld.draw import ColourPicture, draw
from efld.errors import InputError, run_command, say, to_install
from efld.geometry import Box, Picture, Points
from efld.predict import check_box, parse_box, predict, read_colour, seen
from efld.quiet import native_stderr
from efld.runtime import LandmarkModel, load

SCHEMA = 1

HELP = """examples:
  python -m efld predict me.jpg --model model.int8.tflite -o out.png
  python -m efld predict me.jpg --model model.keras --box 80,60,200,220 --json
  python -m efld models
  python -m efld data ~/data/300w
"""

PREDICT_HELP = """examples:
  python -m efld predict me.jpg --model model.tflite -o out.png
  python -m efld predict me.jpg --model model.tflite --box 80,60,200,220 -o out.png
  python -m efld predict me.jpg --model model.tflite --box 80,60,200,220 --json > points.json

The box is the face as landmarks span it: brows to chin, ear to ear; x,y is its upper left corner in
pixels of the picture as a viewer shows it. The model adds its own margin. A box that starts left of
the picture is written --box=-5,60,200,220. Without a box the model itself looks for the clearest
face, which takes it hundreds of runs, or thousands where none is clear, and in several views;
where these lie too far apart to believe them it says so, and the exit code is 1.
"""

DATA_HELP = """examples:
  python -m efld data ~/data/300w
  python -m efld data ~/data --quick --no-sheet --json report.json

Says what lies in ROOT: which datasets, how many faces beside the official numbers, what is damaged;
and draws a contact sheet: some faces of each split with their points, as runs/data/ and ROOT's last
two folders unless --sheet or --no-sheet is given. Damage is reported, not an error: the exit code
is 0. It is 2 where nothing is recognised.

datasets:
""" + "\n".join(f"  {layout.name}: {layout.holds}" for layout in LAYOUTS)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line; `argv` without the program's name."""
    run_command(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> None:
    options = _parse(argv)
    if options.command == "models":
        _models()
    elif options.command == "data":
        _data(options)
    else:
        _predict(options)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m efld", description=HELP, formatter_class=raw, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, description: str, about: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=about, description=description, formatter_class=raw, allow_abbrev=False
        )

    sub = command("predict", PREDICT_HELP, "find the landmarks of one face in a picture")
    sub.add_argument("picture", type=Path, help="JPEG, PNG or BMP")
    sub.add_argument("--model", type=Path, required=True, help=".keras, .onnx or .tflite of efld")
    sub.add_argument(
        "--box", metavar="X,Y,W,H", help="the face, in pixels; default: the clearest there is"
    )
    sub.add_argument("-o", "--output", type=Path, help="picture to draw the landmarks on")
    sub.add_argument("--json", action="store_true", help="print the points")
    sub = command("data", DATA_HELP, "say what a folder of datasets holds and what is damaged")
    sub.add_argument("root", metavar="ROOT", help="a dataset, or a folder of several")
    sub.add_argument("--quick", action="store_true", help="do not decode every picture")
    sheet = sub.add_mutually_exclusive_group()
    sheet.add_argument("--sheet", metavar="PATH", help="the contact sheet, a picture")
    sheet.add_argument("--no-sheet", action="store_true", help="draw none")
    sub.add_argument("--json", metavar="PATH", help="write the whole report; - prints it instead")
    command("models", HELP, "print the models that efld can build and their cost")
    return parser.parse_args(argv)


def _data(options: argparse.Namespace) -> None:
    root, report, sheet = _data_paths(options)
    found = survey(root, options.quick)
    record = {"schema": SCHEMA, **found.record()}
    to_stdout = options.json == "-"
    print(json.dumps(record, indent=2) if to_stdout else "\n".join(text.lines(found)))
    if report is not None:
        files.write_json(report, record)
        print(f"{report}: the whole report")
    if sheet is not None:
        _write_picture(sheet, contact_sheet(found.titled_samples()))
        if not to_stdout:
            print(f"{sheet}: contact sheet")


def _data_paths(options: argparse.Namespace) -> tuple[Path, Path | None, Path | None]:
    """(ROOT, the report's file, the sheet's file), checked."""
    given = {"ROOT": options.root, "--sheet": options.sheet, "--json": options.json}
    if empty := [name for name, value in given.items() if value == ""]:
        raise InputError(f"{empty[0]}: is empty, expected a path.")
    root = Path(options.root).expanduser()
    report = None if options.json in (None, "-") else Path(options.json)
    sheet = Path(options.sheet) if options.sheet else None
    if report and report.suffix.lower() != ".json":
        raise InputError(f"{report}: suffix {report.suffix!r}, expected .json, or - to print it.")
    if sheet:
        _check_suffix(sheet)
    for path in filter(None, (report, sheet)):
        spare_dataset(path, root)
    if sheet is None and not options.no_sheet:
        sheet = default_sheet(root)
    for path in filter(None, (report, sheet)):
        files.check_writable(path)
    return root, report, sheet


def _predict(options: argparse.Namespace) -> None:
    path: Path = options.picture
    output: Path | None = options.output
    _check_output(path, output)
    face = parse_box(options.box) if options.box is not None else None
    picture = read_colour(path)
    if face is not None:
        check_box(face, picture.shape[1], picture.shape[0])  # before the runtime says things
    model = load(options.model)
    view = seen(picture, model.spec.channels)
    apart_percent = None
    if face is None:
        found = _found(path, view, model)
        face, apart_percent = found.box, found.disagreement_percent
    points = predict(model, view, face)
    if output is not None:
        _write_picture(output, draw(picture, points, model.spec.scheme))
    if options.json:
        print(json.dumps(_record(path, model, face, points, apart_percent)))
    elif output is not None:
        print(f"{output}: {len(points)} landmarks drawn")
    else:
        print(_summary(path, face, points))
    if apart_percent is not None and apart_percent > finder.SURE_PERCENT:
        say(
            f"{path}: not sure of this face: views of it lie {apart_percent:.1f} % apart, expected "
            f"up to {finder.SURE_PERCENT:g}. Look at it, or give --box."
        )
        sys.exit(1)


def _summary(path: Path, face: Box, points: Points) -> str:
    """What was found, for somebody who named no output."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return (
        f"{path}: face at {face.left:.0f},{face.top:.0f},{face.width:.0f},{face.height:.0f} "
        f"(x,y,width,height); its {len(points)} landmarks lie from x {left:.0f} to {right:.0f} and "
        f"y {top:.0f} to {bottom:.0f}. To see them: -o out.png; to print them: --json"
    )


def _found(path: Path, picture: Picture, model: LandmarkModel) -> finder.Found:
    """The clearest face.

    Raises:
        InputError: none is clear.
    """
    found = finder.find(picture, model)
    if found is None:
        raise InputError(f"{path}: found no clear face. Say where it is: --box X,Y,W,H.")
    return found


def _check_output(picture: Path, output: Path | None) -> None:
    if output is None:
        return
    _check_suffix(output)
    if not output.parent.is_dir():
        raise InputError(f"{output}: no folder {output.parent}. Make it, or give -o another name.")
    if output.exists() and picture.exists() and output.samefile(picture):
        raise InputError(f"{output}: is the input picture. Give -o another name.")


def _check_suffix(picture: Path) -> None:
    if picture.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(
            f"{picture}: suffix {picture.suffix!r}, expected one of {', '.join(PICTURE_SUFFIXES)}."
        )


def _write_picture(path: Path, picture: ColourPicture) -> None:
    _, data = cv2.imencode(path.suffix.lower(), picture)
    with files.whole(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _record(
    path: Path, model: LandmarkModel, face: Box, points: Points, apart_percent: float | None
) -> dict[str, object]:
    """Points are pixel centres of the picture, 0-based, x before y.

    Args:
        apart_percent: how far views of a face that was looked for lie apart; None: it was given.
    """
    return {
        "schema": SCHEMA,
        "picture": str(path),
        "model": str(model.path),
        "runtime": model.session.runtime,
        "scheme": model.spec.scheme,
        "box_px": [face.left, face.top, face.width, face.height],
        "views_apart_percent": apart_percent,
        "points_px": [[round(float(x), 3), round(float(y), 3)] for x, y in points],
    }


def _models() -> None:
    try:
        with native_stderr():
            from efld.models import zoo

            rows = list(zoo.table())
    except ImportError:
        raise InputError(
            f"models: building them needs Keras. Run: {to_install('train')}."
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
    return "; pretrained" if (run_files.PRETRAINED / name / run_files.WEIGHTS).is_file() else ""


if __name__ == "__main__":
    main()
