"""Self-attention within the windows of a map, with relative position bias and shifted windows."""

import keras
import numpy as np
from keras import ops

from keras_medformers.layers.initializers import normal

MASKED = -100.0
"""Added to the scores of positions that are no neighbours before the shift, as in Swin's code."""


@keras.saving.register_keras_serializable("keras_medformers")
class WindowAttention(keras.layers.Layer):
    """Multi-head self-attention within square windows of a map: W-MSA, and shifted SW-MSA.

    The shift is cyclic: the map is rolled towards its origin, and positions that the roll brought
    into one window from different sides do not see each other.

    Args:
        num_heads: Number of heads; divides the channels.
        window_size: Side of the windows; divides the map's height and width.
        shift_size: By how much the windows are shifted; 0 for W-MSA.

    Input shape:
        `(batch, height, width, channels)` with known height and width.

    Output shape:
        As the input.

    Raises:
        ValueError: If the map does not fit the windows or the channels do not fit the heads.

    Reference:
        Huo et al., HiFuse, section 3.3; Liu et al., Swin Transformer, section 3.2.
    """

    def __init__(self, num_heads, window_size, shift_size=0, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= shift_size < window_size:
            raise ValueError(
                f"Expected 0 <= `shift_size` < `window_size`. Received: {shift_size=}, {window_size=}"
            )
        self.num_heads = num_heads
        self.window_size = window_size
        self.shift_size = shift_size

    def build(self, input_shape):
        height, width, channels = input_shape[1:]
        if (
            None in (height, width)
            or height % self.window_size
            or width % self.window_size
        ):
            raise ValueError(
                f"Expected a map whose height and width divide by window_size={self.window_size}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        if channels % self.num_heads:
            raise ValueError(
                f"Expected channels that divide by num_heads={self.num_heads}. "
                f"Received: input_shape={tuple(input_shape)}"
            )

        self._head_dim = channels // self.num_heads
        self.qkv = self._dense(3 * channels, "qkv")
        self.qkv.build((None, None, channels))
        self.proj = self._dense(channels, "proj")
        self.proj.build((None, None, channels))
        self.relative_position_bias = self.add_weight(
            name="relative_position_bias",
            shape=((2 * self.window_size - 1) ** 2, self.num_heads),
            initializer=normal(),
        )
        self._position_index = relative_position_index(self.window_size).reshape(-1)
        self._mask = shift_mask(height, width, self.window_size, self.shift_size)

    def _dense(self, units, name):
        return keras.layers.Dense(
            units, kernel_initializer=normal(), dtype=self.dtype_policy, name=name
        )

    def call(self, feature_map):
        height, width, channels = feature_map.shape[1:]
        length = self.window_size**2
        windows = height * width // length
        shift = (self.shift_size, self.shift_size)
        if self.shift_size:
            feature_map = ops.roll(
                feature_map, (-self.shift_size, -self.shift_size), axis=(1, 2)
            )
        # (batch * windows, length, channels)
        tokens = partition_windows(feature_map, self.window_size)

        # Query, key and value: (batch * windows, heads, length, head_dim) each.
        qkv = ops.reshape(
            self.qkv(tokens), (-1, length, 3, self.num_heads, self._head_dim)
        )
        query, key, value = ops.unstack(
            ops.transpose(qkv, (2, 0, 3, 1, 4)), num=3, axis=0
        )

        # (batch * windows, heads, length, length), and with the windows on an axis of
        # their own while the bias is added, which differs from window to window.
        scores = ops.matmul(
            query * self._head_dim**-0.5, ops.transpose(key, (0, 1, 3, 2))
        )
        scores = ops.reshape(scores, (-1, windows, self.num_heads, length, length))
        maps = ops.softmax(scores + self._bias(scores.dtype), axis=-1)
        maps = ops.reshape(maps, (-1, self.num_heads, length, length))

        # (batch * windows, length, heads, head_dim), then heads beside each other.
        mixed = ops.transpose(ops.matmul(maps, value), (0, 2, 1, 3))
        tokens = self.proj(ops.reshape(mixed, (-1, length, channels)))

        # (batch, height, width, channels)
        feature_map = join_windows(tokens, height, width)
        return (
            ops.roll(feature_map, shift, axis=(1, 2))
            if self.shift_size
            else feature_map
        )

    def _bias(self, dtype):
        """What is added to the scores: `(windows or 1, heads, length, length)`."""
        length = self.window_size**2
        # (heads, offsets), of which each pair of positions takes one: (heads, length, length).
        table = ops.transpose(ops.cast(self.relative_position_bias, dtype))
        bias = ops.reshape(
            ops.take(table, self._position_index, axis=1), (-1, length, length)
        )
        return (
            bias
            if self._mask is None
            else bias + ops.convert_to_tensor(self._mask, dtype)
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "window_size": self.window_size,
            "shift_size": self.shift_size,
        }


def partition_windows(feature_map, window_size):
    """`(batch, height, width, channels)` to `(batch * windows, window_size ** 2, channels)`, row by row."""
    height, width, channels = feature_map.shape[1:]
    rows, columns = height // window_size, width // window_size
    x = ops.reshape(
        feature_map, (-1, rows, window_size, columns, window_size, channels)
    )
    # (batch, rows, columns, window_size, window_size, channels) before windows join the batch.
    return ops.reshape(
        ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, window_size**2, channels)
    )


def join_windows(tokens, height, width):
    """The map that `partition_windows` took apart."""
    window_size, channels = round(tokens.shape[1] ** 0.5), tokens.shape[2]
    rows, columns = height // window_size, width // window_size
    x = ops.reshape(tokens, (-1, rows, columns, window_size, window_size, channels))
    # (batch, rows, window_size, columns, window_size, channels) before windows join the sides.
    return ops.reshape(
        ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height, width, channels)
    )


def relative_position_index(window_size):
    """Row of the bias table for each query and key of a window, `(length, length)`."""
    row, column = np.divmod(np.arange(window_size**2), window_size)
    row_offset = row[:, None] - row[None, :] + window_size - 1
    column_offset = column[:, None] - column[None, :] + window_size - 1
    return (row_offset * (2 * window_size - 1) + column_offset).astype("int32")


def shift_mask(height, width, window_size, shift_size):
    """0 or `MASKED` for each query and key, `(windows, 1, length, length)`; None without a shift."""
    if shift_size == 0:
        return None
    regions = 3 * _regions(height, window_size, shift_size)[:, None] + _regions(
        width, window_size, shift_size
    )
    rows, columns = height // window_size, width // window_size
    # (height, width) to (rows, columns, window_size, window_size), then a line per window.
    regions = regions.reshape(rows, window_size, columns, window_size).transpose(
        0, 2, 1, 3
    )
    regions = regions.reshape(rows * columns, 1, window_size**2)
    same = regions[..., :, None] == regions[..., None, :]
    return np.where(same, 0.0, MASKED).astype("float32")


def _regions(size, window_size, shift_size):
    """Which side of the map each line of a rolled map came from: 0 or 1 belong together, 2 was rolled in."""
    position = np.arange(size)
    return (position >= size - window_size).astype(int) + (
        position >= size - shift_size
    )
