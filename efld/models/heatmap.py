"""From feature maps to landmarks by way of one heat map a point."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, initializers, layers, ops
from numpy.typing import NDArray

from efld.geometry import Points
from efld.models.blocks import Activation, activated, conv_bn, depthwise_bn

# The maps start as Gaussians around the mean shape: wide enough to be pulled anywhere, and no place
# so unlikely that it has no gradient.
SPREAD = 0.14  # of the crop's side
UNLIKELY = -8.0  # log
SCORE_STDDEV = 0.01
BEYOND = 1.5  # cells by which the border cells reach out
LANES = 8  # XNNPACK's 1x1 convolution takes 1.5 times as long for 68 channels as for 72


def heatmap(
    maps: Sequence[KerasTensor],
    channels: int,
    activation: Activation,
    mean_shape: Points,
    near: int,
) -> KerasTensor:
    """Landmarks `(batch, points, 2)`, 0..1 over the crop, read from maps fine to coarse.

    The maps, narrowed to `channels`, are summed from coarse to fine (Lin et al., CVPR 2017: feature
    pyramid); the finest then scores every place for every point. No heat map is ever a target: the
    loss sees coordinates (Sun et al., ECCV 2018: integral regression).

    Args:
        near: side of the window, in cells of the finest map, in which the scores see each other.
    """
    x: KerasTensor | None = None
    for i, fine in reversed(list(enumerate(maps))):
        y = conv_bn(fine, channels, name=f"head_{i}")
        if x is not None:
            y = layers.Add(name=f"head_{i}_add")([y, _enlarged(x, y.shape[1], f"head_{i}_up")])
        x = activated(y, activation, name=f"head_{i}_act")
    x = depthwise_bn(x, near, 1, activation, name="head_near")
    x = conv_bn(x, channels, activation=activation, name="head_mix")
    scores = layers.Conv2D(
        lanes(len(mean_shape)),
        1,
        kernel_initializer=initializers.RandomNormal(stddev=SCORE_STDDEV),
        name="head_scores",
    )(x)
    return ExpectedPlaces(mean_shape, name="landmarks")(scores)


def _enlarged(x: KerasTensor, side: int, name: str) -> KerasTensor:
    """A map twice as large, or one less where the finer map has an odd side.

    Not `layers.Resizing`: in Keras 3.15 it turns on training for all layers behind it.
    """
    larger = layers.UpSampling2D(2, interpolation="bilinear", name=name)(x)
    beyond = larger.shape[1] - side
    return layers.Cropping2D(((0, beyond),) * 2, name=f"{name}_cut")(larger) if beyond else larger


@keras.saving.register_keras_serializable("efld")
class ExpectedPlaces(layers.Layer):
    """Scores `(batch, side, side, maps)` to each point's expected place, `(batch, points, 2)`.

    Maps beyond the points mean nothing. A trainable prior says where each point usually lies, which
    convolutions alone cannot know.
    """

    def __init__(self, mean_shape: Points | Sequence[Sequence[float]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean_shape = np.asarray(mean_shape, np.float32)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        side, maps = int(input_shape[1] or 0), int(input_shape[3] or 0)
        surplus = maps - len(self.mean_shape)
        self.places = grid(side)
        likely = np.pad(log_gaussian(self.mean_shape, side), ((0, 0), (0, 0), (0, surplus)))
        self.prior = self.add_weight(
            likely.shape, initializer=lambda _, dtype: ops.cast(likely, dtype), name="prior"
        )

    def load_own_variables(self, store: Any) -> None:
        """A prior that was learnt on maps of another side is resized: places are 0..1 over both."""
        side = self.prior.shape[0]
        self.prior.assign(ops.image.resize(np.asarray(store["0"]), (side, side)))

    def call(self, scores: Any) -> Any:
        rows = ops.reshape(scores + self.prior, (-1, len(self.places), self.prior.shape[-1]))
        chance = ops.softmax(ops.transpose(rows, (0, 2, 1)), axis=-1)
        return ops.matmul(chance, self.places)[:, : len(self.mean_shape)]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], len(self.mean_shape), 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean_shape": self.mean_shape.tolist()}


def lanes(points: int) -> int:
    """As many maps as points, and up to seven more."""
    return -(-points // LANES) * LANES


def grid(side: int) -> NDArray[np.float32]:
    """What each place of a map stands for, `(side * side, 2)`, 0..1 over the crop, rows first.

    An expectation never leaves its places: those at the border stand for what lies outside, too.
    """
    at = (np.arange(side) + 0.5) / side
    at[0], at[-1] = at[0] - BEYOND / side, at[-1] + BEYOND / side
    return np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2).astype(np.float32)


def log_gaussian(mean_shape: Points, side: int) -> NDArray[np.float32]:
    """Logarithm of a Gaussian around each point, not normalised: `(side, side, points)`."""
    squares = np.square(grid(side).reshape(side, side, 1, 2) - mean_shape).sum(axis=-1)
    return np.maximum(-squares / (2 * SPREAD**2), UNLIKELY).astype(np.float32)
