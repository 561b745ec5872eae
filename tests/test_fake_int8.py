"""Training through the rounding of an int8 file."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from efld.errors import InputError
from efld.models import zoo
from efld.models.fake_int8 import FakeInt8, FakeInt8Weights, exact, fake_int8
from tests.tiny_files import ANSWER
from train import loop
from train.config import PRESETS, changed

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 112, 112, 1)).astype(np.float32)


@pytest.mark.parametrize("name", ["efld-nano", "efficientnet-w0.25-d1.2", "efficientnet-lite0"])
def test_what_rounds_can_be_made_exact_again(name: str) -> None:
    model = zoo.build(name, mean_shape=ANSWER)
    rounding = fake_int8(model)
    again = exact(rounding)
    weighted = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert sum(isinstance(layer, FakeInt8Weights) for layer in rounding.layers) == len(weighted)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
    exactly = model(IMAGES)
    np.testing.assert_array_equal(again(IMAGES), exactly)
    assert np.abs(np.asarray(rounding(IMAGES)) - np.asarray(exactly)).max() > 0


def test_a_relu_rounds_with_what_it_is_behind() -> None:
    rounding = fake_int8(zoo.build("efficientnet-lite0", mean_shape=ANSWER))
    names = {layer.name for layer in rounding.layers}
    assert "head_0_bn_fake_int8" in names  # the sum reads it
    assert "head_0_add_fake_int8" not in names
    assert "head_0_act_fake_int8" in names
    assert "head_mix_bn_fake_int8" not in names
    assert "stage2_block2_add_fake_int8" in names  # nothing is behind it


def test_an_activation_becomes_steps_between_its_extremes() -> None:
    x = np.random.default_rng(0).uniform(-1, 3, (2, 5, 5, 3)).astype(np.float32)
    steps = np.asarray(FakeInt8()(x)) / ((x.max() - x.min()) / 255)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)  # of a step, in float32
    assert np.abs(steps * (x.max() - x.min()) / 255 - x).max() <= 0.5001 * (x.max() - x.min()) / 255


def test_rounding_lets_the_gradient_through() -> None:
    import tensorflow as tf

    x = tf.constant(np.linspace(-1, 1, 12, dtype=np.float32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(FakeInt8()(x) * tf.range(12, dtype=tf.float32))
    np.testing.assert_array_equal(tape.gradient(y, x), np.arange(12))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3),
        layers.Conv2D(4, 3, dilation_rate=2, name="dilated"),
        layers.DepthwiseConv2D(3),
        layers.Dense(4),
    ],
    ids=lambda layer: layer.name,
)
def test_a_kernel_has_one_scale_for_each_output_channel(layer: layers.Layer) -> None:
    x = np.random.default_rng(0).normal(0, 1, (2, 6, 6, 3)).astype(np.float32)
    layer(x)
    kernel = np.asarray(layer.kernel)
    axes = (0, 1) if isinstance(layer, layers.DepthwiseConv2D) else tuple(range(kernel.ndim - 1))
    step = np.abs(kernel).max(axis=axes, keepdims=True) / 127
    rounding = FakeInt8Weights(type(layer).from_config(layer.get_config()))
    rounding.build(x.shape)
    rounding.set_weights(layer.get_weights())
    found = rounding(x)
    layer.kernel.assign(np.round(kernel / step) * step)
    np.testing.assert_allclose(found, layer(x), atol=1e-5)  # sums of 27 terms in another order


def test_a_convolution_in_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="grouped: 2 groups, expected 1"):
        FakeInt8Weights(layers.Conv2D(4, 3, groups=2, name="grouped"))


def test_training_through_rounding_leaves_a_plain_model(tmp_path: Path) -> None:
    tiny = {"faces": 40, "batch": 8, "epochs": 1, "epoch_steps": 2, "validation": 0.2}
    run = tmp_path / "run"
    config = changed(PRESETS["smoke"], {**tiny, "rounding": "int8", "loss": "efld"})
    loop.train(config, run, resume=False, overwrite=False, say=lambda _: None)
    state = keras.models.load_model(run / "last.keras")
    assert any(isinstance(layer, FakeInt8) for layer in state.layers)
    model = keras.models.load_model(run / "model.keras")
    assert not any(isinstance(layer, FakeInt8 | FakeInt8Weights) for layer in model.layers)
    assert model(IMAGES).shape == (2, 68, 2)


def test_another_rounding_is_refused() -> None:
    with pytest.raises(InputError, match="rounding='int4': expected int8"):
        changed(PRESETS["smoke"], {"rounding": "int4"})
