"""HiFuse's two kinds of blocks: local features by convolution, global ones by window attention."""

import keras

from keras_medformers.layers.exact_gelu import exact_gelu
from keras_medformers.layers.initializers import normal
from keras_medformers.layers.window_attention import WindowAttention


def _drop_path(rate, policy):
    """Leaves out a sample's whole branch in training, and scales up the others."""
    return keras.layers.Dropout(
        rate, noise_shape=(None, 1, 1, 1), dtype=policy, name="drop_path"
    )


@keras.saving.register_keras_serializable("keras_medformers")
class LocalBlock(keras.layers.Layer):
    """x + gelu(dense(norm(depthwise 3 x 3 (x)))); LayerNorm eps 1e-6, exact GELU, no expansion.

    Args:
        drop_path_rate: Probability with which a sample's branch is left out in training.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        As the input.

    Reference:
        Huo et al., HiFuse, section 3.4 and eq. (3).
    """

    def __init__(self, drop_path_rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.drop_path_rate = drop_path_rate

    def build(self, input_shape):
        policy = self.dtype_policy
        self.dwconv = keras.layers.DepthwiseConv2D(
            3,
            padding="same",
            depthwise_initializer=normal(0.2),
            dtype=policy,
            name="dwconv",
        )
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-6, dtype=policy, name="norm"
        )
        self.pwconv = keras.layers.Dense(
            input_shape[-1], kernel_initializer=normal(), dtype=policy, name="pwconv"
        )
        self.drop_path = _drop_path(self.drop_path_rate, policy)
        for layer in (self.dwconv, self.norm, self.pwconv, self.drop_path):
            layer.build(input_shape)

    def call(self, feature_map, training=None):
        x = self.pwconv(self.norm(self.dwconv(feature_map)))
        x = exact_gelu(x)
        return feature_map + self.drop_path(x, training=training)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "drop_path_rate": self.drop_path_rate}


@keras.saving.register_keras_serializable("keras_medformers")
class GlobalBlock(keras.layers.Layer):
    """x + gelu(dense(attention(norm(x)))); LayerNorm eps 1e-5, exact GELU, no further MLP.

    Args:
        num_heads: Number of attention heads.
        window_size: Side of the attention's windows.
        shift_size: By how much the windows are shifted.
        drop_path_rate: Probability with which a sample's branch is left out in training.

    Input shape:
        `(batch, height, width, channels)` with known height and width.

    Output shape:
        As the input.

    Reference:
        Huo et al., HiFuse, section 3.3 and eq. (2).
    """

    def __init__(
        self, num_heads, window_size, shift_size=0, drop_path_rate=0.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.window_size = window_size
        self.shift_size = shift_size
        self.drop_path_rate = drop_path_rate

    def build(self, input_shape):
        policy = self.dtype_policy
        self.norm1 = keras.layers.LayerNormalization(
            epsilon=1e-5, dtype=policy, name="norm1"
        )
        self.attn = WindowAttention(
            self.num_heads, self.window_size, self.shift_size, dtype=policy, name="attn"
        )
        self.fc1 = keras.layers.Dense(
            input_shape[-1], kernel_initializer=normal(), dtype=policy, name="fc1"
        )
        self.drop_path = _drop_path(self.drop_path_rate, policy)
        for layer in (self.norm1, self.attn, self.fc1, self.drop_path):
            layer.build(input_shape)

    def call(self, feature_map, training=None):
        x = self.fc1(self.attn(self.norm1(feature_map)))
        x = exact_gelu(x)
        return feature_map + self.drop_path(x, training=training)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "window_size": self.window_size,
            "shift_size": self.shift_size,
            "drop_path_rate": self.drop_path_rate,
        }
