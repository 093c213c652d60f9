"""Random crops of photographs for training: torchvision's `RandomResizedCrop` and horizontal flip.

Every picture has a key of its own, so that the same seed gives the same crops in any process, whatever
was read before. `tf.image.stateless_sample_distorted_bounding_box` would do as well, but it draws the
crop's height evenly instead of its area, and so leaves less of the picture.
"""

import math

import tensorflow as tf

ASPECT_RATIOS = (3 / 4, 4 / 3)
ATTEMPTS = 10


def random_resized_crop(
    picture: tf.Tensor, key: tf.Tensor, size_px: int, min_area: float
) -> tf.Tensor:
    """A random part of the picture at the network's size, left and right exchanged in half of the cases.

    Args:
        picture: uint8 tensor `(height, width, channels)`.
        key: Two int64; the same key gives the same crop.
        size_px: Height and width of the result.
        min_area: Smallest share of the picture that the crop covers; the share is drawn evenly up to 1,
            the logarithm of the crop's width to height evenly between those of 3/4 and 4/3.

    Returns:
        float32 tensor `(size_px, size_px, channels)` in [0, 255].
    """
    box_key, flip_key = tf.unstack(tf.random.split(key, 2))
    height, width = tf.unstack(tf.shape(picture)[:2])
    top, left, box_height, box_width = random_box(height, width, box_key, min_area)
    crop = tf.image.crop_to_bounding_box(picture, top, left, box_height, box_width)
    resized = tf.image.resize(crop, (size_px, size_px), antialias=True)
    return tf.image.stateless_random_flip_left_right(resized, flip_key)


def random_box(
    height: tf.Tensor, width: tf.Tensor, key: tf.Tensor, min_area: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Place and size of a crop: top, left, height and width, int32.

    Ten boxes are drawn and the first that fits is taken; where none does, the largest in the middle of
    the picture whose shape is allowed.
    """
    area_key, ratio_key, place_key = tf.unstack(tf.random.split(key, 3))
    picture_area = tf.cast(height * width, tf.float32)
    areas = picture_area * tf.random.stateless_uniform(
        [ATTEMPTS], area_key, min_area, 1.0
    )
    lowest, highest = map(math.log, ASPECT_RATIOS)
    ratios = tf.exp(tf.random.stateless_uniform([ATTEMPTS], ratio_key, lowest, highest))
    heights, widths = (
        _rounded(tf.sqrt(areas / ratios)),
        _rounded(tf.sqrt(areas * ratios)),
    )
    fits = (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)

    fallback_height = tf.minimum(
        height, _rounded(tf.cast(width, tf.float32) / ASPECT_RATIOS[0])
    )
    fallback_width = tf.minimum(
        width, _rounded(tf.cast(height, tf.float32) * ASPECT_RATIOS[1])
    )
    found = tf.reduce_any(fits)
    first = tf.argmax(fits)
    box_height = tf.where(found, heights[first], fallback_height)
    box_width = tf.where(found, widths[first], fallback_width)

    room = tf.stack([height - box_height, width - box_width])
    place = tf.random.stateless_uniform([2], place_key)
    random_corner = tf.cast(place * tf.cast(room + 1, tf.float32), tf.int32)
    top, left = tf.unstack(tf.where(found, tf.minimum(random_corner, room), room // 2))
    return top, left, box_height, box_width


def _rounded(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(values), tf.int32)
