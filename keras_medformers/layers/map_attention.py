"""Weights for the channels and for the positions of a map, read off the map itself."""

import keras
from keras import ops

from keras_medformers.layers.initializers import fan_in_uniform


@keras.saving.register_keras_serializable("keras_medformers")
class ChannelAttention(keras.layers.Layer):
    """x times sigmoid(mlp(mean over positions) + mlp(maximum over positions)).

    Args:
        reduction: By how much the MLP narrows the channels, at most to one.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        As the input.

    Reference:
        Huo et al., HiFuse, eqs. (4) and (5); Woo et al., CBAM, section 3.1.
    """

    def __init__(self, reduction=16, **kwargs):
        super().__init__(**kwargs)
        self.reduction = reduction

    def build(self, input_shape):
        channels = input_shape[-1]
        hidden = max(1, channels // self.reduction)
        self.squeeze = self._convolution(hidden, channels, "squeeze")
        self.expand = self._convolution(channels, hidden, "expand")

    def _convolution(self, filters, inputs, name):
        layer = keras.layers.Conv2D(
            filters,
            1,
            use_bias=False,
            kernel_initializer=fan_in_uniform(inputs),
            dtype=self.dtype_policy,
            name=name,
        )
        layer.build((None, 1, 1, inputs))
        return layer

    def call(self, feature_map):
        # (batch, 1, 1, channels)
        mean = ops.mean(feature_map, axis=(1, 2), keepdims=True)
        maximum = ops.max(feature_map, axis=(1, 2), keepdims=True)
        return ops.sigmoid(self._mlp(mean) + self._mlp(maximum)) * feature_map

    def _mlp(self, pooled):
        return self.expand(ops.relu(self.squeeze(pooled)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "reduction": self.reduction}


@keras.saving.register_keras_serializable("keras_medformers")
class SpatialAttention(keras.layers.Layer):
    """x times sigmoid(norm(convolution([maximum, mean] over channels))); BatchNorm eps 1e-5.

    Args:
        kernel_size: Side of the convolution, odd.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        As the input.

    Reference:
        Huo et al., HiFuse, eqs. (4) and (5); Woo et al., CBAM, section 3.2.
    """

    def __init__(self, kernel_size=7, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size

    def build(self, input_shape):
        self.conv = keras.layers.Conv2D(
            1,
            self.kernel_size,
            padding="same",
            use_bias=False,
            kernel_initializer=fan_in_uniform(2 * self.kernel_size**2),
            dtype=self.dtype_policy,
            name="conv",
        )
        self.conv.build((*input_shape[:3], 2))
        self.norm = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build((*input_shape[:3], 1))

    def call(self, feature_map, training=None):
        return ops.sigmoid(self.scores(feature_map, training=training)) * feature_map

    def scores(self, feature_map, training=None):
        """What the sigmoid makes weights of, `(batch, height, width, 1)`."""
        # (batch, height, width, 1) each, joined to two channels.
        maximum = ops.max(feature_map, axis=-1, keepdims=True)
        mean = ops.mean(feature_map, axis=-1, keepdims=True)
        return self.norm(
            self.conv(ops.concatenate([maximum, mean], axis=-1)), training=training
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}
