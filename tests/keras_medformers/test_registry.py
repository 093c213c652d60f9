"""Names, arguments and weights files that `create_model` takes or refuses."""

import numpy as np
import pytest

import keras_medformers


def test_lists_names_and_aliases():
    assert {"scopeformer", "efficient_scopeformer"} <= set(
        keras_medformers.list_models()
    )
    assert keras_medformers.list_models("eff*") == ["efficient_scopeformer"]


def test_unknown_name_has_near_matches():
    with pytest.raises(ValueError, match="'scopeformr'.*Did you mean 'scopeformer'"):
        keras_medformers.create_model("scopeformr")


def test_unknown_argument_has_near_matches():
    with pytest.raises(ValueError, match="num_layer=2.*'num_layers'"):
        keras_medformers.create_model("scopeformer", num_layer=2)


@pytest.mark.parametrize("weights", ["imagenet21k", "model.h5", "model"])
def test_refuses_other_words_for_weights(weights):
    with pytest.raises(ValueError, match="weights="):
        keras_medformers.create_model("scopeformer", weights=weights)


def test_missing_weights_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.keras"):
        keras_medformers.create_model("scopeformer", weights=tmp_path / "absent.keras")


def test_relatives_are_the_sizes_of_one_architecture():
    relatives = keras_medformers.registry.list_relatives("hifuse_small")
    assert {"hifuse_base", "hifuse_small", "hifuse_tiny"} <= set(
        relatives
    ) and relatives == sorted(relatives)
    assert "efficient_scopeformer" not in relatives
    assert "efficient_scopeformer" in keras_medformers.registry.list_relatives(
        "scopeformer"
    )
    # The same architecture for other images: no recipe serves both.
    assert keras_medformers.registry.list_relatives("radiograph_backbone") == [
        "radiograph_backbone"
    ]
    with pytest.raises(ValueError, match="Did you mean 'hifuse_tiny'"):
        keras_medformers.registry.list_relatives("hifuse_tini")


def test_settings_are_those_that_create_model_takes():
    assert "backbone_weights" in keras_medformers.registry.list_settings("scopeformer")
    settings = keras_medformers.registry.list_settings("hifuse_tiny")
    assert {"window_size", "irmlp", "drop_path_rate"} <= set(settings)
    assert not {"backbone_weights", "num_classes", "weights", "input_shape"} & set(
        settings
    )


def test_default_settings_are_the_names_values_over_the_builders():
    settings = keras_medformers.registry.default_settings("scopeformer_2cnn")
    assert (
        settings["backbones"] == ("xception_block13",) * 2
        and settings["num_layers"] == 12
    )
    assert settings["backbone_weights"] is None and settings["frozen_fraction"] == 1.0
    assert list(settings) == keras_medformers.registry.list_settings("scopeformer_2cnn")
    assert keras_medformers.registry.default_settings("scopeformer") == (
        keras_medformers.registry.default_settings("efficient_scopeformer")
    )
    with pytest.raises(ValueError, match="Did you mean"):
        keras_medformers.registry.default_settings("scopeforme")


def test_preprocessor_keeps_the_size_of_images_that_are_not_square():
    pixels = np.arange(40 * 20, dtype="uint16").reshape(1, 40, 20, 1)
    assert keras_medformers.preprocessor("hct")(pixels).shape == (1, 40, 20, 1)
    assert keras_medformers.preprocessor("hct", 16)(pixels).shape == (1, 16, 16, 1)
