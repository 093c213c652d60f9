"""Phantom mammograms as data sets: whole images and patches at the scale of the phantoms."""

import numpy as np
import pytest
import tensorflow as tf

from data_prep.datasets import phantom_mammography, phantom_mammography_patches
from data_prep.phantoms.mammography import PhantomMammographyConfig, make
from data_prep.records.build import build
from data_prep.records.build_config import BuildConfig
from data_prep.records.examples import parse_example
from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from data_prep.tfrecords import default_data_dir
from keras_medformers.support.errors import UserError

CONFIG = PhantomMammographyConfig(patients=5, image_height_px=416, seed=2)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom_mammography") / "data"
    make(folder, CONFIG, workers=1)
    return folder


def records(data_dir, name, folder, **settings):
    config = BuildConfig(name, shards=1, fractions=(0.6, 0.2, 0.2), settings=settings)
    build(config, data_dir, folder, workers=1, id_key_file=folder.parent / "key")
    info = DatasetInfo.load(folder)
    files = [str(path) for split in SPLITS for path in info.shard_files(split)]
    shape, names = info.image_shape, info.extra_label_names
    parse = lambda one: parse_example(
        one, info.label_names, names, shape, info.modality
    )
    return info, list(tf.data.TFRecordDataset(files).map(parse))


def test_one_set_gives_whole_images_and_patches(data_dir, tmp_path):
    info, whole = records(
        data_dir, "phantom_mammography", tmp_path / "whole", image_size=208
    )
    assert info.image_shape == (208, 160) and len(whole) == 20 and info.rejects == 0
    assert info.config["source_height"] == 416
    assert info.corrections == {"cropped": 0, "linearised": 0, "side_differs": 0}
    sizes = [int(one["finding_size"]) for one in whole if one["labels"][1] == 1]
    assert len(sizes) == 8 and 40 < min(sizes) and max(sizes) < 700
    info, patches = records(
        data_dir, "phantom_mammography_patches", tmp_path / "patches"
    )
    assert info.image_shape == (64, 64) and info.config["image_size"] == 416
    labels = [int(one["labels"][1]) for one in patches]
    assert labels.count(1) == 8 and labels.count(0) == 12
    assert all(np.mean(one["image"].numpy() > 0) > 0.45 for one in patches)


def test_patches_share_the_folder_of_the_whole_images():
    for module in (phantom_mammography, phantom_mammography_patches):
        assert str(default_data_dir(module.DATASET)) == "data/phantom_mammography"


def test_a_complete_set_of_any_settings_is_used_as_it_is(data_dir):
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}
    phantom_mammography_patches.DATASET.prepare(data_dir)
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")} == before


def test_a_set_that_does_not_say_its_height_is_an_error(tmp_path):
    (tmp_path / "phantom.json").write_text("{}")
    with pytest.raises(UserError, match="does not say how high its mammograms are"):
        phantom_mammography.settings_of_folder(tmp_path)
