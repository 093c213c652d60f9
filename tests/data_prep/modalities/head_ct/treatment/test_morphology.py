"""Each step of the treatment on small pictures."""

import numpy as np

from data_prep.modalities.head_ct.treatment import morphology


def picture(*rectangles, size=64):
    """1 in rectangles given as (top, bottom, left, right)."""
    made = np.zeros((size, size), np.uint8)
    for top, bottom, left, right in rectangles:
        made[top:bottom, left:right] = 1
    return made


def test_binarise_divides_air_from_tissue():
    hu = np.array([[-1024, -890, -471, -470, -469, -92, 40, 1500]], np.int16)
    np.testing.assert_array_equal(morphology.binarise(hu), [[0, 0, 0, 0, 1, 1, 1, 1]])


def test_erosion_takes_thin_lines_and_growing_back_brings_the_rest_whole():
    block = picture((100, 200, 100, 220), size=512)
    with_line = block | picture((300, 304, 50, 400), size=512)
    core = morphology.erode(with_line)
    assert core.sum() == 90 * 110 and core[105:195, 105:215].all()
    grown = morphology.grow_back(core, with_line)
    assert not (grown & ~block).any() and grown.sum() > 0.995 * block.sum()


def test_erosion_leaves_a_head_that_the_picture_cuts_off():
    core = morphology.erode(picture((0, 512, 0, 300), size=512))
    assert core[:, :295].all() and not core[:, 295:].any()


def test_edge_columns_are_cleared_and_rows_are_not():
    cleared = morphology.clear_edge_columns(np.ones((512, 512), np.uint8))
    assert (
        not cleared[:, :4].any()
        and not cleared[:, -4:].any()
        and cleared[:, 4:-4].all()
    )


def test_largest_region():
    both = picture((2, 10, 2, 10), (20, 40, 20, 40))
    np.testing.assert_array_equal(
        morphology.largest_region(both), picture((20, 40, 20, 40))
    )
    assert not morphology.largest_region(picture()).any()


def test_flood_fill_fills_what_is_enclosed_also_next_to_the_border():
    ring = (
        picture((0, 40, 0, 40))
        & ~picture((10, 20, 10, 20))
        & ~picture((30, 40, 30, 40))
    )
    np.testing.assert_array_equal(
        morphology.flood_fill(ring),
        picture((0, 40, 0, 40)) & ~picture((30, 40, 30, 40)),
    )


def test_seal_adds_air_behind_a_narrow_passage_and_not_a_wide_one():
    for passage, sealed in ((6, True), (60, False)):
        head = picture((100, 400, 100, 400), size=512)
        head[200:300, 150:250] = 0
        head[250 - passage // 2 : 250 + passage // 2, 250:400] = 0
        assert bool(morphology.flood_fill(morphology.seal(head))[250, 200]) == sealed


def test_normalised_to_eight_bits():
    hu = np.array([-1024, 0, 20, 40, 80, 3000], np.int16)
    picture = morphology.to_eight_bits(morphology.normalise(hu, (40, 80)))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, [0, 0, 64, 128, 255, 255])
