"""The raw pixels that an exported model takes, and the checks in its graph that refuse others.

A server answers a refused request with InvalidArgument and the text of the check.
"""

import dataclasses

import tensorflow as tf

from keras_medformers.modalities import Modality

FILE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""First bytes of JPEG and PNG files."""

VALUES_SHOWN = 8
"""Entries of a shape or a list that an error shows."""


@dataclasses.dataclass(frozen=True)
class Pixels:
    """Raw pixels in a graph.

    Attributes:
        modality: What they are pixels of. Those of a `Modality` of one's own may be floats.
    """

    modality: Modality

    @property
    def dtype(self) -> str:
        """Type of a value."""
        return self.modality.dtype

    @property
    def channels(self) -> int:
        """Values per pixel."""
        return self.modality.channels

    @property
    def spec(self) -> tf.TensorSpec:
        """The signature's input: a batch of images of one size, any."""
        return tf.TensorSpec(
            [None, None, None, self.channels], self.dtype, name="pixels"
        )

    def checked(self, pixels: tf.Tensor) -> tf.Tensor:
        """The same pixels, in a graph that stops at a wrong shape and at values of another modality.

        Refused are only values that no image of the modality can have, by the modality's own
        rules, and floats that are not finite.
        """
        # Of a placeholder with a known rank the check would be folded away: it is always right.
        shape = tf.shape(tf.compat.v1.placeholder_with_default(pixels, None))
        pixels, shape = _after(
            (pixels, shape),
            require(
                tf.equal(tf.size(shape), 4),
                "expected pixels of shape (batch, height, width, channels), received shape",
                shape,
            ),
        )
        pixels = _after(
            pixels,
            require(
                tf.equal(shape[-1], self.channels),
                f"expected pixels with {_channels(self.channels)} in the last axis, received shape",
                shape,
            ),
            require(
                shape[0] > 0,
                "expected at least one image, received an empty batch of shape",
                shape,
            ),
            require(
                tf.reduce_all(shape[1:3] > 0),
                "expected images with pixels, received shape",
                shape,
            ),
        )

        return _after(pixels, *self._checks_of_values(pixels))

    def _checks_of_values(self, pixels: tf.Tensor) -> list:
        axes = (1, 2, 3)
        modality, checks = self.modality, []
        # The operations on uint16 are few.
        values = tf.cast(pixels, tf.int32) if pixels.dtype == tf.uint16 else pixels
        if modality.a_value_below is not None:
            checks.append(tf.reduce_min(values, axes) < modality.a_value_below)
        if modality.varies:
            checks.append(tf.reduce_max(values, axes) > tf.reduce_min(values, axes))
        if checks:
            right = tf.reduce_all(tf.stack(checks), axis=0)
            return [require_of_each(right, modality.refusal)]
        if pixels.dtype.is_floating:
            return [
                require_of_each(
                    tf.reduce_all(tf.math.is_finite(pixels), axes),
                    "expected finite values; these images have NaN or infinity",
                )
            ]

        return []

    def from_bytes(self, raw: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Pixels from their bytes, as they lie in memory: little-endian, rows of pixels of channels.

        Args:
            raw: `(batch,)` strings.
            shape: Height and width of each image, `(batch, 2)`.
        """
        ranked = [
            tf.shape(tf.compat.v1.placeholder_with_default(x, None))
            for x in (raw, shape)
        ]
        count = tf.reduce_prod(ranked[0])
        raw, shape = _after(
            (raw, shape),
            require(
                tf.equal(tf.size(ranked[0]), 1),
                "expected raw of shape (batch,), received shape",
                ranked[0],
            ),
            require(
                count > 0,
                "expected at least one image, received an empty batch of shape",
                ranked[0],
            ),
            require(
                _equal(ranked[1], tf.stack([count, 2])),
                "expected shape to have height and width of each image, (batch, 2); received raw of shape",
                ranked[0],
                "and shape of shape",
                ranked[1],
            ),
        )
        height, width = shape[0, 0], shape[0, 1]
        raw, shape = _after(
            (raw, shape),
            require(
                tf.reduce_all(tf.equal(shape, shape[:1])),
                "expected the images of a batch to have one height and width, received",
                shape,
            ),
            require(
                (height > 0) & (width > 0),
                "expected images with pixels, received height, width",
                shape,
            ),
        )
        value = tf.as_dtype(self.dtype).size
        lengths = tf.strings.length(raw)
        raw = _after(
            raw,
            require(
                tf.reduce_all(
                    tf.equal(lengths, height * width * (self.channels * value))
                ),
                f"expected height x width x {self.channels * value} bytes ({self.dtype}, "
                f"{_channels(self.channels)}) of each image; received height, width",
                shape[0],
                "and bytes",
                lengths,
            ),
        )
        values = tf.io.decode_raw(raw, self.dtype, little_endian=True)

        return tf.reshape(values, [-1, height, width, self.channels])


def checked_files(encoded: tf.Tensor) -> tf.Tensor:
    """The same files, in a graph that stops at what is neither JPEG nor PNG."""
    shape = tf.shape(tf.compat.v1.placeholder_with_default(encoded, None))
    encoded = _after(
        encoded,
        require(
            tf.equal(tf.size(shape), 1),
            "expected encoded of shape (batch,), received shape",
            shape,
        ),
        require(
            tf.reduce_all(shape > 0),
            "expected at least one image, received an empty batch of shape",
            shape,
        ),
    )
    known = [
        tf.equal(tf.strings.substr(encoded, 0, len(start)), start)
        for start in FILE_STARTS
    ]

    return _after(
        encoded,
        require_of_each(
            tf.reduce_any(known, axis=0),
            "expected the bytes of JPEG or PNG files; these are something else",
        ),
    )


def decode_file(encoded: tf.Tensor) -> tf.Tensor:
    """The RGB pixels of a JPEG or PNG file, as the input pipeline decodes it: the operation takes both."""
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def require(condition: tf.Tensor, text: str, *values: tf.Tensor | str):
    """An operation that stops the graph with the text and the values unless the condition holds."""
    return tf.debugging.Assert(condition, [text, *values], summarize=VALUES_SHOWN)


def require_of_each(conditions: tf.Tensor, text: str):
    """An operation that stops the graph unless a condition holds of each image; it says of which not."""
    wrong = tf.where(tf.logical_not(conditions))[:, 0]
    return require(tf.reduce_all(conditions), f"{text}. Images, counted from 0:", wrong)


def _equal(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Whether two vectors are equal, of whatever length."""
    return tf.cond(
        tf.equal(tf.size(first), tf.size(second)),
        lambda: tf.reduce_all(tf.equal(first, second)),
        lambda: tf.constant(False),
    )


def _after(tensors, *checks):
    """The tensors, once the checks have passed. Run eagerly, a check has passed already and is None."""
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.nest.map_structure(tf.identity, tensors)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
