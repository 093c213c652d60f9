"""What the modalities say of themselves."""

import subprocess
import sys

import numpy as np
import pytest

from keras_medformers.modalities import (
    HEAD_CT,
    MAMMOGRAM,
    PHOTOGRAPH,
    Modality,
    get_modality,
    list_modalities,
    modality_of_old_export,
)


def test_names_in_files_stay():
    assert list_modalities()[:3] == ["ct", "photograph", "mammogram"]
    assert get_modality("ct") is HEAD_CT
    assert get_modality(MAMMOGRAM) is MAMMOGRAM


def test_an_unknown_name_has_near_ones_in_its_error():
    with pytest.raises(ValueError, match="modality='mamogram'.*'mammogram'"):
        get_modality("mamogram")


@pytest.mark.parametrize("name", list_modalities())
def test_drawn_samples_are_of_the_modality_and_show_as_pictures(name):
    modality = get_modality(name)
    for batch in modality.draw_samples():
        assert modality.takes(batch.dtype.name, batch.shape[-1])
        for image in batch:
            picture = modality.to_picture(image)
            assert picture.dtype == np.uint8
            assert picture.shape == (*image.shape[:2], 3)
            assert picture.min() < picture.max()


@pytest.mark.parametrize("name", list_modalities())
def test_what_is_refused_is_said(name):
    modality = get_modality(name)
    if modality.varies or modality.a_value_below is not None:
        assert modality.refusal.startswith("expected")


def test_slices_are_shown_in_the_brain_window():
    hu = np.array([[-1000, 0, 40, 80, 2000]], "int16")[..., np.newaxis]
    assert HEAD_CT.to_picture(hu)[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    assert HEAD_CT.picture_words == "Brain window (level 40, width 80 HU)"


def test_photographs_are_shown_as_they_are():
    photograph = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert PHOTOGRAPH.to_picture(photograph) is photograph


def test_old_exports_are_told_apart_by_their_pixels():
    assert modality_of_old_export("int16", 1) is HEAD_CT
    assert modality_of_old_export("uint16", 1) is MAMMOGRAM
    assert modality_of_old_export("float32", 1) is None


def test_a_modality_of_ones_own_needs_three_words():
    own = Modality("own", "float32", 2)
    assert (own.nouns, own.takes("float32", 2)) == ("images", True)


def test_neither_keras_nor_a_backend_is_imported():
    code = (
        "import sys, keras_medformers.modalities as m; "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'cv2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
