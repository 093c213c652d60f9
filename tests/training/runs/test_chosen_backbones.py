"""Which backbones a run has and what each starts from, as its configuration says."""

import pytest

from keras_medformers.support.errors import UserError
from training.runs.chosen_backbones import backbones_of, weights_of_backbones
from training.runs.config import Config


def config(model, **values):
    return Config(model=model, dataset="rsna_ich", records="records", **values)


@pytest.mark.parametrize(
    "model, settings, expected",
    [
        (
            "deep_scopeformer",
            {},
            ["resnet152v2", "efficientnetb5", "densenet201", "xception"],
        ),
        (
            "deep_scopeformer",
            {"backbones": ["vgg19", "xception"]},
            ["vgg19", "xception"],
        ),
        ("scopeformer_backbone", {}, ["xception"]),
        ("scopeformer_backbone", {"backbone": "resnet50"}, ["resnet50"]),
        ("hifuse_tiny", {}, []),
        ("scopeformer_vit", {}, []),
    ],
)
def test_backbones_are_the_models_unless_set(model, settings, expected):
    of_instance = backbones_of(config(model, model_config=settings))
    assert list(of_instance) == list(of_instance.values()) == expected


def test_copies_of_a_backbone_have_names_of_their_own():
    assert backbones_of(config("scopeformer_2cnn")) == {
        "xception_block13": "xception_block13",
        "xception_block13_2": "xception_block13",
    }


def test_unknown_backbone_is_a_mistake_of_the_user():
    with pytest.raises(UserError, match="'xcption'. Did you mean 'xception'"):
        backbones_of(
            config("scopeformer_backbone", model_config={"backbone": "xcption"})
        )


def test_one_word_is_for_all_backbones_and_several_for_one_each():
    two = ["xception_block13", "xception_block13_2"]
    for word in ("imagenet", "none"):
        found = weights_of_backbones(config("scopeformer_2cnn", backbone_weights=word))
        assert found == dict.fromkeys(two, word)
    mixed = ("imagenet", "style.weights.h5")
    found = weights_of_backbones(config("scopeformer_2cnn", backbone_weights=mixed))
    assert found == dict(zip(two, mixed))


def test_there_have_to_be_as_many_weights_as_backbones():
    with pytest.raises(
        UserError,
        match="each of xception_block13, xception_block13_2, received 1: a.h5",
    ):
        weights_of_backbones(config("scopeformer_2cnn", backbone_weights=("a.h5",)))
