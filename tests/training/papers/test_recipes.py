"""Recipes: each can be run, and the right one is chosen."""

import pytest

import keras_medformers
from data_prep.datasets import get_dataset
from keras_medformers.support.errors import UserError
from training.papers import RECIPES, default_recipe
from training.papers.scopeformer import RSNA_LABEL_WEIGHTS
from training.runs.config import Config
from training.runs.recipes import recipe

N_CNN = ("scopeformer_1cnn", "scopeformer_2cnn", "scopeformer_3cnn")
TABLE_3 = [
    f"scopeformer_{size}"
    for size in ("small", "base", "medium", "large_4", "large_8", "large_16")
]


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


def test_recipes_of_hemorrhage_weigh_labels_as_the_challenge_does():
    for name, values in RECIPES.items():
        if values["dataset"] in ("rsna_ich", "phantom_head_ct"):
            assert recipe(name, records="records").label_weights == RSNA_LABEL_WEIGHTS
        else:
            assert "label_weights" not in values


def test_recipes_freeze_backbones_as_the_paper_does():
    frozen = {
        0.7: [
            *TABLE_3,
            "deep_scopeformer",
            "deep_scopeformer_tr",
            "efficient_scopeformer",
        ],
        1.0: ["efficient_scopeformer_p", *N_CNN],
        0.0: ["scopeformer_backbone", "scopeformer_backbone_hard", "imagenet_backbone"],
    }
    for fraction, names in frozen.items():
        for name in names:
            config = recipe(name, records="records")
            assert (
                config.frozen_fraction == fraction
                and config.backbone_weights == "imagenet"
            ), name
    assert {recipe(name, records="records").input_size for name in N_CNN} == {224}
    for name, strength in (
        ("scopeformer_backbone", "soft"),
        ("scopeformer_backbone_hard", "hard"),
    ):
        config = recipe(name, records="records")
        assert (config.epochs, config.augmentation) == (150, strength)


@pytest.mark.parametrize("model", keras_medformers.list_models("*scopeformer*"))
def test_every_scopeformer_has_recipes_for_slices_and_for_phantoms(model):
    model = keras_medformers.registry.resolve_name(model)
    for dataset in ("rsna_ich", "phantom_head_ct"):
        name = default_recipe(model, dataset)
        config = recipe(name, records="records", model=model)
        assert config.dataset == dataset
        assert config.input_size == (224 if model in N_CNN else 256)
        if dataset == "rsna_ich" and model != "scopeformer_scaled":
            assert RECIPES[name]["model"] == model


def test_recipes_of_hifuse_have_the_settings_of_its_table_2():
    for name in ("hifuse_isic2018", "hifuse_covid19_ct", "hifuse_kvasir"):
        config = recipe(name, records="records")
        assert (config.input_size, config.batch_size, config.epochs) == (224, 32, 100)
        assert (config.learning_rate, config.final_learning_rate) == (1e-4, 1e-6)
        assert (config.weight_decay, config.warmup_epochs) == (0.01, 1)
        assert config.crop_min_area == 0.08 and config.model_config == {}


def test_recipes_of_dtvit_have_the_papers_settings():
    later = recipe("dtvit_ich_location", records="records")
    assert (later.optimizer, later.learning_rate, later.weight_decay) == (
        "adamw",
        2e-5,
        0.01,
    )
    assert (later.epochs, later.batch_size, later.input_size) == (10, 32, 224)
    first = recipe("dtvit_first", records="records")
    assert (first.optimizer, first.learning_rate, first.epochs) == ("sgd", 0.01, 50)
    assert first.model_config == {"classifier_dim": None} and later.model_config == {}
    for name in ("dtvit_ich_location", "dtvit_first"):
        plain = recipe(f"{name}_plain", records="records")
        assert (plain.augmentation, plain.batch_size) == ("none", 8)
        assert recipe(name, records="records").augmentation == "dtvit"


