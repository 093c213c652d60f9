"""Deformable convolution: each tap of the window reads where the input tells it to."""

import keras
from keras import ops

from keras_medformers.layers.strided_convolution import StridedConv2D


@keras.saving.register_keras_serializable("keras_medformers")
class DeformableConv2D(keras.layers.Layer):
    """2D convolution whose window is bent at each position by offsets computed from the input.

    This is the first version, without modulation. A plain convolution of the same window gives two
    offsets per tap, (row, column) in pixels, tap after tap in row order; values between pixels are
    interpolated bilinearly, and outside the input there are zeros. Offsets start at zero, which is the
    plain convolution, padded by `kernel_size // 2` on all sides.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the window, odd.
        strides: Step of the window along height and width.
        use_bias: Whether a bias is added.
        kernel_initializer: Initialiser of the kernel.

    Input shape:
        `(batch, height, width, channels)`; height and width may be unknown.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: If `kernel_size` is not odd.

    Reference:
        Dai et al., Deformable Convolutional Networks, section 2.1; Taha et al., HCT, section 3.
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        strides=1,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"Expected `kernel_size` to be odd. Received: kernel_size={kernel_size}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        channels = input_shape[-1]
        taps = self.kernel_size**2
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, channels, self.filters),
            initializer=self.kernel_initializer,
        )

        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros"
            )

        self.offset = StridedConv2D(
            2 * taps,
            self.kernel_size,
            self.strides,
            data_format="channels_last",
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
            name="offset",
        )
        self.offset.build((None, None, None, channels))

    def call(self, x):
        margin = self.kernel_size // 2
        offsets = self.offset(
            ops.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
        )
        taps = self.kernel_size**2
        _, height, width, _ = ops.shape(offsets)
        rows, columns = self._positions(offsets, height, width)

        # (batch, height * width * taps, channels); the taps of a position lie side by side.
        sampled = sample_bilinear(x, rows, columns)
        sampled = ops.reshape(sampled, (-1, height, width, taps * x.shape[-1]))
        result = ops.matmul(sampled, ops.reshape(self.kernel, (-1, self.filters)))
        return result + self.bias if self.use_bias else result

    def _positions(self, offsets, height, width):
        """Rows and columns that the taps read, each `(batch, height * width * taps)` in pixels."""
        # Ten thousands of pixels are beyond half precision's whole numbers.
        offsets = ops.cast(offsets, "float32")
        offsets = ops.reshape(offsets, (-1, height, width, self.kernel_size**2, 2))

        # Places of the taps around the middle of the window, (taps,) each.
        tap = ops.arange(self.kernel_size, dtype="float32") - self.kernel_size // 2
        tap_rows, tap_columns = (
            ops.reshape(t, (-1,)) for t in ops.meshgrid(tap, tap, indexing="ij")
        )

        # (batch, height, width, taps) each: the window's middle, the tap, its offset.
        rows = ops.cast(ops.arange(height) * self.strides, "float32")
        columns = ops.cast(ops.arange(width) * self.strides, "float32")
        rows = ops.reshape(rows, (1, -1, 1, 1)) + tap_rows + offsets[..., 0]
        columns = ops.reshape(columns, (1, 1, -1, 1)) + tap_columns + offsets[..., 1]
        length = height * width * self.kernel_size**2
        return ops.reshape(rows, (-1, length)), ops.reshape(columns, (-1, length))

    def compute_output_shape(self, input_shape):
        batch, *sizes, _ = input_shape
        return (
            batch,
            *(size and -(-size // self.strides) for size in sizes),
            self.filters,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def sample_bilinear(x, rows, columns):
    """Values of maps between their pixels; zeros outside.

    Args:
        x: Maps `(batch, height, width, channels)`.
        rows: Where to read, in pixels from the first row, float32 `(batch, points)`.
        columns: As `rows`, from the first column.

    Returns:
        `(batch, points, channels)`.

    Reference:
        Dai et al., Deformable Convolutional Networks, eq. (3) and (4).
    """
    batch, height, width, channels = ops.shape(x)
    # (batch * height * width, channels): one gather for all images, each from its first pixel on.
    pixels = ops.reshape(x, (-1, channels))
    first_of_image = ops.expand_dims(
        ops.arange(batch, dtype="int32") * (height * width), 1
    )
    top, left = ops.floor(rows), ops.floor(columns)
    result = 0.0
    for row, row_share in ((top, top + 1.0 - rows), (top + 1.0, rows - top)):
        for column, column_share in (
            (left, left + 1.0 - columns),
            (left + 1.0, columns - left),
        ):
            inside = _inside(row, height) & _inside(column, width)
            share = ops.where(inside, row_share * column_share, 0.0)
            place = first_of_image + _pixel(row, height) * width + _pixel(column, width)
            result = result + ops.expand_dims(ops.cast(share, x.dtype), -1) * ops.take(
                pixels, place, axis=0
            )

    return result


def _inside(position, size):
    return (position >= 0) & (position <= ops.cast(size - 1, "float32"))


def _pixel(position, size):
    return ops.cast(ops.clip(position, 0, ops.cast(size - 1, "float32")), "int32")
