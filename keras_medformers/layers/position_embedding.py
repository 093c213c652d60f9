"""Learned position embedding."""

import math

import keras
from keras import ops

from keras_medformers.layers.attention import small_normal


@keras.saving.register_keras_serializable("keras_medformers")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector to each token, as in ViT.

    Args:
        grid: `(height, width)` of the map whose positions are the last tokens, row by row; what comes before
            them (a class token) is no part of it. With it, weights saved for a square map of another
            size are resampled when they are loaded. None for tokens that are no positions of a map.

    Input shape:
        `(batch, tokens, channels)`.

    Output shape:
        As the input.

    Raises:
        ValueError: If there are fewer tokens than the grid has positions.

    Reference:
        Dosovitskiy et al., An Image is Worth 16x16 Words, eq. (1).
    """

    def __init__(self, grid=None, **kwargs):
        super().__init__(**kwargs)
        self.grid = None if grid is None else tuple(grid)

    def build(self, input_shape):
        if self.grid and math.prod(self.grid) > input_shape[1]:
            raise ValueError(
                f"Expected `grid` to have at most the input's {input_shape[1]} tokens. "
                f"Received: grid={self.grid}"
            )
        self.position = self.add_weight(
            name="position",
            shape=(1, *input_shape[1:]),
            initializer=small_normal(),
        )

    def call(self, tokens):
        return tokens + self.position

    def resampled(self, position):
        """`position`, `(1, other tokens, channels)`, for this layer's grid.

        One of as many tokens is returned as it is, whatever grid it was for.

        Raises:
            ValueError: If it is of another length and not for a square map.
        """
        tokens = self.position.shape[1]
        if self.grid is None or position.shape[1] == tokens:
            return position
        return resample_positions(position, self.grid, tokens - math.prod(self.grid))

    def load_own_variables(self, store):
        if self.grid and "0" in store.keys():  # noqa: SIM118 (an H5 store is no dict)
            self.position.assign(self.resampled(ops.convert_to_tensor(store["0"][()])))
        else:
            super().load_own_variables(store)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "grid": self.grid}


def resample_positions(position, grid, num_prefix_tokens):
    """The embedding of a square map's positions for a map of another size.

    Bicubic with antialiasing, as timm does it; the first `num_prefix_tokens` stay.

    Args:
        position: `(1, num_prefix_tokens + side * side, channels)`.
        grid: `(height, width)` of the other map.
        num_prefix_tokens: Tokens that are no positions, such as the class token.

    Returns:
        `(1, num_prefix_tokens + height * width, channels)`, float32.

    Raises:
        ValueError: If the map is not square.
    """
    positions, channels = position.shape[1] - num_prefix_tokens, position.shape[2]
    side = math.isqrt(max(positions, 0))
    if not positions or side * side != positions:
        raise ValueError(
            f"Expected the position embedding of a square map and {num_prefix_tokens} more tokens. "
            f"Received: position.shape={tuple(position.shape)}"
        )

    position = ops.cast(position, "float32")
    image = ops.reshape(position[:, num_prefix_tokens:], (1, side, side, channels))
    image = ops.image.resize(
        image,
        grid,
        interpolation="bicubic",
        antialias=True,
        data_format="channels_last",
    )
    resampled = ops.reshape(image, (1, -1, channels))  # (1, height * width, channels)

    return ops.concatenate([position[:, :num_prefix_tokens], resampled], axis=1)
