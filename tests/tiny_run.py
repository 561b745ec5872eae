"""A run folder and faces, small enough to take the whole chain from Keras to int8 in seconds."""

import functools
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np

from efld.data.pts import write_pts
from efld.spec import ModelSpec
from export import chain
from export.chain import Evaluation
from quantize.chain import Options
from tests.tiny_files import ANSWER

INPUT_PX = 32
TRAIN_FACES, TEST_FACES = 60, 12
# The shortest training, as choices of a `TrainConfig`.
ONE_STEP = {"faces": 40, "batch": 8, "epochs": 1, "epoch_steps": 1, "validation": 0.2}
# The net is not trained, so its NME says little; what int8 may cost is tested apart.
OPTIONS = Options(calibration_faces=24, max_nme_drop=5.0)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="efld-tiny-run-")


@functools.cache
def faces_root() -> Path:
    """Blurred noise with 68 points, in the layout of 300-W."""
    root = Path(_folder().name) / "300w"
    rng = np.random.default_rng(0)
    for part, count in (("trainset", TRAIN_FACES), ("testset", TEST_FACES)):
        folder = root / "lfpw" / part
        folder.mkdir(parents=True)
        for i in range(count):
            noise = rng.integers(0, 256, (12, 12), dtype=np.uint8)
            picture = cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / f"image_{i:04}.png"), picture)
            points = 8 + 48 * ANSWER + rng.normal(0, 0.5, ANSWER.shape)
            write_pts(folder / f"image_{i:04}.pts", points.astype(np.float32))
    return root


def evaluation() -> Evaluation:
    return Evaluation(faces_root(), "common")


def write_run(run: Path, head: str = "dense") -> None:
    """`model.keras` and `spec.json`: every kind of layer that the zoo has, once or twice."""
    import keras

    keras.utils.set_random_seed(0)
    model = _build(head)
    crops = evaluation().crops(SPEC).images.astype(np.float32)
    wake(model)
    for _ in range(60):  # gives batch normalisation its statistics
        model(crops, training=True)
    run.mkdir(parents=True)
    model.save(run / "model.keras")
    SPEC.write(run / "spec.json")


def wake(model: "keras.Model") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Blocks that are added start as zero; after training none is."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(np.ones(layer.gamma.shape))


SPEC = ModelSpec(model="tiny", input_px=INPUT_PX)


def _build(head: str) -> "keras.Model":  # type: ignore[name-defined]  # noqa: F821
    import keras
    from keras import layers

    from efld.models import blocks, heads
    from efld.models.heatmap import heatmap

    image = keras.Input((INPUT_PX, INPUT_PX, 1), name="image")
    x = layers.Rescaling(1 / 255, name="normalise")(image)
    x = blocks.conv_bn(x, 8, 3, 2, "hard_swish", name="stem")
    fine = x = blocks.inverted_residual(x, 16, 8, 3, 2, 0, "relu6", "hard_sigmoid", name="first")
    x = blocks.inverted_residual(x, 24, 16, 5, 2, 8, "hard_swish", "hard_sigmoid", name="second")
    coarse = blocks.inverted_residual(x, 32, 16, 3, 1, 8, "hard_swish", "sigmoid", name="third")
    if head == "heatmap":
        return keras.Model(
            image, heatmap([fine, coarse], 16, "hard_swish", ANSWER, near=5), name="tiny"
        )
    features = heads.multiscale([fine, coarse], (8, 16), "hard_swish")
    return keras.Model(image, heads.landmarks(features, ANSWER), name="tiny")


@functools.cache
def exported(head: str) -> Path:
    """A run after `python -m export`. Do not change its files: copy the folder."""
    run = Path(_folder().name) / "runs" / f"tiny-{head}"
    write_run(run, head)
    chain.export(run, evaluation(), lambda _: None)
    return run


@functools.cache
def quantized(head: str) -> Path:
    """A copy of that run after `python -m quantize`."""
    from quantize import chain as quantization

    source = exported(head)
    run = Path(shutil.copytree(source, source.with_name(f"{source.name}-int8")))
    quantization.quantize(run, evaluation(), OPTIONS, lambda _: None)
    return run
