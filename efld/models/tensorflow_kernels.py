"""What training under TensorFlow spends most of its time on, compiled by XLA.

On a CPU the small convolutions of these nets are cheap, the passes over memory between them are
not. TensorFlow makes a dozen for a normalisation and an h-swish with their gradients; XLA makes one
of each function below. (XLA's own convolutions are slow, so it does not get the whole model.)
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

_compiled = partial(tf.function, jit_compile=True, autograph=False)


@tf.custom_gradient
def normalised(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> Any:
    """Batch normalisation in training: the result, and mean and variance of each channel.

    Mean and variance are for moving averages: no gradient flows through them.
    Source: Ioffe & Szegedy 2015, section 3.

    Args:
        x: `(..., channels)`.
        gamma, beta: `(channels,)`.
    """
    places = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), x.dtype)
    mean = _channel_sums(x) / places
    variance = _channel_sums(_squared_difference(x, mean)) / places
    inverse = tf.math.rsqrt(variance + epsilon)

    def gradient(d_y: tf.Tensor, *_unused: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        d_beta = _channel_sums(d_y)
        d_gamma = inverse * _channel_sums(_product(d_y, x, mean))
        slope = -inverse * d_gamma / places
        d_x = _weighted_sum(d_y, x, mean, slope, -d_beta / places, gamma * inverse)
        return d_x, d_gamma, d_beta, None

    return (_scaled(x, mean, gamma * inverse, beta), mean, variance), gradient


@tf.custom_gradient
def hard_swish(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """`x * relu6(x + 3) / 6`. Source: Howard et al. 2019, section 5.2."""
    return _hard_swish(x), partial(_hard_swish_gradient, x)


# XLA is fast at sums of what lies in memory, and slow at sums of what it computes on the way.
# `x - mean` is taken first: with a large mean, differences of sums have few digits left.
def _channel_sums(x: tf.Tensor) -> tf.Tensor:
    # In two steps: XLA adds one number after the other, and 200,000 in a row lose two digits.
    return _sums(_sums(x, (-2,)), tuple(range(len(x.shape) - 2)))


@_compiled
def _sums(x: tf.Tensor, axes: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_sum(x, axes)


@_compiled
def _squared_difference(x: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    return tf.square(x - mean)


@_compiled
def _product(d_y: tf.Tensor, x: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    return d_y * (x - mean)


@_compiled
def _scaled(x: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    return (x - mean) * scale + offset


@_compiled
def _weighted_sum(
    d_y: tf.Tensor,
    x: tf.Tensor,
    mean: tf.Tensor,
    slope: tf.Tensor,
    offset: tf.Tensor,
    scale: tf.Tensor,
) -> tf.Tensor:
    return (d_y + (x - mean) * slope + offset) * scale


@_compiled
def _hard_swish(x: tf.Tensor) -> tf.Tensor:
    return x * tf.nn.relu6(x + 3) / 6


@_compiled
def _hard_swish_gradient(x: tf.Tensor, d_y: tf.Tensor) -> tf.Tensor:
    return d_y * tf.where(tf.abs(x) < 3, x / 3 + 0.5, tf.cast(x > 0, x.dtype))
