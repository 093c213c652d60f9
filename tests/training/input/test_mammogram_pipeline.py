"""From records of mammograms to batches, and what is refused."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from small_records import MAMMOGRAM_PX, small_mammogram_config

from keras_medformers.support.errors import UserError
from training.input.augmentation import NOISE, flips_and_noise
from training.input.pipeline import evaluation_batches, labels_and_ids, training_batches
from training.runs.resolve import resolve
from training.runs.workbench import Workbench

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def info(mammogram_infos):
    return mammogram_infos["phantom_mammography"]


@pytest.fixture(scope="module")
def bench(info):
    return Workbench(small_mammogram_config(info))


def first_batches(source, count=4, seed=0, first_epoch=0):
    batches = training_batches(source, 4, seed, first_epoch, 2, 64)
    return [(x.numpy(), y.numpy()) for x, y in itertools.islice(batches, count)]


def test_network_is_for_any_size_and_images_keep_theirs(bench, info):
    assert bench.model.input_shape == (
        None,
        None,
        None,
        1,
    ) and bench.model.output_shape == (None, 2)
    height, width = info.image_shape
    assert (height, width) == (MAMMOGRAM_PX, MAMMOGRAM_PX * 10 // 13)
    for x in evaluation_batches(bench.source("validation"), 4):
        assert x.shape == (4, height, width, 1)
        np.testing.assert_allclose(np.mean(x, axis=(1, 2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(np.std(x, axis=(1, 2, 3)), 1, atol=1e-3)


def test_training_images_are_those_of_the_records_flipped_and_noisy(bench):
    plain = np.concatenate(list(evaluation_batches(bench.images("train"), 4)))
    seen = []
    for x, y in first_batches(bench.source("train")):
        assert x.shape[1:] == plain.shape[1:] and y.shape == (4, 2)
        for image in x:
            # Which image and which of its four flips it is, by the mean square of what is left.
            left = [
                np.mean((image - plain[:, ::down, ::across]) ** 2, axis=(1, 2, 3))
                for down, across in itertools.product((1, -1), repeat=2)
            ]
            flip, index = np.unravel_index(np.argmin(left), np.shape(left))
            assert np.min(left) == pytest.approx(NOISE**2, rel=0.05)
            seen.append((flip, index))
    flips, indices = zip(*seen, strict=True)
    assert sorted(indices) == list(range(len(plain))) and len(set(flips)) == 4


def test_what_an_image_becomes_follows_from_seed_and_epoch(bench):
    source = bench.source("train")
    first, again = first_batches(source), first_batches(source)
    for (x, y), (expected, labels) in zip(again, first, strict=True):
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_array_equal(y, labels)
    others = (first_batches(source, 1, seed=1), first_batches(source, 1, first_epoch=1))
    assert all(np.abs(other[0][0] - first[0][0]).max() > 0.1 for other in others)


def test_half_of_the_images_are_flipped_each_way():
    image = tf.reshape(tf.range(4, dtype=tf.float32) * 100, (2, 2, 1))
    corners = [
        int(np.rint(flips_and_noise(image, (7, index))[0, 0, 0] / 100))
        for index in range(400)
    ]
    assert np.bincount(corners) == pytest.approx([100] * 4, abs=30)


def test_further_labels_come_with_the_ids(bench, info):
    labels, ids = labels_and_ids(bench.images("test"))
    assert list(ids)[-3:] == [
        "extra_finding_type",
        "extra_finding_size",
        "extra_laterality",
    ]
    malignant = labels[:, 1] == 1
    assert (ids["extra_finding_type"][malignant] >= 0).all()
    assert (ids["extra_finding_size"][malignant] > 0).all()
    counts = info.splits["test"]["extra_labels"]["laterality"]
    assert {
        str(key): int(np.sum(ids["extra_laterality"] == key)) for key in (0, 1)
    } == counts


def test_facts_of_the_records_are_filled_in(info):
    config = small_mammogram_config(info)
    bare = dataclasses.replace(
        config, label_names=(), task="multilabel", modality="ct", input_size=256
    )
    assert resolve(bare) == config
    assert resolve(config) == config
    with pytest.raises(
        UserError,
        match=f"{MAMMOGRAM_PX} pixels high in .*; received 512. Make records of",
    ):
        resolve(dataclasses.replace(config, input_size=512))


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"augmentation": "soft"},
            "one of none, flips_noise for .* 'mammogram', received 'soft'",
        ),
        (
            {"model": "scopeformer_vit"},
            "'scopeformer_vit' is not for images of modality 'mammogram'",
        ),
    ],
)
def test_settings_that_do_not_fit_mammograms(info, values, message):
    with pytest.raises(UserError, match=message):
        Workbench(small_mammogram_config(info, **values))


def test_networks_for_mammograms_are_not_for_slices(noise_info):
    from small_records import small_config

    with pytest.raises(
        UserError, match="model 'gmic' is not for images of modality 'ct'"
    ):
        Workbench(small_config(noise_info, model="gmic", model_config={}))
