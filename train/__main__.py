"""python -m train PRESET: data -> runs/<name>/model.keras."""

import logging
import os
import sys
from argparse import (
    SUPPRESS,
    ArgumentParser,
    Namespace,
    RawDescriptionHelpFormatter,
)
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from efld import run_files
from efld.data.augment import Augmentation
from efld.data.layouts import layout_of
from efld.errors import InputError, run_command
from efld.quiet import native_stderr
from train.config import PRESETS, RENDERED, TrainConfig, changed, check_begun

EXAMPLES = """examples:
  python -m train smoke                                  a minute: does it run? It learns nothing
  python -m train synthetic                              rendered faces only, a few minutes
  python -m train 300w --data ~/300w                     the default model on 300-W
  python -m train 300w --data ~/300w --model efld-nano --run runs/nano --peak-lr 2e-3
  python -m train 300w --resume                          go on after an interruption; a run of
                                                         another --model or --run: with that flag
  python -m train 300w --data ~/300w --run runs/small-aware --rounding int8 --epochs 16 \\
    --init runs/efld-small-300w/model.keras --peak-lr 2e-4   learn around what int8 rounds away
  python -m train imagenet --data ~/300w                 a larger model, which begins from ImageNet
  python -m train 144px --data ~/300w                    the published one goes on at 144 px
  python -m train 160px --data ~/300w                    and that one at 160 px
  python -m train 176px --data ~/300w                    and that one at 176 px
  python -m train further --data ~/300w                  efld-small goes on from what 300w gave
  python -m train small-160px --data ~/300w              and so it does at 160 px
  python -m train large --data ~/300w                    efld-large goes on from 112 px to 160
  python -m train ablation --data ~/300w                 what each choice brings: hours
  python -m train label runs/NAME --data P --out L       landmarks for pictures, by that model
  python -m train trim runs/NAME --data ~/300w           leave out what a model can do without
  python -m train mirror runs/NAME --data ~/300w         sees faces mirrored, too: less error
  python -m train backbone FILE.pth --out FOLDER         ImageNet's weights, from PyTorch's file

KERAS_BACKEND chooses tensorflow (default) or jax."""


# What is no preset -> its module; each imports what it needs, mostly Keras, which takes seconds.
COMMANDS = {
    "ablation": "train.ablation",
    "label": "train.label",
    "trim": "train.trim",
    "mirror": "train.mirror",
    "backbone": "train.imagenet",
}


def parser() -> ArgumentParser:
    """Flags are the fields of the config: a choice exists in one place."""
    made = ArgumentParser(
        "python -m train",
        description=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("preset", choices=PRESETS)
    made.add_argument("--run", type=Path, help="folder to write, default runs/MODEL-PRESET")
    state = made.add_mutually_exclusive_group()
    state.add_argument("--resume", action="store_true", help="go on from the last finished epoch")
    state.add_argument("--overwrite", action="store_true", help="replace an earlier run")
    for name, hint in choices().items():
        kind, text = get_args(hint)
        repeated = get_origin(kind) is tuple
        made.add_argument(
            "--" + name.replace("_", "-"), default=SUPPRESS, help=text,
            type=get_args(kind)[0] if repeated else kind, action="append" if repeated else "store",
        )  # fmt: skip
    return made


def choices() -> dict[str, Any]:
    """The fields of the config and of its augmentation: name -> annotated type."""
    hints = get_type_hints(TrainConfig, include_extras=True)
    del hints["augmentation"]
    return {**hints, **get_type_hints(Augmentation, include_extras=True)}


def config_of(given: Namespace) -> TrainConfig:
    """The preset with the flags given; a run that goes on has its own choices already."""
    ours = choices()
    flags = {k: tuple(v) if isinstance(v, list) else v for k, v in vars(given).items() if k in ours}
    config = changed(PRESETS[given.preset], flags)
    run = run_of(given, config)
    saved = given.resume and (run / run_files.CONFIG.file).exists()
    return changed(TrainConfig.read(run), flags) if saved else config


def run_of(given: Namespace, config: TrainConfig) -> Path:
    """The run's folder."""
    return given.run or run_files.RUNS / f"{config.model}-{given.preset}"


def main() -> None:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow turns oneDNN on by itself only where the processor has AVX-512.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    first = "".join(sys.argv[1:2])
    if module := COMMANDS.get(first):
        with native_stderr():
            command = import_module(module)
        command.main(sys.argv[2:], print)
    elif first.isalnum() and first not in PRESETS:
        raise InputError(
            f"{first}: neither a preset ({', '.join(PRESETS)}) nor a command "
            f"({', '.join(COMMANDS)})."
        )
    else:
        train(parser().parse_args())


def train(given: Namespace) -> None:
    config = config_of(given)
    run = run_of(given, config)
    if given.resume:
        check_begun(run)
    if not config.data and given.preset not in RENDERED:
        raise InputError(
            f"{given.preset}: learns from photographs, found no --data. Give a dataset's folder, "
            f"or take {' or '.join(RENDERED)} for rendered faces."
        )
    for root in filter(None, (config.data, *config.extra)):
        layout_of(
            Path(root)
        )  # what is none is refused before the import of Keras, which takes long
    with native_stderr():
        import keras

        from train import loop

        keras.ops.zeros(())  # TensorFlow greets again at its first op
    # A layer that is compiled for each shape it meets is no mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    loop.train(config, run, resume=given.resume, overwrite=given.overwrite, say=print)


if __name__ == "__main__":
    run_command(main)
