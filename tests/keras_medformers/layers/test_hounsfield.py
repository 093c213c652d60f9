"""Hounsfield windows at known values."""

import numpy as np
import pytest

from keras_medformers.layers import HounsfieldWindows


def test_brain_subdural_and_soft_tissue_windows_at_known_values():
    hu = np.array([-1000, -150, -20, 0, 40, 80, 180, 230, 3000], "int16").reshape(
        1, 1, -1, 1
    )

    brain, subdural, soft = np.moveaxis(
        np.asarray(HounsfieldWindows()(hu))[0, 0], -1, 0
    )

    np.testing.assert_allclose(brain, [0, 0, 0, 0, 127.5, 255, 255, 255, 255])
    np.testing.assert_allclose(
        subdural, np.array([0, 0, 0, 20, 60, 100, 200, 200, 200]) * 1.275
    )
    np.testing.assert_allclose(
        soft, np.clip((hu.ravel() + 150) / 380, 0, 1) * 255, rtol=1e-5
    )


def test_refuses_a_window_without_width():
    with pytest.raises(ValueError, match="positive width"):
        HounsfieldWindows([(40, 0)])
