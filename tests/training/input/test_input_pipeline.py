"""Batches of real records: complete, in an order that depends on seed and epoch alone, and aligned."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from small_records import SIZE_PX

import keras_medformers
from data_prep.labels import HEMORRHAGE_LABELS
from keras_medformers.support.errors import UserError
from training.input.pipeline import (
    evaluation_batches,
    image_source,
    labels_and_ids,
    steps_per_epoch,
    stored_images,
    training_batches,
)

BATCH_SIZE = 4
STEPS = 4


@pytest.fixture(scope="module")
def source(noise_info):
    """The training split, its pixels left as they are stored, so that a slice can be told by them."""
    assert noise_info.count("train") == STEPS * BATCH_SIZE
    return image_source(noise_info, "train", preprocessor=lambda pixels: pixels)


@pytest.fixture(scope="module")
def names(source):
    """Source ids by the slices' bytes."""
    _, ids = labels_and_ids(source)
    images = np.concatenate(
        list(evaluation_batches(source, BATCH_SIZE).as_numpy_iterator())
    )
    return {
        image.tobytes(): name
        for image, name in zip(images, ids["source_id"], strict=True)
    }


def epochs_of(
    source,
    names,
    seed=0,
    first_epoch=0,
    epochs=2,
    batch_size=BATCH_SIZE,
    shuffle_buffer=100,
):
    """Source ids, an array (epochs, steps, batch)."""
    batches = training_batches(
        source, batch_size, seed, first_epoch, epochs, shuffle_buffer
    )
    read = [
        [names[image.tobytes()] for image in images]
        for images, _ in batches.as_numpy_iterator()
    ]
    return np.array(read).reshape(epochs - first_epoch, -1, batch_size)


def test_every_record_once_per_epoch_in_another_order_each(source, names):
    read = epochs_of(source, names, epochs=3)
    assert read.shape == (3, STEPS, BATCH_SIZE)
    orders = [tuple(epoch.ravel()) for epoch in read]
    assert all(sorted(order) == sorted(names.values()) for order in orders)
    assert len(set(orders)) == 3
    assert tuple(sorted(names.values())) not in orders


@pytest.mark.parametrize("shuffle_buffer", [5, 100])
def test_order_depends_on_the_seed_alone(source, names, shuffle_buffer):
    first, again, other = (
        epochs_of(source, names, seed, shuffle_buffer=shuffle_buffer).tolist()
        for seed in (3, 3, 4)
    )
    assert first == again != other


@pytest.mark.parametrize("seed", [0, 5])
def test_resumed_run_reads_what_an_uninterrupted_one_does(source, names, seed):
    # What happened to the global seed before is of no matter: another process resumes.
    tf.random.set_seed(11)
    whole = epochs_of(source, names, seed, epochs=4)
    tf.random.set_seed(22)
    np.testing.assert_array_equal(
        epochs_of(source, names, seed, first_epoch=2, epochs=4), whole[2:]
    )


def test_labels_stay_with_their_slices(source, names):
    labels, ids = labels_and_ids(source)
    expected = dict(zip(ids["source_id"], labels.tolist(), strict=True))
    for images, batch_labels in training_batches(
        source, BATCH_SIZE, 1, 0, 1, 100
    ).as_numpy_iterator():
        for image, of_image in zip(images, batch_labels, strict=True):
            assert of_image.tolist() == expected[names[image.tobytes()]]


def test_only_full_batches_and_other_records_left_out_each_epoch(source, names):
    read = epochs_of(source, names, epochs=4, batch_size=5)
    assert read.shape == (4, 3, 5) and steps_per_epoch(source, 5) == 3
    left_out = [set(names.values()) - set(epoch.ravel()) for epoch in read]
    assert all(len(missing) == 1 for missing in left_out)
    assert len(set.union(*left_out)) > 1


def test_too_few_records_for_a_batch(source):
    assert steps_per_epoch(source, 16) == 1
    with pytest.raises(ValueError, match="at least one batch of 17, found 16"):
        steps_per_epoch(source, 17)


def test_epochs_go_through_the_copies_in_turn(source, names, noise_info):
    shards = [str(path) for path in source.copies[0]]
    halves = dataclasses.replace(source, copies=[shards[:1], shards[1:2]])
    per_shard = [
        noise_info.shards[tf.io.gfile.join(path).rsplit("/")[-1]]["records"]
        for path in shards
    ]
    batches = training_batches(halves, 1, 0, 0, 3, 100)
    read = [names[images[0].tobytes()] for images, _ in batches.as_numpy_iterator()]
    first, second = (
        read[: per_shard[0]],
        read[per_shard[0] : per_shard[0] + per_shard[1]],
    )
    assert not set(first) & set(second)
    assert set(read[len(first) + len(second) :]) == set(first)


