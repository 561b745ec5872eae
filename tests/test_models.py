"""Models: the published parameter counts, and one result on two backends."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from efld import models
from efld.errors import InputError
from efld.models import blocks, efficientnet, heatmap, mobilenetv3, zoo
from efld.models.compiled import BatchNorm, HardSwish

# Colaco & Han 2022, table 7.
PUBLISHED = [
    (1.0, 1.0, "baseline", 4_320_194),
    (1.0, 1.0, "published", 4_368_514),
    (0.5, 1.1, "baseline", 1_887_648),
    (0.5, 1.1, "published", 2_011_776),
    (0.25, 1.2, "published", 682_012),
    (0.25, 2.2, "published", 1_105_108),
    (0.25, 2.6, "published", 1_243_780),
]


@pytest.mark.parametrize(("width", "depth", "head", "parameters"), PUBLISHED)
def test_efficientnet_has_the_published_number_of_parameters(
    width: float, depth: float, head: str, parameters: int
) -> None:
    assert models.build("efficientnet", width, depth, head=head).count_params() == parameters


def test_every_published_row_is_in_the_zoo() -> None:
    rows = {(e.width, e.depth) for e in zoo.ZOO.values() if e.options.get("head") == "published"}
    assert rows == {(width, depth) for width, depth, head, _ in PUBLISHED if head == "published"}


def test_edges_are_named_and_shaped_as_artefacts_need() -> None:
    model = models.build("efld", 0.25)
    assert model.input.name == "image"
    assert model.input.shape == (None, 112, 112, 1)
    assert model.output_names == ["landmarks"]
    assert model.output.shape == (None, 68, 2)


def test_an_untrained_model_answers_with_the_mean_shape() -> None:
    shape = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2)).astype(np.float32)
    model = models.build("efld", 0.25, mean_shape=shape)
    answer = model.predict(np.full((1, 112, 112, 1), 128, np.float32), verbose=0)[0]
    # The Gaussians around the points are cut off where the crop ends.
    assert np.abs(answer - shape).max() < 0.06


def test_the_paper_s_head_starts_at_the_mean_shape() -> None:
    shape = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2)).astype(np.float32)
    model = models.build("efld", 0.25, mean_shape=shape, head="multiscale")
    answer = model.predict(np.full((1, 112, 112, 1), 128, np.float32), verbose=0)[0]
    # The dense layer starts at a spread of 0.01.
    assert np.abs(answer - shape).max() < 0.05


def test_heat_maps_reach_landmarks_outside_the_crop() -> None:
    shape = np.array([[0.5, 0.5]], np.float32)
    layer = heatmap.ExpectedPlaces(shape)
    scores = np.zeros((2, 14, 14, 1), np.float32)
    scores[0, 0, 0], scores[1, 13, 13] = 100, 100
    np.testing.assert_allclose(layer(scores)[:, 0], [[-1 / 14] * 2, [15 / 14] * 2], atol=1e-6)


def test_heat_maps_answer_with_the_expected_place() -> None:
    layer = heatmap.ExpectedPlaces(np.array([[0.5, 0.5]], np.float32))
    scores = np.full((1, 14, 14, 1), -100, np.float32)
    layer.build(scores.shape)
    layer.prior.assign(np.zeros(layer.prior.shape))
    scores[0, 6, 3], scores[0, 6, 4] = math.log(1), math.log(3)  # row 6: y = 6.5 cells
    np.testing.assert_allclose(layer(scores)[0, 0], [4.25 / 14, 6.5 / 14], atol=1e-6)


def test_what_is_likely_stays_where_it_was_on_larger_pictures(tmp_path: Path) -> None:
    peaks = np.array([[0.4, 0.3], [0.7, 0.45]], np.float32)  # far from the border
    small, large = (
        keras.Sequential([keras.Input((side, side, 2)), heatmap.ExpectedPlaces(peaks)])
        for side in (14, 18)
    )
    prior = small.layers[0].prior
    prior.assign(3 * heatmap.log_gaussian(peaks[::-1], 14))
    small.save(tmp_path / "small.keras")
    large.load_weights(tmp_path / "small.keras")
    answer = np.asarray(large(np.zeros((1, 18, 18, 2), np.float32)))
    np.testing.assert_allclose(answer[0], peaks[::-1], atol=0.05 / 18)  # of a cell


def test_a_model_says_the_size_that_it_sees() -> None:
    for name in ("efficientnet-lite0", "efficientnet-lite0-144px", "efld-large"):
        assert zoo.build(name).input_shape[1] == zoo.entry(name).input_px


def test_heat_maps_come_in_eights() -> None:
    model = zoo.build("efld-nano")
    assert model.get_layer("head_scores").output.shape == (None, 14, 14, 72)
    assert model.output.shape == (None, 68, 2)


def test_a_saved_model_brings_its_own_layers(tmp_path: Path) -> None:
    model = zoo.build("efld-nano")
    model.save(tmp_path / "model.keras")
    image = np.full((1, 112, 112, 1), 90, np.float32)
    code = (
        "import numpy as np; from pathlib import Path; from efld import sessions;"
        "image = np.full((1, 112, 112, 1), 90, np.float32);"
        "print(sessions.open_session(Path('model.keras')).run({'image': image})[0].sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[-1]) == pytest.approx(
        float(np.asarray(model(image)).sum()), rel=1e-5
    )


BACKEND = """
import sys, numpy as np
from efld.models import zoo
folder, *names = sys.argv[1:]
out = {}
for name in names:
    model = zoo.build(name)
    model.load_weights(f"{folder}/{name}.weights.h5")
    out[name] = model.predict(np.load(f"{folder}/{name}.npy"), verbose=0)
