"""Colour on pictures, and heat maps brought back to where the network looked."""

import numpy as np
import pytest
from matplotlib import colormaps

from keras_medformers.explain import overlay, place_on_picture


def test_shows_the_picture_where_there_is_no_heat_and_colour_where_there_is():
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    heat = np.zeros((4, 6))
    heat[1, 2], heat[3, 5] = 1.0, 0.5

    shown = overlay(image, heat, alpha=0.6, colour_map="viridis")

    assert shown.dtype == np.uint8 and shown.shape == image.shape
    untouched = heat == 0
    assert np.array_equal(shown[untouched], image[untouched])
    for (row, column), opacity in (((1, 2), 0.6), ((3, 5), 0.3)):
        colour = 255 * np.array(colormaps["viridis"](heat[row, column])[:3])
        expected = opacity * colour + (1 - opacity) * image[row, column]
        assert np.abs(shown[row, column] - expected).max() <= 0.51


def test_grey_picture():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)

    shown = overlay(grey, np.zeros((3, 4)))

    assert shown.shape == (3, 4, 3) and all(
        np.array_equal(shown[..., k], grey) for k in range(3)
    )


def test_default_colours_get_lighter_with_heat():
    heat = np.linspace(0, 1, 50)[None]
    shown = overlay(np.zeros((1, 50, 3), np.uint8), heat, alpha=1.0).astype(float)
    lightness = shown[0] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) >= -0.5).all() and lightness[-1] > 200


@pytest.mark.parametrize(
    "image, heat, alpha, message",
    [
        (np.zeros((2, 2, 3)), np.zeros((2, 2)), 0.5, "uint8.*Received: float64"),
        (
            np.zeros((2, 2, 4), "uint8"),
            np.zeros((2, 2)),
            0.5,
            r"Received: uint8 of shape \(2, 2, 4\)",
        ),
        (
            np.zeros((2, 2, 3), "uint8"),
            np.zeros((3, 2)),
            0.5,
            r"size \(2, 2\). Received: \(3, 2\)",
        ),
        (np.zeros((2, 2, 3), "uint8"), np.full((2, 2), 1.5), 0.5, "heat in"),
        (np.zeros((2, 2, 3), "uint8"), np.full((2, 2), np.nan), 0.5, "heat in"),
        (np.zeros((2, 2, 3), "uint8"), np.zeros((2, 2)), 1.5, "alpha"),
    ],
)
def test_mistakes(image, heat, alpha, message):
    with pytest.raises(ValueError, match=message):
        overlay(image, heat, alpha)


@pytest.mark.parametrize("height, width", [(100, 60), (60, 100), (80, 80), (33, 57)])
def test_heat_lies_where_the_centre_crop_was(height, width):
    heat = np.ones((7, 7))

    placed = place_on_picture(heat, height, width, crop_fraction=224 / 256)

    side = round(min(height, width) * 224 / 256)
    rows, columns = np.nonzero(placed)
    assert placed.shape == (height, width) and placed.dtype == np.float32
    assert np.ptp(rows) + 1 == side and np.ptp(columns) + 1 == side
    assert abs((rows.min() + rows.max() + 1) / 2 - height / 2) <= 0.5
    assert abs((columns.min() + columns.max() + 1) / 2 - width / 2) <= 0.5
    np.testing.assert_allclose(placed[placed > 0], 1, atol=1e-6)


def test_a_spot_comes_back_to_its_place():
    """A spot at 3/4 of the input's height and 1/4 of its width lies there in the crop of the picture."""
    heat = np.zeros((64, 64))
    heat[46:50, 14:18] = 1.0

    placed = place_on_picture(heat, 200, 400, crop_fraction=0.8)

    row, column = (
        np.average(indices, weights=placed) for indices in np.indices(placed.shape)
    )
    assert row + 0.5 == pytest.approx(
        20 + 0.75 * 160, abs=1
    ) and column + 0.5 == pytest.approx(120 + 0.25 * 160, abs=1)


def test_whole_picture_without_crop():
    heat = np.zeros((8, 8))
    heat[:, 4:] = 1.0

    placed = place_on_picture(heat, 20, 40)

    assert placed.shape == (20, 40) and not placed[:, :15].any()
    np.testing.assert_allclose(placed[:, 25:], 1, atol=1e-6)


@pytest.mark.parametrize("crop_fraction", [0, 1.2, float("nan")])
def test_crop_that_is_none(crop_fraction):
    with pytest.raises(ValueError, match="crop_fraction"):
        place_on_picture(np.ones((4, 4)), 10, 10, crop_fraction)
