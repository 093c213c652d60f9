"""Frames: what is cut, padded, flipped and made smaller, and boxes that go along."""

import numpy as np
import pytest

from data_prep.modalities.mammogram.breast import Breast
from data_prep.modalities.mammogram.frame import (
    Box,
    Frame,
    frame_around,
    frame_of_breast,
)
from data_prep.modalities.mammogram.scale import patch_side_px, shape_of_images

IMAGE = np.arange(1, 13 * 10 + 1, dtype=np.uint16).reshape(13, 10)


def a_breast(left, top, right, bottom):
    return Breast(np.zeros(IMAGE.shape, bool), left, top, right, bottom, "")


def test_sizes_are_the_papers():
    assert shape_of_images(3328) == (3328, 2560) and shape_of_images(1664) == (
        1664,
        1280,
    )
    assert shape_of_images(416) == (416, 320)
    assert [patch_side_px(height) for height in (3328, 1664, 416)] == [512, 256, 64]


def test_a_frame_inside_is_cut_and_one_beyond_is_padded():
    inside = Frame(2, 3, 4, 5, False, 4, 5).cut(IMAGE)
    np.testing.assert_array_equal(inside, IMAGE[3:8, 2:6])
    beyond = Frame(-2, 10, 6, 5, False, 6, 5).cut(IMAGE)
    np.testing.assert_array_equal(beyond[:3, 2:], IMAGE[10:, :4])
    assert (beyond[3:] == 0).all() and (beyond[:, :2] == 0).all()
    assert (Frame(20, 0, 3, 3, False, 3, 3).cut(IMAGE) == 0).all()


def test_flipping_and_averaging():
    flipped = Frame(0, 0, 10, 13, True, 10, 13).cut(IMAGE)
    np.testing.assert_array_equal(flipped, IMAGE[:, ::-1])
    halved = Frame(0, 0, 10, 12, False, 5, 6).cut(IMAGE)
    np.testing.assert_allclose(
        halved, IMAGE[:12].reshape(6, 2, 5, 2).mean(axis=(1, 3)), atol=0.51
    )


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("factor", [1, 2])
def test_boxes_go_along_with_the_pixels(flipped, factor):
    image = np.zeros((40, 60), np.uint16)
    box = Box(22, 10, 8, 6)
    image[10:16, 22:30] = 1000
    frame = Frame(-4, 2, 52, 40, flipped, 52 // factor, 40 // factor)
    moved = frame.moved(box)
    rows, columns = np.nonzero(frame.cut(image))
    assert (moved.x, moved.y) == (columns.min(), rows.min())
    assert (moved.x + moved.width, moved.y + moved.height) == (
        columns.max() + 1,
        rows.max() + 1,
    )


def test_boxes_are_cut_at_the_edges_and_those_outside_are_gone():
    frame = Frame(10, 10, 20, 20, False, 20, 20)
    assert frame.moved(Box(5, 25, 10, 10)) == Box(0, 15, 5, 5)
    assert frame.moved(Box(0, 0, 10, 10)) is None


@pytest.mark.parametrize(
    "side, left, flipped", [("left", 1, False), ("right", 2, True)]
)
def test_whole_images_reach_from_the_chest_wall(side, left, flipped):
    frame = frame_of_breast(a_breast(1, 4, 10, 10), side, True, (8, 4), (4, 2))
    assert (frame.left, frame.top, frame.flipped) == (left, 5, flipped)
    assert not frame_of_breast(
        a_breast(1, 4, 10, 10), side, False, (8, 4), (4, 2)
    ).flipped


@pytest.mark.parametrize(
    "centre, corner", [((5, 6), (3, 4)), ((0, 12.6), (0, 9)), ((9.9, 0.2), (6, 0))]
)
def test_patches_are_moved_inside(centre, corner):
    frame = frame_around(centre, IMAGE.shape, False, 4, 4)
    assert (frame.left, frame.top) == corner
    assert frame.cut(IMAGE).shape == (4, 4) and frame.cut(IMAGE).all()
