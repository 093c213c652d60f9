"""The treatment measured on phantoms whose truth is known, and the slices it must not lose."""

import cv2
import numpy as np
import pytest
from ich_location_files import make_phantoms

from data_prep.modalities.head_ct.dicom import HU_MIN, read_slice
from data_prep.modalities.head_ct.treatment.treatment import (
    MASK,
    NONE,
    OVERLAY,
    NoHead,
    as_picture,
    treat,
)
from data_prep.phantoms.head_ct.tissues import TRUTH


def slices_with_truth(folder):
    for path in sorted((folder / "stage_2_train").iterdir()):
        truth = cv2.imread(
            str(folder / "truth" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED
        )
        yield read_slice(path).hu, truth


@pytest.mark.parametrize(
    "size_px, patients", [pytest.param(512, 8, marks=pytest.mark.slow), (256, 6)]
)
def test_the_holder_goes_and_the_head_stays(tmp_path, size_px, patients):
    kept, left, holder_pixels, touched = [], 0, 0, 0
    for hu, truth in slices_with_truth(
        make_phantoms(tmp_path / "set", size_px, patients)
    ):
        treated = treat(hu, MASK)
        assert treated.treated
        head, holder = truth > TRUTH["holder"], truth == TRUTH["holder"]
        remains = treated.hu > HU_MIN
        kept.append((remains & head).sum() / head.sum())
        left += (remains & holder).sum()
        holder_pixels += holder.sum()
        touched += (
            cv2.dilate(head.astype(np.uint8), np.ones((3, 3))).astype(bool) & holder
        ).any()
        np.testing.assert_array_equal(treated.hu[remains], hu[remains])
    assert touched > 5
    assert np.mean(kept) >= 0.99 and np.min(kept) >= 0.97
    # Pixels on the border of head and holder hold both.
    assert left <= 2e-4 * holder_pixels


def head(size=256, radius=80):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.where(np.hypot(x, y) < radius, 40, -1000).astype(np.int16)


def test_overlay_is_the_head_clipped_to_the_brain_window():
    hu = head()
    hu[120:130, 120:130] = 300
    hu[5:7, 20:200] = 60
    treated = treat(hu, OVERLAY).hu
    assert (
        treated[125, 125] == 80 and treated[128, 60] == 40 and treated[6, 100] == HU_MIN
    )
    assert treat(hu, MASK).hu[125, 125] == 300
    assert as_picture(treated)[125, 125] == 255 and as_picture(treated)[6, 100] == 0


@pytest.mark.parametrize("treatment", [MASK, OVERLAY, NONE])
def test_a_slice_without_a_head_is_told(treatment):
    empty = np.full((256, 256), -1000, np.int16)
    only_holder = empty.copy()
    only_holder[200:203, 30:220] = 60
    for hu in (empty, only_holder):
        with pytest.raises(NoHead):
            treat(hu, treatment)


def test_a_slice_is_never_emptied():
    hu = np.full((256, 256), -1000, np.int16)
    for top in (10, 100, 190):
        hu[top : top + 40, 100:140] = 40
    treated = treat(hu, MASK)
    assert not treated.treated
    np.testing.assert_array_equal(treated.hu, hu)
    assert not treat(head(), NONE).treated and treat(head(), MASK).treated


def test_a_head_that_fills_the_picture_stays():
    hu = np.full((128, 128), 40, np.int16)
    treated = treat(hu, MASK)
    assert treated.treated and (treated.hu == 40).mean() > 0.95
