"""Strided convolution that is right in half precision on maps one window wide."""

import keras
from keras import ops

HALF = ("bfloat16", "float16")


@keras.saving.register_keras_serializable("keras_medformers")
class StridedConv2D(keras.layers.Conv2D):
    """`Conv2D` without padding, right where the output has one column, in half precision, too.

    oneDNN's convolution for CPUs with AMX (3.7.3, which TensorFlow 2.21 has, and later ones) steps from
    one output row to the next by the stride times the window's width, instead of by the input's width, if
    the output is one column wide and the stride along the width is above 1: it reads the wrong rows, and
    beyond its buffer, so that the result is wrong or NaN. Where there is one column, the stride along
    the width has no meaning; with a stride of 1 the result is right, and the same. See docs/precision.md.

    Args:
        filters: Number of output channels.
        kernel_size: Size of the window.
        strides: Step of the window along height and width.
        **kwargs: As `keras.layers.Conv2D`.

    Input shape:
        `(batch, height, width, channels)`; height and width may be unknown.

    Output shape:
        `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If `padding` is not "valid", or `dilation_rate` not 1.
    """

    def __init__(self, filters, kernel_size, strides, **kwargs):
        super().__init__(filters, kernel_size, strides, **kwargs)
        if self.padding != "valid" or any(rate != 1 for rate in self.dilation_rate):
            raise ValueError(
                "Expected `padding` of 'valid' and `dilation_rate` of 1. "
                f"Received: padding={self.padding!r}, dilation_rate={self.dilation_rate}"
            )

    def convolution_op(self, inputs, kernel):
        if (
            keras.backend.standardize_dtype(inputs.dtype) not in HALF
            or self.data_format != "channels_last"
        ):
            return super().convolution_op(inputs, kernel)

        one_column = ops.shape(inputs)[2] < self.kernel_size[1] + self.strides[1]
        if isinstance(one_column, bool):
            return (self._column if one_column else super().convolution_op)(
                inputs, kernel
            )

        plain = super().convolution_op
        return ops.cond(
            one_column,
            lambda: self._column(inputs, kernel),
            lambda: plain(inputs, kernel),
        )

    def _column(self, inputs, kernel):
        """The output's first column, which reads as many of the input's as the window has."""
        return ops.conv(
            inputs[:, :, : self.kernel_size[1]],
            kernel,
            strides=(self.strides[0], 1),
            padding="valid",
            data_format=self.data_format,
        )