@pytest.mark.parametrize("model", ["hct", "gmic"])
@pytest.mark.parametrize("suffix, sharpness", [("", "none"), ("_asam", "asam")])
def test_recipes_of_mammograms_have_the_papers_settings(model, suffix, sharpness):
    images = recipe(f"{model}{suffix}", records="records")
    patches = recipe(images.first_stage, records="records")
    assert images.first_stage == f"{model}_patches{suffix}"
    assert (images.dataset, patches.dataset) == ("mammography", "mammography_patches")
    assert (patches.learning_rate, patches.batch_size, patches.epochs) == (
        6e-4,
        160,
        80,
    )
    assert (images.learning_rate, images.batch_size, images.epochs) == (2e-5, 32, 80)
    for config in (images, patches):
        assert (config.optimizer, config.sharpness, config.rho) == (
            "adam",
            sharpness,
            0.05,
        )
        assert (
            config.weight_decay
            == config.warmup_epochs
            == config.final_learning_rate
            == 0
        )
        assert (config.augmentation, config.model, config.model_config) == (
            "flips_noise",
            model,
            {},
        )


def test_first_stages_are_recipes_of_the_same_network_on_patches():
    for name, values in RECIPES.items():
        if "first_stage" in values:
            before = RECIPES[values["first_stage"]]
            assert before["dataset"] == f"{values['dataset']}_patches", name
            assert before["model"] == values["model"] and "first_stage" not in before, (
                name
            )


def test_recipe_serves_all_sizes_of_its_architecture():
    assert (
        recipe("hifuse_isic2018", records="records", model="hifuse_base").model
        == "hifuse_base"
    )
    with pytest.raises(
        UserError,
        match="'hifuse_isic2018' is for hifuse_base, .* 'efficient_scopeformer'",
    ):
        recipe("hifuse_isic2018", records="records", model="efficient_scopeformer")


def test_values_replace_those_of_the_recipe():
    name = "scopeformer_phantoms"
    assert (
        recipe(name, records="records", epochs=99).epochs
        == 99
        != RECIPES[name]["epochs"]
    )


def test_unknown_recipe_names_near_ones():
    with pytest.raises(
        UserError, match="'scopeformer_phantom'; did you mean scopeformer_phantoms"
    ):
        recipe("scopeformer_phantom")
    with pytest.raises(
        UserError, match="did you mean deep_scopeformer or deep_scopeformer_tr"
    ):
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
        ("scopeformer_large_8", None, "scopeformer_phantoms"),
        ("scopeformer_2cnn", None, "scopeformer_2cnn_phantoms"),
        ("scopeformer_2cnn", "my_own", "scopeformer_2cnn"),
        ("scopeformer_backbone", None, "scopeformer_backbone_phantoms"),
        ("scopeformer_backbone", "rsna_ich", "scopeformer_backbone"),
        ("dtvit_small", None, "dtvit_small_phantoms"),
        ("dtvit_large", None, "dtvit_phantoms"),
        ("dtvit_base", None, "dtvit_phantoms"),
        ("dtvit_large", "ich_location", "dtvit_ich_location"),
        ("dtvit_large", "phantom_head_ct", "dtvit_ich_location"),
        ("hct", None, "hct_phantoms"),
        ("hct_nystrom", "phantom_mammography", "hct_phantoms"),
        ("hct_softmax", "mammography", "hct"),
        ("hct", "mammography_patches", "hct_patches"),
        ("hct", "phantom_mammography_patches", "hct_patches_phantoms"),
        ("hct", "my_own", "hct"),
        ("def_gmic", "mammography", "gmic"),
        ("def_gmic", None, "gmic_phantoms"),
        ("gmic", "mammography_patches", "gmic_patches"),
        ("imagenet_backbone", None, "imagenet_backbone_phantoms"),
        ("imagenet_backbone", "image_folder", "imagenet_backbone"),
        ("radiograph_backbone", None, "radiograph_backbone"),
    ],
)
def test_other_sizes_of_a_model_share_its_recipes(model, dataset, expected):
    assert default_recipe(model, dataset) == expected


def test_default_is_an_error_for_a_model_without_recipes():
    with pytest.raises(UserError, match="no recipe for model 'vit_base'"):
        default_recipe("vit_base", "rsna_ich")
