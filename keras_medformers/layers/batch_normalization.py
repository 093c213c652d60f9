"""Batch normalisation whose running variance is the unbiased one."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_medformers")
class UnbiasedBatchNormalization(keras.layers.BatchNormalization):
    """`BatchNormalization` with PyTorch's constants and running variance.

    Keras moves `moving_variance` towards the batch's variance divided by n, PyTorch towards that
    divided by n - 1. It is the same for early maps; for the last maps of a small batch of patches, of
    some ten values per channel, it is a tenth. Outputs in training are the same in both.

    Args:
        momentum: Share of the old value in the running statistics (PyTorch counts the new one's).
        epsilon: Added to the variance.
        **kwargs: As `keras.layers.BatchNormalization`.

    Input shape:
        Any; the last axis is normalised by default.

    Output shape:
        As the input.
    """

    def __init__(self, momentum=0.9, epsilon=1e-5, **kwargs):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs, training=None, mask=None):
        updates = training and self.trainable
        if updates:
            kept = self.momentum * ops.convert_to_tensor(self.moving_variance)
        outputs = super().call(inputs, training=training, mask=mask)
        if updates:
            moved = ops.convert_to_tensor(self.moving_variance) - kept
            self.moving_variance.assign(kept + moved * self._bessel_correction(inputs))
        return outputs

    def _bessel_correction(self, inputs):
        """The factor n / (n - 1) for the n values of each channel; 1 where there is one value."""
        sizes = list(ops.shape(inputs))
        del sizes[self.axis]
        values = ops.cast(math.prod(sizes), "float32")
        return values / ops.maximum(values - 1.0, 1.0)
