"""The two layers that look which backend they run on, for TensorFlow's speed in training."""

from typing import Any

import keras
from keras import layers


def _compiled_training(training: bool | None) -> bool:
    """Whether the kernels compiled for TensorFlow do the work."""
    return bool(training) and keras.backend.backend() == "tensorflow"


@keras.saving.register_keras_serializable("efld")
class BatchNorm(layers.BatchNormalization):
    """Keras' batch normalisation over the last axis."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not (_compiled_training(training) and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        from efld.models import tensorflow_kernels

        y, mean, variance = tensorflow_kernels.normalised(
            inputs, self.gamma.value, self.beta.value, self.epsilon
        )
        for average, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + seen * (1 - self.momentum))
        return y


@keras.saving.register_keras_serializable("efld")
class HardSwish(layers.Layer):
    """Keras' h-swish."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not _compiled_training(training):
            return keras.activations.hard_swish(inputs)
        from efld.models import tensorflow_kernels

        return tensorflow_kernels.hard_swish(inputs)
