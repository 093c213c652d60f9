"""Grey values become pictures of three equal channels."""

import numpy as np
import pytest

from keras_medformers.layers import GreyToRGB

GREY = np.array([0, 32767, 65535], "uint16").reshape(1, 1, 3, 1)


def test_three_channels_of_the_same_from_0_to_255():
    rgb = np.asarray(GreyToRGB()(GREY))
    assert rgb.shape == (1, 1, 3, 3)
    np.testing.assert_allclose(rgb[0, 0, :, 0], [0, 127.498, 255], atol=1e-2)
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])


def test_white_has_to_be_positive():
    with pytest.raises(ValueError, match="white=0"):
        GreyToRGB(white=0)
