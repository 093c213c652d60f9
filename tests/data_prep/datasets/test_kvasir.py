"""Kvasir's folders: both layouts, what is missing, what does not belong."""

import shutil

import numpy as np
import pytest
from photograph_files import write_kvasir

from data_prep.datasets import kvasir
from data_prep.labels import KVASIR_LABELS
from keras_medformers.support.errors import UserError


@pytest.mark.parametrize("below", ["", "kvasir-dataset", "kvasir-dataset-v2"])
def test_class_folders_are_found_directly_or_below(tmp_path, below):
    write_kvasir(tmp_path / below, per_class=2)
    listing = kvasir.list_images(tmp_path)
    assert len(listing.files) == 16 and all(
        (tmp_path / file).is_file() for file in listing.files
    )
    assert listing.source_ids[0].startswith("dyed-lifted-polyps/")
    assert listing.group_ids == listing.source_ids
    named = [KVASIR_LABELS[label] for label in listing.labels.argmax(axis=1)]
    assert named == [source_id.split("/")[0] for source_id in listing.source_ids]
    np.testing.assert_array_equal(listing.labels.sum(axis=1), 1)


def test_two_versions_are_an_error(tmp_path):
    for name in kvasir.FOLDER_NAMES:
        write_kvasir(tmp_path / name, per_class=1)
    with pytest.raises(
        UserError, match="kvasir-dataset and kvasir-dataset-v2, expected one version"
    ):
        kvasir.list_images(tmp_path)


def test_missing_and_empty_classes_are_errors_and_other_folders_are_passed_over(
    tmp_path, caplog
):
    data_dir = write_kvasir(tmp_path / "kvasir", per_class=1)
    (data_dir / "instruments").mkdir()
    assert len(kvasir.list_images(data_dir).files) == 8
    assert "passed over instruments" in caplog.text
    shutil.rmtree(data_dir / "polyps")
    with pytest.raises(UserError, match="has no folder polyps; .*simula"):
        kvasir.list_images(data_dir)
    (data_dir / "polyps").mkdir()
    with pytest.raises(UserError, match="polyps has no picture"):
        kvasir.list_images(data_dir)
    with pytest.raises(UserError, match="absent does not exist.*simula"):
        kvasir.DATASET.prepare(tmp_path / "absent")
