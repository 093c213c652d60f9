"""HiFuse's inverted residual MLP, which makes one map of the three that a stage fuses."""

import keras

from keras_medformers.layers.exact_gelu import exact_gelu
from keras_medformers.layers.initializers import fan_in_uniform

CONVOLUTIONS = ("dense", "depthwise")


@keras.saving.register_keras_serializable("keras_medformers")
class InvertedResidualMlp(keras.layers.Layer):
    """norm1(x + gelu(conv1(x))), then conv2 to four times the width, GELU, conv3, norm3.

    No convolution has a bias; conv1 is 3 x 3, the others 1 x 1; BatchNorm eps 1e-5, exact GELU.

    Args:
        filters: Channels of the result.
        convolution: `"dense"`, as the official code runs conv1, or `"depthwise"`, as the paper's
            Table 1 and Fig. 2 have it.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height, width, filters)`.

    Raises:
        ValueError: If `convolution` is not known.

    Reference:
        Huo et al., HiFuse, section 3.5 and eq. (4).
    """

    def __init__(self, filters, convolution="dense", **kwargs):
        super().__init__(**kwargs)
        if convolution not in CONVOLUTIONS:
            raise ValueError(
                f"Expected `convolution` in {CONVOLUTIONS}. Received: {convolution=}"
            )
        self.filters = filters
        self.convolution = convolution

    def build(self, input_shape):
        channels, policy = input_shape[-1], self.dtype_policy
        if self.convolution == "dense":
            self.conv1 = self._convolution("conv1", channels, 3, 9 * channels)
        else:
            self.conv1 = keras.layers.DepthwiseConv2D(
                3,
                padding="same",
                use_bias=False,
                depthwise_initializer=fan_in_uniform(9),
                dtype=policy,
                name="conv1",
            )

        self.norm1 = _batch_norm("norm1", policy)
        self.conv2 = self._convolution("conv2", 4 * channels, 1, channels)
        self.conv3 = self._convolution("conv3", self.filters, 1, 4 * channels)
        self.norm3 = _batch_norm("norm3", policy)
        self.conv1.build(input_shape)
        self.norm1.build(input_shape)
        self.conv2.build(input_shape)
        self.conv3.build((*input_shape[:3], 4 * channels))
        self.norm3.build((*input_shape[:3], self.filters))

    def _convolution(self, name, filters, size, fan_in):
        return keras.layers.Conv2D(
            filters,
            size,
            padding="same",
            use_bias=False,
            kernel_initializer=fan_in_uniform(fan_in),
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, feature_map, training=None):
        x = feature_map + exact_gelu(self.conv1(feature_map))
        x = self.conv2(self.norm1(x, training=training))
        x = self.conv3(exact_gelu(x))
        return self.norm3(x, training=training)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "convolution": self.convolution,
        }


def _batch_norm(name, policy):
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, dtype=policy, name=name
    )
