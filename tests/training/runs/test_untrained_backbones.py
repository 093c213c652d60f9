"""Backbones without pretrained weights: their statistics come from the images, their files are kept."""

import keras
import numpy as np
import pytest
from small_records import SIZE_PX, SMALL_BACKBONE

from training.runs.untrained_backbones import (
    set_batch_norm_statistics,
    untrained_backbone_files,
)

SHAPE = (SIZE_PX, SIZE_PX, 3)


def images(seed, count=8):
    return (
        np.random.default_rng(seed).uniform(0, 255, (count, *SHAPE)).astype(np.float32)
    )


def normalised(x):
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-6)(x)


def test_statistics_are_the_mean_over_the_batches():
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    first = normalised(keras.layers.Conv2D(4, 3, strides=2)(image))
    second = normalised(
        keras.layers.Conv2D(4, 3, strides=2)(keras.layers.ReLU()(first))
    )
    model = keras.Model(image, [first, second])
    # The second batch is brighter: statistics of the last batch alone would be off.
    batches = [images(0), images(1) * 0.5 + 100]
    set_batch_norm_statistics(model, iter(batches))
    for outputs in model.predict(np.concatenate(batches), verbose=0):
        np.testing.assert_allclose(outputs.mean(axis=(0, 1, 2)), 0, atol=0.05)
    scales = [
        np.mean(
            [
                (outputs.std(axis=(0, 1, 2)))
                for outputs in model.predict(batch, verbose=0)[:1]
            ]
        )
        for batch in batches
    ]
    # The variance is the mean of the batches' variances.
    assert np.mean(np.square(scales)) == pytest.approx(1, abs=0.02)
    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert [norm.momentum for norm in norms] == [0.9, 0.9]


@pytest.mark.slow
def test_files_are_made_once_and_depend_on_the_seed(tmp_path):
    calls = []

    def batches():
        calls.append(1)
        return [images(0), images(1)]

    def make(folder, instances, seed):
        files = untrained_backbone_files(
            dict.fromkeys(instances, SMALL_BACKBONE),
            tmp_path / folder,
            batches,
            SHAPE,
            seed,
        )
        return [files[name] for name in instances]

    one, copy = SMALL_BACKBONE, f"{SMALL_BACKBONE}_2"
    (path,) = make("first", [one], seed=0)
    assert [path] == list((tmp_path / "first").iterdir())
    inode = path.stat().st_ino
    assert (
        make("first", [one], seed=0) == [path]
        and path.stat().st_ino == inode
        and len(calls) == 1
    )
    # Not the place in the list decides on the weights, but the instance.
    (second_copy, same), (other,) = (
        make("second", [copy, one], seed=0),
        make("first", [one], seed=1),
    )
    assert other != path and path.is_file() and len(calls) == 4

    weights = [weights_of(file) for file in (path, same, other, second_copy)]
    for first, second in zip(weights[0], weights[1], strict=True):
        np.testing.assert_array_equal(first, second)
    for others in weights[2:]:
        assert any(
            not np.array_equal(first, second)
            for first, second in zip(weights[0], others, strict=True)
        )


def weights_of(path):
    from keras_medformers.models.backbones import build_backbone

    backbone = build_backbone(SMALL_BACKBONE, SHAPE, path)
    maps = backbone.predict(np.concatenate([images(0), images(1)]), verbose=0)
    # Without statistics, or with those of another network, maps vanish or explode.
    assert 0.1 < maps.std() < 10
    return backbone.get_weights()
