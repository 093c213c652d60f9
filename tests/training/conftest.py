"""Records that the tests of training share."""

import pytest
from ct_files import write_rsna
from small_records import (
    SIZE_PX,
    make_mammogram_records,
    make_picture_records,
    make_records,
    write_pictures,
)

from data_prep.labels import HEMORRHAGE_LABELS
from data_prep.phantoms.head_ct import PhantomConfig, make


@pytest.fixture(scope="session")
def noise_info(tmp_path_factory):
    """`DatasetInfo` of noise with made-up labels: 16 slices to train on, 8 to validate, 8 to test."""
    data_dir = tmp_path_factory.mktemp("noise")
    write_rsna(data_dir, patients=8, slices_per_patient=4, size_px=SIZE_PX)
    return make_records("rsna_ich", data_dir, shards=3)


@pytest.fixture(scope="session")
def phantom_info(tmp_path_factory):
    """`DatasetInfo` of phantoms: 12 slices to train on, 6 to validate, 6 to test."""
    data_dir = tmp_path_factory.mktemp("phantoms")
    prevalence = dict.fromkeys(HEMORRHAGE_LABELS, 0.5) | {"any": 1.0}
    config = PhantomConfig(
        patients=8,
        slices_per_series=3,
        second_series=0.0,
        image_size_px=SIZE_PX,
        prevalence=prevalence,
    )
    make(data_dir, config, workers=1)
    return make_records("phantom_head_ct", data_dir, shards=2)


@pytest.fixture(scope="session")
def mammogram_infos(tmp_path_factory):
    """`DatasetInfo` by data set of phantom mammograms and patches: 16 images to train on, 8 each else."""
    return make_mammogram_records(tmp_path_factory.mktemp("mammograms") / "data")


@pytest.fixture(scope="session")
def picture_info(tmp_path_factory):
    """`DatasetInfo` of coloured noise in seven classes: 28 pictures to train on, 14 each for the rest."""
    data_dir = tmp_path_factory.mktemp("pictures")
    write_pictures(data_dir)
    return make_picture_records(data_dir, shards=2)
