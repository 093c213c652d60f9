"""Settings that have no effect: refused where they were asked for, else left out."""

import dataclasses

import pytest

from keras_medformers.support.errors import UserError
from training.papers import RECIPES
from training.runs.config import Config
from training.runs.recipes import recipe
from training.runs.resolve import only_what_applies, settings_of

HIFUSE = Config(model="hifuse_tiny", dataset="isic2018", records="records")
SCOPEFORMER = Config(model="scopeformer", dataset="rsna_ich", records="records")


@pytest.mark.parametrize(
    "config, assignments, message",
    [
        (
            HIFUSE,
            ["frozen_fraction=0.3"],
            "expected no frozen_fraction, since model 'hifuse_tiny' freezes nothing; "
            "received frozen_fraction=0.3",
        ),
        (HIFUSE, ["backbone_weights=none"], "model 'hifuse_tiny' has no backbones"),
        (HIFUSE, ["feature_records=never"], "model 'hifuse_tiny' has no backbones"),
        (HIFUSE, ["recompute=true"], "has no blocks to compute again"),
        (
            HIFUSE,
            ["fit.rho=0.3"],
            "no rho, since it is of no effect with sharpness='none'",
        ),
        (HIFUSE, ["sharpness=sam", "eta=0.1"], "no effect with sharpness='sam'"),
        (HIFUSE, ["crop_min_area=0.5"], "no effect with augmentation='none'"),
        (HIFUSE, ["optimizer=adam", "weight_decay=0.1"], "with optimizer='adam'"),
        (HIFUSE, ["task_weights=[1, 2]"], "model 'hifuse_tiny' has one task"),
        (SCOPEFORMER, ["feature_copies=2"], "nothing is augmented"),
        (
            SCOPEFORMER,
            ["feature_copies=2", "augmentation=soft", "frozen_fraction=0.5"],
            "only with frozen_fraction=1.0, not 0.5",
        ),
        (
            SCOPEFORMER,
            ["feature_copies=2", "augmentation=soft", "feature_records=never"],
            "stores no features",
        ),
        (
            HIFUSE,
            ["augmentation=soft"],
            "one of none, crop for images of modality 'photograph', received 'soft'",
        ),
        (
            dataclasses.replace(HIFUSE, model="imagenet_backbone"),
            ["feature_copies=2", "augmentation=crop"],
            "augmentation='crop' is drawn anew in every epoch",
        ),
        (
            SCOPEFORMER,
            ["backbone_weights=none", "weights=a.weights.h5"],
            "the whole model starts from weights of its own",
        ),
        (
            SCOPEFORMER,
            ["model_config.frozen_fraction=0.5"],
            "no model_config.frozen_fraction; set frozen_fraction itself",
        ),
        (
            SCOPEFORMER,
            ["model_config.num_layer=2"],
            "has no setting 'num_layer'; did you mean num_layers",
        ),
        (
            SCOPEFORMER,
            ['backbone_weights=["none", "none"]'],
            "backbone weights for each of resnet152v2, .* received 2",
        ),
    ],
)
def test_what_was_asked_for_and_has_no_effect_is_refused(config, assignments, message):
    with pytest.raises(UserError, match=message):
        only_what_applies(config.with_overrides(assignments), settings_of(assignments))


@pytest.mark.parametrize(
    "config, assignments",
    [
        (HIFUSE, ["recompute=false", "label_weights=[]"]),
        (HIFUSE, ["optimizer=adam", "weight_decay=0"]),
        (HIFUSE, ["optimizer=adam"]),
        (HIFUSE, ["sharpness=asam", "rho=0.3", "eta=0.1"]),
        (SCOPEFORMER, ["feature_copies=0", "recompute=true", "frozen_fraction=0.5"]),
        (SCOPEFORMER, ["feature_copies=2", "augmentation=soft"]),
    ],
)
def test_what_has_an_effect_or_says_what_is_so_anyway_is_taken(config, assignments):
    only_what_applies(config.with_overrides(assignments), settings_of(assignments))


def test_what_a_recipe_brings_along_is_left_out():
    found = only_what_applies(HIFUSE)
    absent = {
        "backbone_weights", "frozen_fraction", "feature_records", "feature_copies",
        "recompute", "crop_min_area", "rho", "eta", "task_weights", "label_weights",
    }  # fmt: skip
    assert not absent & set(found.values())
    assert found.weight_decay == 0.01
    assert only_what_applies(found) == found


def test_label_weights_depend_on_the_task_of_the_records():
    weighed = dataclasses.replace(HIFUSE, label_weights=(1.0, 2.0))
    assert only_what_applies(weighed, {"label_weights"}).label_weights == (1.0, 2.0)
    known = dataclasses.replace(weighed, task="single_label", label_names=("a", "b"))
    assert only_what_applies(known).label_weights == ()
    with pytest.raises(
        UserError, match="no label_weights, since .* exactly one of a, b"
    ):
        only_what_applies(known, {"label_weights"})


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_only_what_has_an_effect(name):
    only_what_applies(recipe(name, records="records"), RECIPES[name])
