"""A model that looks at a face twice, as it is and mirrored, and answers with the mean.

Its errors differ on the two pictures, so the mean errs less, by the same weights in twice the time.
Elsewhere that is a step of the evaluation (the flip test: Newell, Yang & Deng, ECCV 2016, section
4); here it is part of the graph, so that whoever runs the file has it.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import KerasTensor, layers

from efld import schemes
from efld.errors import InputError

SUFFIX = "-mirrored"  # of the name of a zoo's model
GROUP = 16  # columns; groups of about the root of a picture's width make few weights


def mirrored(model: keras.Model, scheme: str) -> keras.Model:
    """Two calls of `model`, which is one layer of the result; in and out are as before.

    What reorders columns and points are dense layers of zeros and ones, and transposes: XNNPACK has
    neither reversal nor gather, and what it leaves out would cut the graph into pieces.

    Raises:
        InputError: a model that is one already, or pictures that are no multiple of 16 px wide.
    """
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        raise InputError(
            f"model {model.name}: has a model inside, as those that see faces mirrored already. "
            "Expected a net of single layers: give that one."
        )
    if model.input_shape[2] % GROUP:
        raise InputError(
            f"model {model.name}: pictures {model.input_shape[2]} px wide, expected a multiple of "
            f"{GROUP}. Give another."
        )
    image = keras.Input(model.input_shape[1:], name="image")
    half = layers.Rescaling(0.5, name="half")(model(image))
    mirrored_half = _half_back(model(_flipped(image)), schemes.scheme(scheme).mirror)
    landmarks = layers.Add(name="landmarks")([half, mirrored_half])
    return keras.Model(image, landmarks, name=f"{model.name}_mirrored")


def _flipped(image: KerasTensor) -> KerasTensor:
    """Left to right: columns within groups, then the groups."""
    height, width, _ = image.shape[1:]
    x = layers.Reshape((height, width // GROUP, GROUP), name="columns")(image)
    x = layers.Permute((1, 3, 2), name="groups")(_reordered(x, range(GROUP)[::-1], "flip_columns"))
    x = _reordered(x, range(width // GROUP)[::-1], "flip_groups")
    x = layers.Permute((1, 3, 2), name="groups_back")(x)
    return layers.Reshape((height, width, 1), name="mirror_image")(x)


def _half_back(points: KerasTensor, mirror: Sequence[int]) -> KerasTensor:
    """Half of what the points of a mirrored picture are in the picture: x -> 1 - x, and swapped."""
    x = layers.Permute((2, 1), name="by_coordinate")(points)
    x = layers.Permute((2, 1), name="by_point")(_reordered(x, mirror, "swap"))
    return layers.Rescaling([-0.5, 0.5], offset=[0.5, 0.0], name="mirrored_half")(x)


def _reordered(x: KerasTensor, order: Sequence[int], name: str) -> KerasTensor:
    """The last axis in another order, by a dense layer of zeros and ones."""
    dense = layers.Dense(len(order), use_bias=False, trainable=False, name=name)
    y = dense(x)
    dense.set_weights([np.eye(len(order), dtype=np.float32)[:, list(order)]])
    return y
