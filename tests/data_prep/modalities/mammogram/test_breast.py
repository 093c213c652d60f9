"""The breast is found, letters are not, and what holds no breast is said so."""

import numpy as np
import pytest
from mammogram_files import breast

from data_prep.modalities.mammogram.breast import NoBreast, find_breast
from data_prep.phantoms.mammography.anatomy import draw_breast
from data_prep.phantoms.mammography.config import BreastPlan, PhantomMammographyConfig
from data_prep.phantoms.mammography.exam import draw_view

CONFIG = PhantomMammographyConfig(image_height_px=416)


def to_grey(level):
    return np.rint(np.clip(level, 0, 1) * 65535).astype(np.uint16)


def overlap(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("height", [104, 1500])
def test_breast_without_letters(side, height):
    width = height * 10 // 13
    found = find_breast(to_grey(breast(side, height, width)))
    truth = breast(side, height, width, letters=False) > 0
    assert overlap(found.mask, truth) > 0.93
    assert found.side == side
    rows, columns = (
        np.flatnonzero(found.mask.any(axis=1)),
        np.flatnonzero(found.mask.any(axis=0)),
    )
    assert (found.top, found.bottom) == (rows[0], rows[-1] + 1)
    assert (found.left, found.right) == (columns[0], columns[-1] + 1)
    # Letters are bright, and lie outside.
    assert not found.mask[: round(0.1 * height)].any()


@pytest.mark.parametrize("laterality", ["left", "right"])
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_phantoms_are_found_to_the_skin(laterality, view):
    plan = BreastPlan(laterality, "", False)
    rng = np.random.default_rng(3)
    level, _ = draw_view(
        draw_breast(rng), view, plan, 0.0, CONFIG.shape_px, CONFIG.spacing_mm, rng
    )
    found = find_breast(to_grey(level))
    truth = level > 0
    assert found.side == laterality
    letters = truth & ~found.mask
    assert overlap(found.mask, truth) > 0.95 and np.count_nonzero(letters) > 20
    assert not found.mask[
        :60, slice(-100, None) if laterality == "left" else slice(0, 100)
    ].any()


def test_a_grey_background_is_air():
    level = np.maximum(breast(level=0.6), 0.12)
    found = find_breast(to_grey(level))
    assert overlap(found.mask, breast(letters=False) > 0) > 0.9


@pytest.mark.parametrize(
    "level",
    [
        np.zeros((104, 80)),
        np.full((104, 80), 0.5),
        np.pad(np.ones((9, 9)), ((2, 93), (2, 69))),
        np.pad(np.ones((800, 6)), ((16, 16), (600, 34))),
    ],
)
def test_without_a_breast_there_is_none(level):
    with pytest.raises(NoBreast):
        find_breast(to_grey(level))
