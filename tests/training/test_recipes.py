"""Recipes: each can be run, and the right one is chosen."""

import pytest

import keras_medformers
from data_prep.datasets import get_dataset
from data_prep.errors import UserError
from training.config import Config
from training.recipes import RECIPES, default_recipe, recipe


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_a_configuration_of_a_known_model_and_data_set(name):
    config = recipe(name, records="records", seed=3)
    assert isinstance(config, Config)
    assert config.records == "records" and config.seed == 3
    assert config.model in keras_medformers.list_models()
    # Runs are compared by their configuration: an alias would make two names of one model.
    assert keras_medformers.registry.resolve_name(config.model) == config.model
    get_dataset(config.dataset)


def test_values_replace_those_of_the_recipe():
    name = "scopeformer_phantoms"
    assert recipe(name, records="records", epochs=99).epochs == 99 != RECIPES[name]["epochs"]


def test_unknown_recipe_names_near_ones():
    with pytest.raises(UserError, match="'scopeformer_phantom'; did you mean scopeformer_phantoms"):
        recipe("scopeformer_phantom")
    with pytest.raises(UserError, match="did you mean efficient_scopeformer or efficient_scopeformer_p"):
        recipe("???")


def test_default_is_the_first_recipe_for_model_and_data_set():
    model = "efficient_scopeformer"
    assert default_recipe(model, "phantom_head_ct") == "scopeformer_phantoms"
    assert default_recipe(model, "rsna_ich") == "efficient_scopeformer"
    assert RECIPES[default_recipe(model, "some other data set")]["model"] == model
    with pytest.raises(UserError, match="no recipe for model 'vit'"):
        default_recipe("vit", "rsna_ich")
