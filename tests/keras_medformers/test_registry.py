"""Names, arguments and weights files that `create_model` takes or refuses."""

import pytest

import keras_medformers


def test_lists_names_and_aliases():
    assert {"scopeformer", "efficient_scopeformer"} <= set(keras_medformers.list_models())
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
