"""Mammograms and their patches as records hold them."""

import dataclasses

import numpy as np
import pytest
from mammogram_files import HEIGHT_PX, WIDTH_PX, breast, write_mammogram, write_png

from data_prep.modalities.mammogram.dicom import UnreadableMammogram
from data_prep.modalities.mammogram.frame import Box
from data_prep.modalities.mammogram.records import (
    CROPPED,
    LINEARISED,
    SIDE_DIFFERS,
    PatchSettings,
    Region,
    draw_centre,
    header_of_mammogram,
    read,
    read_patch,
)

CONFIG = PatchSettings(image_size=HEIGHT_PX, source_height=HEIGHT_PX)
HALF = dataclasses.replace(CONFIG, image_size=HEIGHT_PX // 2)
PATCH_PX = 16


def pixels(image):
    return image.pixels[..., 0]


def with_mark(side="left"):
    """A mammogram with a bright square, and the square's box."""
    level = breast(side)
    box = Box(20, 50, 6, 8) if side == "left" else Box(WIDTH_PX - 26, 50, 6, 8)
    level[box.y : box.y + box.height, box.x : box.x + box.width] = 1
    return level, box


@pytest.mark.parametrize("config", [CONFIG, HALF])
@pytest.mark.parametrize("side", ["left", "right"])
def test_whole_images_have_one_size_the_chest_wall_at_the_left_and_no_letters(
    tmp_path, config, side
):
    level, box = with_mark(side)
    encoded = read(write_png(tmp_path / "a.png", level), config, Region(side, (box,)))
    image = pixels(encoded)
    factor = HEIGHT_PX // config.image_size
    assert image.shape == (HEIGHT_PX // factor, WIDTH_PX // factor)
    assert (
        np.count_nonzero(image[:, 0]) > 30 / factor
        and not image[:, -20 // factor :].any()
    )
    x, y, width, height = encoded.boxes[0]
    inside = image[y : y + height, x : x + width]
    assert inside.shape == (8 // factor, 6 // factor) and (inside > 60000).all()
    assert np.count_nonzero(image > 60000) == inside.size
    assert not encoded.corrections


def test_laterality_can_be_kept(tmp_path):
    level, box = with_mark("right")
    kept = dataclasses.replace(CONFIG, flip=False)
    path = write_png(tmp_path / "a.png", level)
    unflipped = read(path, kept, Region("right", (box,)))
    flipped = read(path, CONFIG, Region("right", (box,)))
    np.testing.assert_array_equal(pixels(unflipped), pixels(flipped)[:, ::-1])
    assert unflipped.boxes[0][0] == WIDTH_PX - flipped.boxes[0][0] - box.width


def test_the_side_is_seen_where_lists_and_files_are_wrong(tmp_path):
    level, _ = with_mark("right")
    encoded = read(write_png(tmp_path / "a.png", level), CONFIG, Region("left"))
    assert np.count_nonzero(pixels(encoded)[:, 0]) > 30
    assert encoded.corrections == (SIDE_DIFFERS,)
    path = write_mammogram(
        tmp_path / "a.dcm", np.rint(level * 4095).astype(np.uint16), ImageLaterality="L"
    )
    assert read(path, CONFIG, Region("")).corrections == (SIDE_DIFFERS,)


def test_repairs_are_said(tmp_path):
    attenuation = 4 * breast(level=0.8, letters=False)
    path = write_mammogram(
        tmp_path / "a.dcm", np.rint(9999 * np.exp(-attenuation)).astype(np.uint16), 14,
        PresentationIntentType="FOR PROCESSING",
    )  # fmt: skip
    assert read(path, CONFIG, Region("left")).corrections == (LINEARISED,)
    large = write_png(tmp_path / "large.png", breast(height=208, width=160))
    assert read(large, CONFIG, Region("left")).corrections == (CROPPED,)


@pytest.mark.parametrize("side", ["left", "right"])
def test_positive_patches_are_centred_on_their_boxes(tmp_path, side):
    level, box = with_mark(side)
    centre = (box.x + box.width / 2, box.y + box.height / 2)
    encoded = read_patch(
        write_png(tmp_path / "a.png", level), CONFIG, Region(side, (box,), centre)
    )
    image = pixels(encoded)
    assert image.shape == (PATCH_PX, PATCH_PX) and encoded.boxes == ((5, 4, 6, 8),)
    assert (image[4:12, 5:11] > 60000).all() and np.count_nonzero(image > 60000) == 48


def test_patches_at_the_edge_are_moved_inside(tmp_path):
    level, _ = with_mark()
    encoded = read_patch(
        write_png(tmp_path / "a.png", level), HALF, Region("left", (), (1.0, 52.0))
    )
    whole = np.rint(level * 65535)[44:60, :16]
    expected = whole.reshape(8, 2, 8, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(pixels(encoded), expected, atol=1)


def test_negative_patches_are_drawn_from_the_breast_and_repeat(tmp_path):
    path = write_png(tmp_path / "a.png", breast())
    draw = [
        pixels(read_patch(path, CONFIG, Region("left", draw=(0, 7, k))))
        for k in range(12)
    ]
    again = pixels(read_patch(path, CONFIG, Region("left", draw=(0, 7, 3))))
    np.testing.assert_array_equal(again, draw[3])
    assert len({image.tobytes() for image in draw}) == 12
    assert all(np.mean(image > 0) >= 0.5 for image in draw)


def test_a_centre_is_in_the_breast_even_where_it_fills_no_patch():
    mask = np.zeros((40, 40), bool)
    mask[10:14, 20:23] = True
    for number in range(5):
        x, y = draw_centre(mask, 16, (number,))
        assert mask[y, x]


@pytest.mark.parametrize("reader", [read, read_patch])
def test_what_is_smaller_than_a_patch_or_holds_no_breast_is_refused(tmp_path, reader):
    small = write_png(tmp_path / "small.png", breast(height=15, width=80))
    with pytest.raises(
        UnreadableMammogram, match="80 x 15 pixels, less than the 16 of a patch"
    ):
        reader(small, CONFIG, Region("left", draw=(0,)))
    empty = write_png(tmp_path / "empty.png", np.zeros((104, 80)))
    with pytest.raises(UnreadableMammogram, match="shows no breast"):
        reader(empty, CONFIG, Region("left", draw=(0,)))


def test_headers_give_sizes_and_no_names(tmp_path):
    path = write_mammogram(
        tmp_path / "a.dcm", np.rint(breast() * 4095).astype(np.uint16)
    )
    header = header_of_mammogram(path)
    assert (header.height, header.width) == (HEIGHT_PX, WIDTH_PX)
    assert header.patient_id == header.study_id == header.series_id == ""
