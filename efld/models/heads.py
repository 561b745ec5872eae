"""From feature maps to landmarks."""

from collections.abc import Sequence

from keras import KerasTensor, initializers, layers

from efld.geometry import Points
from efld.models.blocks import Activation, conv_bn, round_channels

# A dense layer on flattened maps is unstable under Adam unless it starts near the mean shape and
# its output is small: a step moves all of some thousand weights by the learning rate, and
# their sum, the points, by as much more.
SPREAD = 0.01
DENSE_STDDEV = 0.01


def published(x: KerasTensor, width: float, activation: Activation) -> list[KerasTensor]:
    """The head whose parameter count Colaco & Han 2022 print in table 7.

    Three 1x1 convolutions in a chain, `16w`, `32w`, `128w` channels wide (rounded like all others:
    at width 0.25 the first has 8), on the last map; the second map flattened once, the third twice.
    Their text names the three maps once each, which would give 2816 inputs at width 1 where the
    table has 4608: text and table disagree.
    """
    maps = []
    for channels in (16, 32, 128):
        x = conv_bn(
            x, round_channels(channels * width), activation=activation, name=f"head_{channels}"
        )
        maps.append(x)
    second, third = (layers.Flatten(name=f"head_flat_{i}")(m) for i, m in enumerate(maps[1:]))
    return [layers.Concatenate(name="head_concat")([second, third, third])]


def baseline(x: KerasTensor, width: float, activation: Activation) -> list[KerasTensor]:
    """EfficientNet's classifier head: 1x1 convolution to `1280w` channels, global average."""
    x = conv_bn(x, round(1280 * width), activation=activation, name="head_conv")
    return [layers.GlobalAveragePooling2D(name="head_pool")(x)]


def multiscale(
    maps: Sequence[KerasTensor], channels: Sequence[int], activation: Activation
) -> list[KerasTensor]:
    """Flattened features of three resolutions, fine to coarse.

    The finest map is halved by a strided convolution, the others only narrowed by a 1x1. Landmarks
    are places, so maps are flattened and not averaged.
    """
    flat = []
    for i, (x, narrow) in enumerate(zip(maps, channels, strict=True)):
        kernel, stride = (3, 2) if i == 0 else (1, 1)
        y = conv_bn(x, narrow, kernel, stride, activation, name=f"head_{i}")
        flat.append(layers.Flatten(name=f"head_flat_{i}")(y))
    return flat


def multiscale_channels(width: float) -> tuple[int, int, int]:
    """Channels that the default multi-scale head keeps of each map, fine to coarse."""
    return tuple(round_channels(channels * width) for channels in (8, 16, 64))  # type: ignore[return-value]


def landmarks(features: Sequence[KerasTensor], mean_shape: Points) -> KerasTensor:
    """Dense layer over all features, as an offset from the mean shape: `(batch, points, 2)`, 0..1.

    A dense layer over a concatenation is the sum of one dense layer a part. The sum is what we
    build: after int8 quantisation a concatenation has one scale for parts of different range.
    """
    size = 2 * len(mean_shape)
    parts = [
        layers.Dense(
            size,
            use_bias=i == 0,
            kernel_initializer=initializers.RandomNormal(stddev=DENSE_STDDEV),
            name=f"head_dense_{i}",
        )(x)
        for i, x in enumerate(features)
    ]
    offset = layers.Add(name="head_sum")(parts) if len(parts) > 1 else parts[0]
    offset = layers.Rescaling(SPREAD, offset=mean_shape.flatten().tolist(), name="mean_shape")(
        offset
    )
    return layers.Reshape((len(mean_shape), 2), name="landmarks")(offset)
