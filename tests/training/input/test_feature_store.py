"""Stored features: what the extractor gives, kept over interruptions, refused where they cannot be had."""

import collections
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_records import SIZE_PX

import keras_medformers
from keras_medformers.support.errors import UserError
from training.input import feature_store
from training.input.pipeline import (
    evaluation_batches,
    image_source,
    labels_and_ids,
    training_batches,
)

SPLITS = ("train", "validation")


def make_extractor(seed=0, scale=1 / 255):
    image = keras.Input((SIZE_PX, SIZE_PX, 3))
    pooled = keras.layers.AveragePooling2D(16)(keras.layers.Rescaling(scale)(image))
    maps = {
        name: keras.layers.Conv2D(
            channels,
            1,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            name=name,
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

    def make(extractor, sources=sources, backbones=None, **options):
        return feature_store.store_features(
            extractor,
            backbones or {name: name for name in extractor.output},
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
            assert joined.dtype == np.float32 and joined.shape == (
                stored.count,
                4,
                4,
                of_name.shape[-1],
            )
            np.testing.assert_allclose(joined, of_name, rtol=2**-10, atol=1e-5)
            assert np.abs(of_name).max() > 0.1
        labels, ids = labels_and_ids(stored)
        expected_labels, expected_ids = labels_and_ids(sources[split])
        np.testing.assert_array_equal(labels, expected_labels)
        for key, values in expected_ids.items():
            np.testing.assert_array_equal(ids[key], values)


def test_stored_features_make_training_batches(store, counts):
    batches = training_batches(
        store(make_extractor()).source("train", counts), 4, 0, 0, 2, 100
    )
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
        if (
            calls["prepare"] == shards
        ):  # it is called once per shard, when that is opened
            raise KeyboardInterrupt
        return sources["train"].prepare(pixels)

    with pytest.raises(KeyboardInterrupt):
        store(
            extractor,
            sources
            | {
                "train": dataclasses.replace(
                    sources["train"], prepare=interrupted_prepare
                )
            },
        )
    (folder,) = (tmp_path / "features").iterdir()
    done = {path.name: path.stat().st_ino for path in folder.glob("train-*.tfrecord")}
    assert 0 < len(done) < shards and not (folder / feature_store.INFO_FILE).exists()

    assert store(extractor).folder == folder
    assert {name: (folder / name).stat().st_ino for name in done} == done
    resumed = contents(folder)
    assert not [name for name in resumed if name.startswith(".partial-")]
    for path in folder.iterdir():
        path.unlink()
    assert store(extractor).folder == folder
    assert contents(folder) == resumed


def test_finished_store_is_used_again(store):
    made = store(make_extractor())
    before = {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in made.folder.iterdir()
    }
    again = store(make_extractor())
    assert again == made
    after = {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in made.folder.iterdir()
    }
    assert after == before and len(after) == 7


def test_other_weights_go_into_another_folder(store, counts):
    first, second = store(make_extractor(seed=0)), store(make_extractor(seed=1))
    assert first.folder != second.folder
    maps = [
        next(iter(evaluation_batches(made.source("train", counts), 4)))
        for made in (first, second)
    ]
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


def maps_of(made, counts):
    """The validation split's maps, as `{name: (images, height, width, channels)}`."""
    batches = list(
        evaluation_batches(made.source("validation", counts), 4).as_numpy_iterator()
    )
    joined = {
        name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]
    }
    return {name: maps[: counts["validation"]] for name, maps in joined.items()}


def test_store_with_more_maps_serves_a_model_that_wants_fewer(store, counts, tmp_path):
    larger = store(make_extractor())
    extractor = make_extractor()
    # The same network under another name, as the only one of its model.
    fewer = keras.Model(extractor.input, {"first_2": extractor.output["first"]})
    made = store(fewer, backbones={"first_2": "first"})
    assert made.folder == larger.folder and list((tmp_path / "features").iterdir()) == [
        made.folder
    ]
    maps = maps_of(made, counts)
    assert set(maps) == {"first_2"}
    np.testing.assert_array_equal(maps["first_2"], maps_of(larger, counts)["first"])


def test_store_with_fewer_maps_does_not_serve_a_model_that_wants_more(store, counts):
    extractor = make_extractor()
    smaller = store(keras.Model(extractor.input, {"first": extractor.output["first"]}))
    larger = store(make_extractor())
    assert larger.folder != smaller.folder and set(maps_of(larger, counts)) == {
        "first",
        "second",
    }
    # Now both have the map, and the one with less to read is taken.
    assert (
        store(keras.Model(extractor.input, {"first": extractor.output["first"]}))
        == smaller
    )


def test_instances_with_the_same_weights_are_stored_once(store, counts):
    extractor = make_extractor()
    single = keras.Model(extractor.input, {"first": extractor.output["first"]})
    made = store(single)
    twice = keras.Model(
        extractor.input,
        dict.fromkeys(("first", "first_2"), extractor.output["first"]),
    )
    shared = store(twice, backbones={"first": "first", "first_2": "first"})
    assert shared.folder == made.folder
    maps = maps_of(shared, counts)
    np.testing.assert_array_equal(maps["first"], maps["first_2"])


def test_another_backbone_with_the_same_weights_goes_into_another_folder(store):
    first = store(make_extractor())
    assert (
        store(make_extractor(), backbones={"first": "first", "second": "third"}).folder
        != first.folder
    )


def test_unfinished_store_of_more_maps_is_not_used(store):
    larger = store(make_extractor())
    (larger.folder / feature_store.INFO_FILE).unlink()
    extractor = make_extractor()
    made = store(keras.Model(extractor.input, {"first": extractor.output["first"]}))
    assert (
        made.folder != larger.folder
        and (made.folder / feature_store.INFO_FILE).is_file()
    )


def test_photographs_of_many_sizes_are_stored(picture_info, tmp_path):
    preprocessor = keras_medformers.preprocessor("hifuse_narrow", SIZE_PX)
    sources = {
        split: image_source(picture_info, split, preprocessor) for split in SPLITS
    }
    extractor = make_extractor()
    made = feature_store.store_features(
        extractor,
        {name: name for name in extractor.output},
        sources,
        picture_info,
        tmp_path,
        5,
        {},
    )
    counts = {split: source.count for split, source in sources.items()}
    maps = maps_of(made, counts)
    expected = extractor.predict(
        evaluation_batches(sources["validation"], 7), verbose=0
    )
    assert counts["validation"] == 14
    for name, of_name in expected.items():
        np.testing.assert_allclose(maps[name], of_name, rtol=2**-10, atol=1e-5)


@pytest.mark.slow
def test_augmented_copies_differ_and_are_the_same_after_an_interruption(store, counts):
    extractor = make_extractor()
    made = store(extractor, copies=2, augmentation="soft")
    source = made.source("train", counts, copies=2)
    assert [len(shards) for shards in source.copies] == [
        3,
        3,
    ] and source.count == counts["train"]
    by_copy = [
        np.concatenate(
            [
                record["inputs"]["first"]
                for record in tf.data.TFRecordDataset(shards).map(made.parse)
            ]
        )
        for shards in source.copies
    ]
    assert by_copy[0].shape == by_copy[1].shape
    assert np.abs(by_copy[0] - by_copy[1]).max() > 0.01
    # Validation is never augmented.
    plain = store(extractor)
    assert plain.folder != made.folder
    for name, maps in maps_of(plain, counts).items():
        np.testing.assert_array_equal(maps, maps_of(made, counts)[name])

    finished = contents(made.folder)
    for name in (feature_store.INFO_FILE, "train-copy1-00001-of-00003.tfrecord"):
        (made.folder / name).unlink()
    store(extractor, copies=2, augmentation="soft")
    assert contents(made.folder) == finished


@pytest.mark.parametrize("scale", [1e4, np.nan])
def test_feature_that_does_not_fit_is_an_error(store, scale):
    with pytest.raises(
        UserError, match="a feature of (first|second) is .*feature_records=never"
    ):
        store(make_extractor(scale=scale))


def test_too_little_disk_is_an_error_before_the_work(store, monkeypatch, tmp_path):
    # 24 slices of 4 x 4 x 6 numbers of 2 bytes.
    monkeypatch.setattr(
        feature_store.shutil, "disk_usage", lambda path: shutil_usage(free=24 * 192 - 1)
    )
    with pytest.raises(UserError, match="choose another disk by --records"):
        store(make_extractor())
    assert not list((tmp_path / "features").glob("*/*.tfrecord"))
    monkeypatch.setattr(
        feature_store.shutil, "disk_usage", lambda path: shutil_usage(free=24 * 192)
    )
    store(make_extractor())


def shutil_usage(free):
    return collections.namedtuple("Usage", "total used free")(10**9, 0, free)
