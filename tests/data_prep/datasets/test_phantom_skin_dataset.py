"""The phantom skin set as a data set: ISIC2018's reader lists it, lesions are its groups."""

import numpy as np
import pytest

from data_prep.datasets import isic2018
from data_prep.datasets.phantom_skin import DATASET
from data_prep.labels import SKIN_LESION_LABELS
from data_prep.phantoms.skin import PhantomSkinConfig, make
from data_prep.phantoms.skin.config import count_images, plan_lesions

CONFIG = PhantomSkinConfig(images=20, several_views=0.5, seed=2)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom_skin")
    make(folder, CONFIG, workers=1)
    return folder


def test_isic2018s_reader_lists_every_picture(data_dir):
    listing = DATASET.list_images(data_dir)
    planned = {
        image: (plan.label, plan.lesion_id)
        for plan in plan_lesions(CONFIG)
        for image in plan.image_ids
    }
    assert not listing.rejects
    assert sorted(listing.source_ids) == sorted(planned)
    for source_id, labels, group in zip(
        listing.source_ids, listing.labels, listing.group_ids, strict=True
    ):
        assert (SKIN_LESION_LABELS[int(np.argmax(labels))], group) == planned[source_id]
    assert dict(
        zip(SKIN_LESION_LABELS, listing.labels.sum(axis=0), strict=True)
    ) == count_images(CONFIG)


def test_a_complete_set_of_any_settings_is_used_as_it_is(data_dir):
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}
    DATASET.prepare(data_dir)
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")} == before


def test_it_is_split_as_isic2018_is():
    assert DATASET.name == "phantom_skin"
    assert DATASET.split_rules == isic2018.DATASET.split_rules
    assert DATASET.label_names == SKIN_LESION_LABELS and DATASET.exclusive_labels
