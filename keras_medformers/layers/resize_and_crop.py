"""Resizing pictures by the shorter side and cutting out the centre, in one resampling."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_medformers")
class ResizeAndCrop(keras.layers.Layer):
    """Brings the shorter side to `resize_to` and keeps the middle `crop_to` x `crop_to`.

    Bilinear with antialiasing: the values are those of Pillow's resize and a centre crop (as
    torchvision's `Resize` and `CenterCrop` do it), but for Pillow's rounding to whole levels.

    Args:
        resize_to: Length of the shorter side in pixels after resizing.
        crop_to: Side of the result in pixels, at most `resize_to`.

    Input shape:
        `(batch, height, width, channels)`, any numeric type; height and width may be unknown.

    Output shape:
        `(batch, crop_to, crop_to, channels)`, float32.

    Raises:
        ValueError: If `crop_to` is larger than `resize_to` or below 1.
    """

    def __init__(self, resize_to, crop_to, **kwargs):
        super().__init__(**kwargs)
        if not 1 <= crop_to <= resize_to:
            raise ValueError(
                f"Expected 1 <= `crop_to` <= `resize_to`. Received: {crop_to=}, {resize_to=}"
            )
        self.resize_to = resize_to
        self.crop_to = crop_to

    def call(self, images):
        height, width = ops.shape(images)[1:3]
        shorter = ops.minimum(height, width)
        scales, offsets = zip(
            *(self._scale_and_offset(side, shorter) for side in (height, width))
        )
        return ops.image.scale_and_translate(
            ops.cast(images, "float32"),
            (images.shape[0], self.crop_to, self.crop_to, images.shape[3]),
            ops.stack(scales),
            ops.stack(offsets),
            spatial_dims=(1, 2),
            method="bilinear",
        )

    def _scale_and_offset(self, side, shorter):
        """Of one axis; lengths and offset are whole numbers, as torchvision has them."""
        resized = self.resize_to * side // shorter
        scale = ops.cast(resized, "float32") / ops.cast(side, "float32")
        return scale, -ops.round(ops.cast(resized - self.crop_to, "float32") / 2.0)

    def compute_output_spec(self, images):
        shape = (images.shape[0], self.crop_to, self.crop_to, images.shape[3])
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "resize_to": self.resize_to,
            "crop_to": self.crop_to,
        }
