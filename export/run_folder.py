"""Which folder of `runs/` a command's argument means."""

import shutil
from pathlib import Path

from efld import files
from efld.errors import InputError
from efld.files import sha256
from efld.run_files import (
    CALIBRATION,
    CONFIG,
    FILES,
    MADE_OF,
    PRETRAINED,
    QUANTIZE,
    QUANTIZE_PLOT,
    RUNS,
    SPEC,
    WEIGHTS,
)

FOREIGN = "source"  # a foreign model's file in its run, without suffix; and the name of its step


def locate(argument: str) -> Path:
    """`runs/NAME` for itself; the name of a pretrained model means `runs/<that name>`.

    Raises:
        InputError: neither a folder nor a pretrained model.
    """
    if _is_pretrained(argument):
        return RUNS / argument
    for folder in (Path(argument), RUNS / argument):
        if folder.is_dir():
            return folder
    if Path(argument).is_file():
        raise InputError(
            f"{argument}: is a file, expected runs/NAME or a pretrained model's name. "
            "`python -m quantize MODEL.onnx --help` says how a file becomes a run."
        )
    found = sorted(str(path.parent) for path in RUNS.glob(f"*/{WEIGHTS}"))
    found += sorted(path.parent.name for path in PRETRAINED.glob(f"*/{WEIGHTS}"))
    raise InputError(
        f"{argument}: no such run. Expected runs/NAME or a pretrained model, "
        f"found here: {', '.join(found) or 'none'}."
    )


def prepare(argument: str) -> Path:
    """Locates a run's folder; a pretrained model is copied there when it is new or has changed.

    Raises:
        InputError: no such run, no weights of ours in it, or a model of one's own is in the way.
    """
    folder = locate(argument)
    if found := foreign_file(folder):
        raise InputError(
            f"{found}: this run was made of a foreign file, expected one that was trained here. "
            f"Run `python -m quantize {found}` with what was said of it, and another --run."
        )
    if _is_pretrained(argument):
        _refresh(PRETRAINED / argument, folder)
    for name in (WEIGHTS, SPEC):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file. Run `python -m train` first.")
    return folder


def foreign_file(run: Path) -> Path | None:
    """The file that a run was made of, if it is not one that was trained here."""
    return next(run.glob(f"{FOREIGN}.*"), None)


def exported(argument: str) -> Path:
    """Locates a run's folder that export has been through.

    Raises:
        InputError: no such run, or no float file in it.
    """
    folder = locate(argument)
    if not (fp32 := folder / FILES["fp32"]).is_file():
        raise InputError(f"{fp32}: no such file. Run `python -m export {argument}` first.")
    return folder


def drop_stale_int8(run: Path) -> None:
    """Removes an int8 file of another float file than the run's, its record and its drawing."""
    record = run / QUANTIZE.file
    if not record.is_file():
        return
    try:
        made_of = QUANTIZE.read(run)["fp32_sha256"]
    except InputError:  # damaged, or of an earlier version
        made_of = ""
    if made_of != sha256(run / FILES["fp32"]):
        for stale in (run / FILES["int8"], run / QUANTIZE_PLOT, record):
            stale.unlink(missing_ok=True)


def _is_pretrained(argument: str) -> bool:
    return Path(argument).name == argument and (PRETRAINED / argument / WEIGHTS).is_file()


def _refresh(source: Path, folder: Path) -> None:
    for made in (CONFIG, *MADE_OF):
        if (folder / made.file).exists():
            raise InputError(
                f"{folder}: {made.file} says that the model in it is your own, and the pretrained "
                f"one would overwrite it. Give {folder}/ to use yours, or rename that folder."
            )
    for name in (SPEC, WEIGHTS, CALIBRATION):
        target = folder / name
        if not (source / name).is_file():
            target.unlink(missing_ok=True)
        elif not target.is_file() or sha256(target) != sha256(source / name):
            with files.whole(target) as temporary:
                shutil.copyfile(source / name, temporary)
