"""Halving a map by joining neighbouring positions."""

import keras
from keras import ops

from keras_medformers.layers.initializers import normal


@keras.saving.register_keras_serializable("keras_medformers")
class PatchMerging(keras.layers.Layer):
    """Joins 2 x 2 positions into one, LayerNorm (eps 1e-5), then a dense layer without bias.

    The joined channels are those of (row, column) = (0, 0), (1, 0), (0, 1), (1, 1).

    Args:
        filters: Channels of the result.

    Input shape:
        `(batch, height, width, channels)` with even height and width.

    Output shape:
        `(batch, height / 2, width / 2, filters)`.

    Reference:
        Liu et al., Swin Transformer, section 3.1.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        joined_shape = (*input_shape[:3], 4 * input_shape[3])
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-5, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build(joined_shape)
        self.reduction = keras.layers.Dense(
            self.filters,
            use_bias=False,
            kernel_initializer=normal(),
            dtype=self.dtype_policy,
            name="reduction",
        )
        self.reduction.build(joined_shape)

    def call(self, feature_map):
        height, width, channels = feature_map.shape[1:]
        # (batch, height / 2, row, width / 2, column, channels)
        x = ops.reshape(feature_map, (-1, height // 2, 2, width // 2, 2, channels))
        # (batch, height / 2, width / 2, column, row, channels), so that rows change first.
        x = ops.transpose(x, (0, 1, 3, 4, 2, 5))
        x = ops.reshape(x, (-1, height // 2, width // 2, 4 * channels))
        return self.reduction(self.norm(x))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] // 2, input_shape[2] // 2, self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}
