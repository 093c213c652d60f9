"""Stored features: what the extractor gives, kept over interruptions, refused where they cannot be had."""

import collections
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_records import SIZE_PX

import keras_medformers
from data_prep.errors import UserError
from training import feature_store
from training.input_pipeline import evaluation_batches, image_source, labels_and_ids, training_batches

SPLITS = ("train", "validation")


def make_extractor(seed=0, scale=1 / 255):
    image = keras.Input((SIZE_PX, SIZE_PX, 3))
    pooled = keras.layers.AveragePooling2D(16)(keras.layers.Rescaling(scale)(image))
    maps = {
        name: keras.layers.Conv2D(
            channels, 1, kernel_initializer=keras.initializers.GlorotUniform(seed), name=name
        )(pooled)
        for name, channels in (("first", 4), ("second", 2))
    }
    return keras.Model(image, maps)


@pytest.fixture(scope="module")
def sources(noise_info):
    preprocessor = keras_medformers.preprocessor("scopeformer", SIZE_PX)
    return {split: image_source(noise_info, split, preprocessor) for split in SPLITS}


@pytest.fixture(scope="module")
def counts(sources):
    return {split: source.count for split, source in sources.items()}


@pytest.fixture
def store(sources, noise_info, tmp_path):
    """Function that stores the features of an extractor."""

    def make(extractor, sources=sources, **options):
        return feature_store.store_features(
            extractor,
            sources,
            noise_info,
            tmp_path / "features",
            batch_size=5,
            **{"preprocessing": {"windows": [[40, 80]]}, **options},
        )

    return make


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_stored_features_are_the_extractors(store, sources, counts):
    extractor = make_extractor()
    made = store(extractor)
    for split in SPLITS:
        stored = made.source(split, counts)
        maps = list(evaluation_batches(stored, 8).as_numpy_iterator())
        expected = extractor.predict(evaluation_batches(sources[split], 8), verbose=0)
        for name, of_name in expected.items():
            joined = np.concatenate([batch[name] for batch in maps])
            assert joined.dtype == np.float32 and joined.shape == (stored.count, 4, 4, of_name.shape[-1])
            np.testing.assert_allclose(joined, of_name, rtol=2**-10, atol=1e-5)
            assert np.abs(of_name).max() > 0.1
        labels, ids = labels_and_ids(stored)
        expected_labels, expected_ids = labels_and_ids(sources[split])
        np.testing.assert_array_equal(labels, expected_labels)
        for key, values in expected_ids.items():
            np.testing.assert_array_equal(ids[key], values)


def test_stored_features_make_training_batches(store, counts):
    batches = training_batches(store(make_extractor()).source("train", counts), 4, 0, 0, 2, 100)
    batches = list(batches.as_numpy_iterator())
    assert len(batches) == 8
    maps, labels = batches[0]
    assert maps["first"].shape == (4, 4, 4, 4) and maps["second"].shape == (4, 4, 4, 2)
    assert labels.shape == (4, 6)


def test_interrupted_store_goes_on_and_gives_the_same_bytes(store, sources, tmp_path):
    extractor = make_extractor()
    calls = collections.Counter()
    shards = len(sources["train"].copies[0])

    def interrupted_prepare(pixels):
        calls["prepare"] += 1
        if calls["prepare"] == shards + 1:
            raise KeyboardInterrupt
        return sources["train"].prepare(pixels)

    with pytest.raises(KeyboardInterrupt):
        store(
            extractor, sources | {"train": dataclasses.replace(sources["train"], prepare=interrupted_prepare)}
        )
    (folder,) = (tmp_path / "features").iterdir()
    done = {path.name: path.stat().st_ino for path in folder.glob("train-*.tfrecord")}
    assert 0 < len(done) < 2 * shards and not (folder / feature_store.INFO_FILE).exists()

    assert store(extractor).folder == folder
    assert {name: (folder / name).stat().st_ino for name in done} == done
    resumed = contents(folder)
    assert not [name for name in resumed if name.startswith("tmp-")]
    for path in folder.iterdir():
        path.unlink()
    assert store(extractor).folder == folder
    assert contents(folder) == resumed


def test_finished_store_is_used_again(store):
    made = store(make_extractor())
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in made.folder.iterdir()}
    again = store(make_extractor())
    assert again == made
    after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in made.folder.iterdir()}
    assert after == before and len(after) == 7


def test_other_weights_go_into_another_folder(store, counts):
    first, second = store(make_extractor(seed=0)), store(make_extractor(seed=1))
    assert first.folder != second.folder
    maps = [next(iter(evaluation_batches(made.source("train", counts), 4))) for made in (first, second)]
    assert not np.allclose(maps[0]["first"], maps[1]["first"])


def test_other_input_size_goes_into_another_folder(store, sources, noise_info):
    def fully_convolutional(size):
        image = keras.Input((size, size, 3))
        # The same weights, and maps of the same size.
        return keras.Model(image, {"first": keras.layers.AveragePooling2D(16)(image)})

    preprocessor = keras_medformers.preprocessor("scopeformer", SIZE_PX + 8)
    larger = {split: image_source(noise_info, split, preprocessor) for split in SPLITS}
    small = store(fully_convolutional(SIZE_PX))
    assert store(fully_convolutional(SIZE_PX + 8), larger).folder != small.folder


@pytest.mark.slow
def test_augmented_copies_differ_and_are_the_same_after_an_interruption(store, counts):
    extractor = make_extractor()
    made = store(extractor, copies=2, augmentation="soft")
    source = made.source("train", counts, copies=2)
    assert [len(shards) for shards in source.copies] == [3, 3] and source.count == counts["train"]
    by_copy = [
        np.concatenate(
            [record["inputs"]["first"] for record in tf.data.TFRecordDataset(shards).map(made.parse)]
        )
        for shards in source.copies
    ]
    assert by_copy[0].shape == by_copy[1].shape
    assert np.abs(by_copy[0] - by_copy[1]).max() > 0.01
    # Validation is never augmented.
    plain = store(extractor)
    assert plain.folder != made.folder
    validation = {
        name: data for name, data in contents(plain.folder).items() if name.startswith("validation")
    }
    assert validation.items() <= contents(made.folder).items()

    finished = contents(made.folder)
    for name in (feature_store.INFO_FILE, "train-copy1-00001-of-00003.tfrecord"):
        (made.folder / name).unlink()
    store(extractor, copies=2, augmentation="soft")
    assert contents(made.folder) == finished


@pytest.mark.parametrize("scale", [1e4, np.nan])
def test_feature_that_does_not_fit_is_an_error(store, scale):
    with pytest.raises(UserError, match="a feature of (first|second) is .*feature_records=never"):
        store(make_extractor(scale=scale))


def test_too_little_disk_is_an_error_before_the_work(store, monkeypatch, tmp_path):
    # 24 slices of 4 x 4 x 6 numbers of 2 bytes.
    monkeypatch.setattr(feature_store.shutil, "disk_usage", lambda path: shutil_usage(free=24 * 192 - 1))
    with pytest.raises(UserError, match="choose another disk by --records"):
        store(make_extractor())
    assert not list((tmp_path / "features").glob("*/*.tfrecord"))
    monkeypatch.setattr(feature_store.shutil, "disk_usage", lambda path: shutil_usage(free=24 * 192))
    store(make_extractor())


def shutil_usage(free):
    return collections.namedtuple("Usage", "total used free")(10**9, 0, free)
