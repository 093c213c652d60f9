"""Grey values to mean 0 and deviation 1, image by image."""

import numpy as np
import pytest

from keras_medformers.layers import ImageStandardization

PIXELS = np.random.default_rng(0).integers(0, 4096, (2, 30, 20, 1)).astype("uint16")


def test_each_image_by_itself():
    result = np.asarray(ImageStandardization()(PIXELS))

    mean, deviation = (
        f(PIXELS, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.std)
    )
    expected = (PIXELS - mean) / deviation
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert result.dtype == np.float32


def test_scale_and_offset_of_the_detector_do_not_count():
    layer = ImageStandardization()

    np.testing.assert_allclose(layer(PIXELS * 12 + 1000), layer(PIXELS), atol=1e-4)


def test_full_range_and_size_stay_exact():
    image = np.tile(np.array([0, 65535], "uint16"), (1, 2000, 1000)).reshape(
        1, 2000, 2000, 1
    )

    result = np.asarray(ImageStandardization()(image))

    np.testing.assert_allclose(np.unique(result), [-1, 1], atol=1e-4)


def test_an_empty_image_becomes_zeros():
    assert np.all(
        np.asarray(ImageStandardization()(np.full((1, 4, 4, 1), 9, "uint16"))) == 0
    )


def test_refuses_no_deviation():
    with pytest.raises(ValueError, match="smallest_deviation=0"):
        ImageStandardization(smallest_deviation=0)