def test_augmentation_changes_training_batches_alone(source):
    augmented = dataclasses.replace(source, augment=lambda pixels, keys: 0 * pixels)
    for images, labels in training_batches(
        augmented, BATCH_SIZE, 0, 0, 1, 100
    ).as_numpy_iterator():
        assert not images.any() and labels.shape == (BATCH_SIZE, 6)
    assert next(evaluation_batches(augmented, BATCH_SIZE).as_numpy_iterator()).any()


@pytest.mark.parametrize("batch_size", [4, 8])
def test_augmentation_is_keyed_by_epoch_and_place(source, batch_size):
    def keys_of(first_epoch):
        keyed = dataclasses.replace(source, augment=lambda pixels, keys: keys)
        batches = training_batches(
            keyed, batch_size, 5, first_epoch, 3, 100
        ).as_numpy_iterator()
        return np.concatenate([keys for keys, _ in batches])

    whole = keys_of(0)
    assert len({tuple(key) for key in whole}) == len(whole) == 3 * 16
    np.testing.assert_array_equal(keys_of(1), whole[16:])
    np.testing.assert_array_equal(whole[:16, 1], range(16))


def test_evaluation_batches_are_padded_by_the_first_records(source):
    batches = list(evaluation_batches(source, 6).as_numpy_iterator())
    assert [len(batch) for batch in batches] == [6, 6, 6]
    images = np.concatenate(batches)
    np.testing.assert_array_equal(images[16:], images[:2])
    # More places than records: they are repeated over and over.
    (batch,) = evaluation_batches(source, 40).as_numpy_iterator()
    np.testing.assert_array_equal(
        batch, np.concatenate([images[:16], images[:16], images[:8]])
    )


def test_labels_and_ids_are_those_of_the_records_in_order(source, noise_info):
    labels, ids = labels_and_ids(source)
    assert labels.shape == (16, 6) and labels.dtype == np.float32
    positives = dict(
        zip(HEMORRHAGE_LABELS, labels.sum(axis=0).astype(int).tolist(), strict=True)
    )
    assert positives == noise_info.positives("train")
    images = np.concatenate(
        list(evaluation_batches(source, BATCH_SIZE).as_numpy_iterator())
    )
    records = tf.data.TFRecordDataset(
        [str(path) for path in noise_info.shard_files("train")]
    )
    for row, record in enumerate(records.map(source.parse)):
        np.testing.assert_array_equal(images[row], record["inputs"])
        np.testing.assert_array_equal(labels[row], record["labels"])
        assert {key: values[row] for key, values in ids.items()} == {
            key: value.numpy().decode() if key.endswith("_id") else value.numpy()
            for key, value in record.items()
            if key in ids
        }
    assert len(set(ids["source_id"])) == 16 and len(set(ids["patient_id"])) == 4


def test_slices_are_windowed_by_the_models_preprocessor(noise_info, source):
    preprocessor = keras_medformers.preprocessor("scopeformer", SIZE_PX)
    windowed = image_source(noise_info, "train", preprocessor)
    images, _ = next(iter(training_batches(windowed, BATCH_SIZE, 0, 0, 1, 100)))
    assert images.shape == (BATCH_SIZE, SIZE_PX, SIZE_PX, 3)
    assert images.numpy().min() == 0 and images.numpy().max() == 255
    pixels, _ = next(iter(training_batches(source, BATCH_SIZE, 0, 0, 1, 100)))
    np.testing.assert_allclose(images, preprocessor(pixels), atol=1e-3)


def test_stored_images_are_found_by_their_ids(source, names):
    found = stored_images(source)
    assert {name: image.tobytes() for name, image in found.items()} == {
        name: data for data, name in names.items()
    }
    wanted = sorted(found)[3:6]
    assert sorted(stored_images(source, wanted)) == wanted
    assert list(stored_images(source, count=2)) == list(found)[:2]
    assert stored_images(source, []) == {}


def test_split_without_images_is_a_mistake_of_the_user(noise_info):
    splits = noise_info.splits | {"test": {"records": 0}}
    with pytest.raises(UserError, match="have no images in their test split"):
        image_source(
            dataclasses.replace(noise_info, splits=splits),
            "test",
            lambda pixels: pixels,
        )
