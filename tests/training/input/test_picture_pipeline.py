"""Batches of photographs: of one size whatever the pictures', cropped anew each epoch, and reproducible."""

import numpy as np
import pytest
import tensorflow as tf
from small_records import SIZE_PX, small_picture_config

import keras_medformers
from data_prep.datasets import isic2018
from data_prep.modalities.photograph.pictures import read_photograph
from training.input.pipeline import (
    evaluation_batches,
    image_source,
    labels_and_ids,
    stored_images,
    training_batches,
)
from training.input.random_crop import random_resized_crop
from training.runs.workbench import Workbench

BATCH_SIZE = 4
STEPS = 7


@pytest.fixture(scope="module")
def source(picture_info):
    return Workbench(small_picture_config(picture_info)).source("train")


def epochs_of(source, seed=0, first_epoch=0, epochs=2):
    """Inputs `(epochs, steps, batch, height, width, channels)` and labels."""
    batches = list(
        training_batches(
            source, BATCH_SIZE, seed, first_epoch, epochs, 100
        ).as_numpy_iterator()
    )
    count = epochs - first_epoch
    return tuple(
        np.stack(part).reshape(count, STEPS, *part[0].shape)
        for part in zip(*batches, strict=True)
    )


def test_crops_have_the_networks_size_and_range(source):
    inputs, labels = epochs_of(source)
    assert (
        inputs.shape == (2, STEPS, BATCH_SIZE, SIZE_PX, SIZE_PX, 3)
        and inputs.dtype == np.float32
    )
    assert -1 <= inputs.min() < -0.9 and 0.9 < inputs.max() <= 1
    assert labels.shape == (2, STEPS, BATCH_SIZE, 7)
    np.testing.assert_array_equal(labels.sum(axis=-1), 1)
    np.testing.assert_array_equal(labels[0].sum(axis=(0, 1)), 4)


def test_labels_stay_with_their_pictures(source):
    inputs, labels = epochs_of(source)
    bright = (
        inputs.mean(axis=(3, 4)) > 0
    )  # the number of the label, plus one, in binary
    np.testing.assert_array_equal(bright @ [4, 2, 1] - 1, labels.argmax(axis=-1))


def test_same_seed_gives_the_same_bits(source):
    tf.random.set_seed(11)
    first = epochs_of(source, seed=3)[0]
    tf.random.set_seed(22)
    np.testing.assert_array_equal(epochs_of(source, seed=3)[0], first)
    assert not np.array_equal(epochs_of(source, seed=4)[0], first)


def test_resumed_run_reads_what_an_uninterrupted_one_does(source):
    whole = epochs_of(source, seed=3, epochs=4)
    resumed = epochs_of(source, seed=3, first_epoch=2, epochs=4)
    for expected, found in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(found, expected[2:])


def test_pictures_are_cropped_anew_in_each_epoch(picture_info):
    # Without crops the two epochs hold the same pictures in another order.
    plain, cropped = (
        Workbench(small_picture_config(picture_info, augmentation=augmentation)).source(
            "train"
        )
        for augmentation in ("none", "crop")
    )
    for source, same in ((plain, True), (cropped, False)):
        sums = np.sort(
            epochs_of(source)[0].astype("float64").sum(axis=(3, 4, 5)).reshape(2, -1)
        )
        assert np.array_equal(sums[0], sums[1]) == same


def test_crops_are_of_the_least_area_asked_for(picture_info):
    key = tf.constant([0, 1], tf.int64)
    for area in (0.08, 0.9):
        source = Workbench(
            small_picture_config(picture_info, crop_min_area=area)
        ).source("train")
        (picture,) = stored_images(source, count=1).values()
        expected = random_resized_crop(picture, key, SIZE_PX, area) / 127.5 - 1
        np.testing.assert_allclose(
            source.prepare_to_train(picture, key), expected, atol=1e-6
        )


def test_evaluation_is_by_the_models_preprocessor_from_the_original_files(picture_info):
    preprocessor = keras_medformers.preprocessor("hifuse_narrow", SIZE_PX)
    source = image_source(picture_info, "test", preprocessor)
    batches = list(evaluation_batches(source, 4).as_numpy_iterator())
    assert [batch.shape for batch in batches] == [(4, SIZE_PX, SIZE_PX, 3)] * 4
    inputs = np.concatenate(batches)
    np.testing.assert_array_equal(inputs[14:], inputs[:2])
    labels, ids = labels_and_ids(source)
    assert labels.shape == (14, 7) and len(set(ids["patient_id"])) == 7
    folder = picture_info.records_dir.parent / isic2018.IMAGES_NAME
    for found, name in zip(inputs, ids["source_id"], strict=False):
        (path,) = folder.glob(f"{name}.*")
        expected = preprocessor(read_photograph(path)[np.newaxis])[0]
        # JPEG decoders may differ by a level or two.
        np.testing.assert_allclose(found, expected, atol=0.04)


def test_stored_pictures_keep_their_sizes(picture_info):
    source = image_source(picture_info, "test", lambda pixels: pixels)
    images = stored_images(source)
    assert len(images) == 14 and len({image.shape for image in images.values()}) > 10
    assert {image.dtype for image in images.values()} == {np.dtype("uint8")}
