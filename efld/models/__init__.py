"""Keras 3 models, written with `keras` layers and ops alone: TensorFlow and JAX run them alike."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras

from efld.data.synthetic import neutral_points
from efld.errors import InputError
from efld.models import efficientnet, efficientnet_lite, mobilenetv3

FAMILIES: Mapping[str, Callable[..., keras.Model]] = MappingProxyType({
    "efficientnet": efficientnet.build,
    "efficientnet-lite": efficientnet_lite.build,
    "efld": mobilenetv3.build,
})  # fmt: skip


def build(family: str, width: float = 1.0, depth: float = 1.0, **options: Any) -> keras.Model:
    """Builds a landmark model with input `image` and output `landmarks`.

    Args:
        family: a key of `FAMILIES`; its `build` documents the options.
        width, depth: compound scaling factors.
        options: among them `mean_shape`, `(points, 2)` in 0..1 over the crop, which the model's
            output starts from; default the frontal neutral face.

    Raises:
        InputError: unknown family or option, or a factor that is not above 0.
    """
    if family not in FAMILIES:
        raise InputError(f"model family {family!r} is unknown, expected one of {sorted(FAMILIES)}.")
    if width <= 0 or depth <= 0:
        raise InputError(f"width={width}, depth={depth}: expected numbers above 0.")
    options.setdefault("mean_shape", neutral_points())
    try:
        return FAMILIES[family](width, depth, **options)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise InputError(f"model family {family!r}: {error}.") from None
