"""The nets of the calibration as `.tflite` files: random weights, which no count depends on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.estimate.published import Net
from efld import files
from efld.errors import InputError, to_install
from efld.quiet import native_stderr


def folder() -> Path:
    """Where the files are kept; it may be deleted."""
    return files.cache_folder() / "estimate"


def tflite(net: Net) -> Path:
    """The net's file, built in half a minute unless it is there.

    Raises:
        InputError: no Keras or no TensorFlow.
    """
    path = folder() / f"{net}.tflite"
    if not path.is_file():
        with files.whole(path) as temporary:
            temporary.write_bytes(_converted(net))
    return path


def _converted(net: Net) -> bytes:
    try:
        with native_stderr():
            import keras
            import tensorflow
    except ImportError:
        raise InputError(
            "calibration: builds nets with Keras and TensorFlow, found none. Run: "
            f"{to_install('train')}."
        ) from None
    # The published V3 nets take normalised pixels; the older families never scale them.
    third = {"minimalistic": net.minimalistic, "include_preprocessing": False}
    options = third if net.family.startswith("MobileNetV3") else {}
    shape = (net.input_px, net.input_px, 3)
    build = getattr(keras.applications, net.family)
    model = build(shape, alpha=net.width, weights=None, **options)
    signature = [keras.InputSpec(shape=(1, *shape), dtype="float32", name="image")]
    with tempfile.TemporaryDirectory() as saved, native_stderr():
        model.export(saved, "tf_saved_model", input_signature=signature, verbose=False)
        converter = tensorflow.lite.TFLiteConverter.from_saved_model(saved)
        if net.kind == "int8":
            converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _pictures(shape)
            converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        return bytes(converter.convert())


def _pictures(shape: tuple[int, ...]) -> Iterator[list[NDArray[Any]]]:
    """Noise sets the scales: of random weights, one is as good as another."""
    generator = np.random.default_rng(0)
    for _ in range(4):
        yield [generator.uniform(-1, 1, (1, *shape)).astype(np.float32)]