np.savez(f"{folder}/out.npz", **out)
"""


def test_both_backends_build_every_graph_of_the_zoo_and_agree(tmp_path: Path) -> None:
    """The last of those that differ in their pictures' size stands for the others."""
    graphs = {repr(replace(row, input_px=0, note="")): name for name, row in zoo.ZOO.items()}
    here = {}
    for name in graphs.values():
        model = zoo.build(name)
        shape = (2, *model.input_shape[1:])
        images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
        np.save(tmp_path / f"{name}.npy", images)
        model.save_weights(tmp_path / f"{name}.weights.h5")
        here[name] = np.asarray(model(images))
    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    # Compiling without optimisation is several times faster, and the sums are the same to 1e-6.
    env = {**os.environ, "KERAS_BACKEND": other, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    subprocess.run([sys.executable, "-c", BACKEND, str(tmp_path), *here], env=env, check=True)
    with np.load(tmp_path / "out.npz") as there:
        for name, answer in here.items():
            assert np.abs(answer - there[name]).max() < 1e-5, name


def test_compound_scaling_checks_its_constraint() -> None:
    scaling = efficientnet.compound(1)
    assert scaling == (1.1, 1.2, 129)
    assert efficientnet.compound(0) == (1.0, 1.0, 112)
    with pytest.raises(InputError, match=r"within 0\.1 of 2, found 2\.420"):
        efficientnet.compound(1, alpha=2.0, beta=1.1, gamma=1.0)


def test_depth_repeats_the_last_block_of_a_stage_without_its_stride() -> None:
    deep = mobilenetv3.deepened(mobilenetv3.SMALL, 1.5)
    assert [b.out for b in deep] == [16] * 2 + [24] * 3 + [40] * 5 + [48] * 3 + [96] * 5
    assert np.prod([b.stride for b in deep]) == np.prod([b.stride for b in mobilenetv3.SMALL])


def test_minimalistic_has_no_squeeze_excite_and_no_swish() -> None:
    model = models.build("efld", minimalistic=True)
    assert not any("_se_" in layer.name for layer in model.layers)
    assert not any(isinstance(layer, HardSwish) for layer in model.layers)
    acts = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    kinds = {layer.activation.__name__ for layer in acts}
    assert kinds == {"relu"}


@pytest.mark.parametrize(
    ("channels", "rounded"), [(8, 8), (4, 8), (12, 16), (11, 16), (19, 24), (18, 24), (100, 104)]
)
def test_channels_are_multiples_of_eight_and_never_below_nine_tenths(
    channels: float, rounded: int
) -> None:
    assert blocks.round_channels(channels) == rounded


def test_multiply_adds_are_counted_by_hand() -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, strides=2, padding="same")(image)  # 4*4 * 3*3*3*5 = 2160
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)  # 4*4 * 3*3*5   =  720
    x = keras.layers.Dense(7)(keras.layers.Flatten()(x))  # 80 * 7        =  560
    assert zoo.multiply_adds(keras.Model(image, x)) == 2160 + 720 + 560


def test_named_sizes_are_what_they_say() -> None:
    cost = {row.name: row for row in zoo.table()}
    assert 4e6 < cost["efld-nano"].multiply_adds < 6e6
    assert 12e6 < cost["efld-small"].multiply_adds < 18e6
    assert 80e6 < cost["efld-large"].multiply_adds < 95e6
    assert cost["efficientnet-w0.25-d1.2"].float_bytes == 4 * 682_012


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("resnet", {}, "model family 'resnet' is unknown"),
        ("efld", {"table": "medium"}, "efld table 'medium' is unknown"),
        ("efficientnet", {"head": "big"}, "efficientnet head 'big' is unknown"),
        ("efficientnet", {"minimalistic": True}, "unexpected keyword argument 'minimalistic'"),
        ("efld", {"width": 0.0}, "expected numbers above 0"),
    ],
)
def test_unknown_choices_are_errors(family: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        models.build(family, **options)


def test_an_unknown_zoo_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'efld-tiny' is unknown, expected one of efld-nano, "):
        zoo.build("efld-tiny")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (BatchNorm(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)),
        (HardSwish(), keras.layers.Activation("hard_swish")),
    ],
)
def test_compiled_layers_train_as_keras_does(
    ours: keras.layers.Layer, theirs: keras.layers.Layer
) -> None:
    """Result, gradients of input and weights, moving averages, and the result after training."""
    import tensorflow as tf

    image = np.random.default_rng(0).normal(3, 2, (16, 9, 8, 4)).astype(np.float32)
    found = []
    for layer in (ours, theirs):
        layer.build(image.shape)
        for weight in layer.trainable_variables:
            weight.assign(np.linspace(0.5, 2, 4))
        x, weights = tf.constant(image), [weight.value for weight in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        gradients = tape.gradient(loss, [x, *weights])
        found.append([y, *gradients, *layer.non_trainable_variables, layer(image)])
    for mine, other in zip(*found, strict=True):
        # Sums over 1152 places in another order.
        np.testing.assert_allclose(np.asarray(mine), np.asarray(other), rtol=1e-4, atol=1e-4)


def test_statistics_of_a_large_batch_keep_their_digits() -> None:
    """A deep net multiplies what the first layers' statistics are off by a thousand."""
    maps = np.random.default_rng(0).normal(30, 1, (64, 56, 56, 3)).astype(np.float32)
    layer = BatchNorm(momentum=0.0)
    layer(maps, training=True)
    # 64 * 56 * 56 terms; added one after the other in float32, the means are off by 1e-5.
    exact = maps.astype(np.float64)
    np.testing.assert_allclose(layer.moving_mean, exact.mean((0, 1, 2)), rtol=2e-6)
    np.testing.assert_allclose(layer.moving_variance, exact.var((0, 1, 2)), rtol=1e-5)
