"""Models in `.keras` files."""

from pathlib import Path

import keras


def load(path: Path) -> keras.Model:
    """The model in a file of ours, without the state of its training.

    Whoever imports this has imported `efld.models`: Keras knows the layers that are our own.

    Raises:
        ValueError, TypeError, KeyError, OSError: no such file, or none that Keras reads.
    """
    return keras.saving.load_model(path, compile=False)
