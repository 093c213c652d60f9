"""Which part of the network trains, on what, and in which precision."""

import dataclasses

import numpy as np
import pytest
from small_records import (
    SIZE_PX,
    SMALL_BACKBONE,
    SMALL_MODEL,
    small_config,
    small_picture_config,
)

from keras_medformers.models.backbones import build_backbone
from keras_medformers.support.errors import UserError
from training.runs.resolve import resolve
from training.runs.workbench import Workbench

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "values, on_features",
    [
        ({}, True),
        ({"feature_records": "never"}, False),
        ({"frozen_fraction": 0.9}, False),
        ({"augmentation": "soft"}, False),
        ({"augmentation": "soft", "feature_copies": 2}, True),
        ({"augmentation": "soft", "feature_copies": 2, "frozen_fraction": 0.9}, False),
    ],
)
def test_trains_on_features_where_the_backbones_always_give_the_same(
    noise_info, values, on_features
):
    assert (
        Workbench(small_config(noise_info, **values)).trains_on_features == on_features
    )


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"augmentation": "crop"},
            "one of none, soft, hard, dtvit for .* 'ct', received 'crop'",
        ),
        (
            {"model": "hifuse_tiny", "model_config": {}},
            "model 'hifuse_tiny' is not for images of modality 'ct'",
        ),
        (
            {"label_names": ("any",)},
            "labels any, and the records in .* have any, epidural",
        ),
    ],
)
def test_settings_that_do_not_fit_the_records(noise_info, values, message):
    with pytest.raises(UserError, match=message):
        Workbench(small_config(noise_info, **values))


def test_random_crops_are_not_stored(picture_info):
    config = small_picture_config(
        picture_info,
        model="imagenet_backbone",
        model_config={"backbone": SMALL_BACKBONE},
        feature_copies=2,
    )
    assert config.feature_copies is None
    with pytest.raises(UserError, match="no feature_copies, .* anew in every epoch"):
        resolve(dataclasses.replace(config, feature_copies=2), {"feature_copies"})


def trained_paths(model):
    return [variable.path for variable in model.trainable_variables]


@pytest.mark.parametrize("frozen_fraction", [0.7, 1.0])
def test_copy_in_lower_precision_trains_the_same_variables(noise_info, frozen_fraction):
    bench = Workbench(
        small_config(
            noise_info,
            precision="mixed_bfloat16",
            feature_records="never",
            frozen_fraction=frozen_fraction,
        )
    )
    model, part = bench.model, bench.trained_part
    assert part is not model
    assert trained_paths(part) == trained_paths(model)
    in_backbone = [
        path
        for path in trained_paths(part)
        if path.startswith(f"{SMALL_BACKBONE}_conv")
    ]
    assert bool(in_backbone) == (frozen_fraction < 1)
    for expected, found in zip(model.get_weights(), part.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)

    part.get_layer("head").bias.assign(np.arange(6.0))
    bench.keep_weights()
    np.testing.assert_array_equal(model.get_layer("head").bias, np.arange(6.0))


def test_copy_in_lower_precision_gives_about_the_same(noise_info):
    exact, lower = (
        Workbench(small_config(noise_info, precision=precision)).trained_part
        for precision in ("float32", "mixed_bfloat16")
    )
    head = np.random.default_rng(1).normal(size=exact.get_layer("head").kernel.shape)
    for model in (exact, lower):
        model.get_layer("head").kernel.assign(head)  # zeros at the start
    shape = (8, *exact.input[SMALL_BACKBONE].shape[1:])
    maps = {
        SMALL_BACKBONE: np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    }
    expected, found = (model.predict(maps, verbose=0) for model in (exact, lower))
    assert found.dtype == np.float32 and not np.array_equal(found, expected)
    np.testing.assert_allclose(found, expected, atol=0.1 * expected.std())


def test_whole_float32_network_trains_itself(noise_info):
    bench = Workbench(small_config(noise_info, feature_records="never"))
    assert bench.trained_part is bench.model


TWO_COPIES = dict(
    model="scopeformer_small",
    model_config=SMALL_MODEL
    | {"backbones": [SMALL_BACKBONE, SMALL_BACKBONE], "feature_size": 8},
)


def test_models_with_the_same_or_fewer_backbones_share_the_features(noise_info):
    copies = Workbench(small_config(noise_info, **TWO_COPIES))
    store = copies.feature_store()
    assert sorted(store.shapes) == [SMALL_BACKBONE, f"{SMALL_BACKBONE}_2"]
    assert len(set(store.keys.values())) == 2
    one, classifier = (
        Workbench(
            small_config(noise_info, model=model, model_config=settings)
        ).feature_store()
        for model, settings in (
            ("efficient_scopeformer", SMALL_MODEL),
            ("scopeformer_backbone", {"backbone": SMALL_BACKBONE}),
        )
    )
    assert one == classifier and one.folder == store.folder
    assert one.keys == {SMALL_BACKBONE: store.keys[SMALL_BACKBONE]}


def test_weights_come_from_files_and_from_nowhere_side_by_side(noise_info, tmp_path):
    backbone = build_backbone(
        SMALL_BACKBONE, (SIZE_PX, SIZE_PX, 3), frozen_fraction=0.0
    )
    path = tmp_path / "own.weights.h5"
    backbone.save_weights(path)
    weights = ("none", str(path))
    mixed = Workbench(
        small_config(noise_info, **TWO_COPIES, backbone_weights=weights)
    ).model
    untrained = Workbench(small_config(noise_info, **TWO_COPIES)).model
    for name, expected in (
        (SMALL_BACKBONE, untrained.get_layer(SMALL_BACKBONE)),
        (f"{SMALL_BACKBONE}_2", backbone),
    ):
        for value, wanted in zip(
            mixed.get_layer(name).get_weights(), expected.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(value, wanted)


def test_untrained_copies_of_a_backbone_differ(noise_info):
    model = Workbench(small_config(noise_info, **TWO_COPIES)).model
    first, second = (
        model.get_layer(name).get_weights()
        for name in (SMALL_BACKBONE, f"{SMALL_BACKBONE}_2")
    )
    assert any(not np.array_equal(*pair) for pair in zip(first, second, strict=True))
