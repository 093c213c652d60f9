"""Recipes: each can be run, and the right one is chosen."""

import pytest

import keras_medformers
from data_prep.datasets import get_dataset
from data_prep.errors import UserError
from training.config import Config
from training.losses import LABEL_WEIGHTS
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
    settings = keras_medformers.registry.list_settings(config.model)
    assert set(config.model_config) <= set(settings)
    assert config.backbone_weights == "none" or "backbone_weights" in settings


def test_recipes_of_hemorrhage_weigh_labels_as_the_challenge_does():
    for name, values in RECIPES.items():
        if values["model"] == "efficient_scopeformer":
            assert recipe(name, records="records").label_weights == LABEL_WEIGHTS
        else:
            assert "label_weights" not in values


def test_recipes_of_hifuse_have_the_settings_of_its_table_2():
    for name in ("hifuse_isic2018", "hifuse_covid19_ct", "hifuse_kvasir"):
        config = recipe(name, records="records")
        assert (config.input_size, config.batch_size, config.epochs) == (224, 32, 100)
        assert (config.learning_rate, config.final_learning_rate) == (1e-4, 1e-6)
        assert (config.weight_decay, config.warmup_epochs) == (0.01, 1)
        assert config.crop_min_area == 0.08 and config.model_config == {}


def test_recipe_serves_all_sizes_of_its_architecture():
    assert recipe("hifuse_isic2018", records="records", model="hifuse_base").model == "hifuse_base"
    with pytest.raises(UserError, match="'hifuse_isic2018' is for hifuse_base, .* 'efficient_scopeformer'"):
        recipe("hifuse_isic2018", records="records", model="efficient_scopeformer")


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
    assert default_recipe(model) == "scopeformer_phantoms"


@pytest.mark.parametrize(
    "model, dataset, expected",
    [
        ("hifuse_tiny", None, "hifuse_phantoms"),
        ("hifuse_base", None, "hifuse_phantoms"),
        ("hifuse_narrow", None, "hifuse_narrow_phantoms"),
        ("hifuse_narrow", "phantom_skin", "hifuse_narrow_phantoms"),
        ("hifuse_tiny", "isic2018", "hifuse_isic2018"),
        ("hifuse_small", "kvasir", "hifuse_kvasir"),
        ("hifuse_narrow", "covid19_ct", "hifuse_covid19_ct"),
        ("hifuse_base", "my_own", "hifuse_isic2018"),
    ],
)
def test_other_sizes_of_a_model_share_its_recipes(model, dataset, expected):
    assert default_recipe(model, dataset) == expected


def test_default_is_an_error_for_a_model_without_recipes(monkeypatch):
    for name in ("scopeformer_phantoms", "efficient_scopeformer", "efficient_scopeformer_p"):
        monkeypatch.delitem(RECIPES, name)
    with pytest.raises(UserError, match="no recipe for model 'efficient_scopeformer'"):
        default_recipe("efficient_scopeformer", "rsna_ich")
