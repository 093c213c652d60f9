"""Heat maps as colour on top of pictures. Needs matplotlib for its colour maps."""

import keras
import numpy as np
from matplotlib import colormaps

COLOUR_MAP = "inferno"


def overlay(image, heat, alpha=0.7, colour_map=COLOUR_MAP):
    """Colours a picture by its heat.

    The colour's opacity is the heat times `alpha`, so that the picture shows where there is no heat.

    Args:
        image: uint8 array `(height, width, 3)`, or `(height, width)` for grey.
        heat: Array `(height, width)` in [0, 1].
        alpha: Opacity of the colour at heat 1.
        colour_map: Name of a matplotlib colour map; the default gets lighter evenly, which readers with any
            colour vision and grey prints keep.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: If shapes or ranges are others.
    """
    image, heat = np.asarray(image), np.asarray(heat)
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or image.ndim == 3
        and image.shape[2] != 3
    ):
        raise ValueError(
            "Expected a uint8 image of shape (height, width, 3) or (height, width). "
            f"Received: {image.dtype} of shape {image.shape}"
        )
    if heat.shape != image.shape[:2]:
        raise ValueError(
            f"Expected heat of the image's size {image.shape[:2]}. Received: {heat.shape}"
        )
    if not (heat >= 0).all() or not (heat <= 1).all():
        raise ValueError(
            f"Expected heat in [0, 1]. Received: values in [{heat.min()}, {heat.max()}]"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"Expected alpha in [0, 1]. Received: {alpha=}")

    picture = np.repeat(image[..., None], 3, -1) if image.ndim == 2 else image
    opacity = alpha * heat[..., None].astype("float32")
    colours = 255.0 * colormaps[colour_map](heat)[..., :3]
    return np.rint((1 - opacity) * picture + opacity * colours).astype(np.uint8)


def place_on_picture(heat, height, width, crop_fraction=None):
    """Brings the heat map of a network's input back to the picture that the input was made of.

    Args:
        heat: Array `(input height, input width)` in [0, 1].
        height: The picture's, in pixels.
        width: The picture's, in pixels.
        crop_fraction: Side of the square centre crop that the network saw, as a share of the picture's
            shorter side; outside of it the heat is 0. None: the network saw the whole picture, stretched to
            its input.

    Returns:
        float32 array `(height, width)` in [0, 1].

    Raises:
        ValueError: If `crop_fraction` is not in (0, 1].
    """
    if crop_fraction is None:
        return _resized(heat, (height, width))
    if not 0 < crop_fraction <= 1:
        raise ValueError(
            f"Expected crop_fraction in (0, 1]. Received: {crop_fraction=}"
        )
    side = max(1, round(crop_fraction * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    placed = np.zeros((height, width), "float32")
    placed[top : top + side, left : left + side] = _resized(heat, (side, side))
    return placed


def _resized(heat, size):
    resized = keras.ops.image.resize(
        np.asarray(heat, "float32")[..., None],
        size,
        interpolation="bilinear",
        antialias=True,
        data_format="channels_last",
    )
    return np.clip(keras.ops.convert_to_numpy(resized)[..., 0], 0, 1)
