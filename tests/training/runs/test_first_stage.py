"""Which training goes before another one, and what has to be alike."""

import dataclasses
import pathlib
import types

import pytest

from keras_medformers.support.errors import UserError
from training.runs import first_stage
from training.runs.config import Config
from training.runs.recipes import recipe

IMAGES_CONFIG = {
    "image_size": 1664,
    "source_height": 3328,
    "seed": 4,
    "fractions": [0.8, 0.1, 0.1],
}


def second_stage(**values):
    return recipe(
        "hct", model="hct_softmax", records="somewhere/records", seed=5, **values
    )


def info(**changed):
    return types.SimpleNamespace(
        config=IMAGES_CONFIG | changed, records_dir=pathlib.Path("somewhere")
    )


def test_it_is_the_same_network_on_patches_with_settings_of_its_own():
    config = second_stage(
        model_config={"num_conv_stages": 4}, precision="mixed_bfloat16"
    )
    first = first_stage.first_stage_of(config, ["epochs=2"])
    assert (first.model, first.model_config) == ("hct_softmax", {"num_conv_stages": 4})
    assert (first.seed, first.precision) == (5, "mixed_bfloat16")
    assert (first.dataset, first.records) == (
        "mammography_patches",
        "somewhere/records_patches",
    )
    assert (first.batch_size, first.learning_rate, first.epochs) == (160, 6e-4, 2)
    assert first.first_stage == first.weights == "none"


@pytest.mark.parametrize(
    "overrides, changed",
    [
        (["seed=1"], "seed"),
        (["model_config.num_conv_stages=2"], "model_config"),
        (["model=gmic"], "model"),
    ],
)
def test_what_is_alike_cannot_be_set_for_it_alone(overrides, changed):
    with pytest.raises(UserError, match=f"^{changed} is the same in both stages"):
        first_stage.first_stage_of(second_stage(), overrides)


def test_patches_of_phantoms_are_not_for_patients():
    with pytest.raises(
        UserError, match="for phantom_mammography_patches, and .* those of mammography"
    ):
        first_stage.first_stage_of(second_stage(first_stage="hct_patches_phantoms"))
    with pytest.raises(
        UserError, match="unknown recipe 'hct_patch'; did you mean hct_patches"
    ):
        first_stage.first_stage_of(second_stage(first_stage="hct_patch"))


def test_patches_are_made_at_the_scale_and_in_the_splits_of_the_images():
    assert first_stage.arguments_for_records(info()) == [
        "--image-size", "1664", "--source-height", "3328", "--seed", "4", "--fractions", "0.8,0.1,0.1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"image_size": 3328},
        {"source_height": 832},
        {"seed": 0},
        {"fractions": [0.7, 0.2, 0.1]},
    ],
)
def test_other_patches_are_refused(changed):
    first_stage.check_records(info(), info())
    (name,) = changed
    with pytest.raises(UserError, match=f"expected patches with {name}="):
        first_stage.check_records(info(**changed), info())


def test_start_is_the_recipes_unless_something_is_said(tmp_path):
    config = second_stage()
    assert first_stage.with_start(config, None) == config
    assert first_stage.with_start(config, "none") == dataclasses.replace(
        config, first_stage="none"
    )
    given = dataclasses.replace(config, weights="own.weights.h5")
    assert first_stage.with_start(given, None) == dataclasses.replace(
        given, first_stage="none"
    )
    with pytest.raises(UserError, match="received both: own.weights.h5"):
        first_stage.with_start(given, str(tmp_path))


def test_start_from_a_finished_run(tmp_path):
    config = second_stage()
    with pytest.raises(UserError, match="is not the folder of a run"):
        first_stage.with_start(config, str(tmp_path))
    patches = Config(
        model="hct_softmax", dataset="mammography_patches", records="records"
    )
    patches.save(tmp_path)
    with pytest.raises(UserError, match="has no model.keras yet"):
        first_stage.with_start(config, str(tmp_path))
    (tmp_path / "model.keras").touch()
    started = first_stage.with_start(config, str(tmp_path))
    assert (
        started.weights == str(tmp_path / "model.keras")
        and started.first_stage == "none"
    )
    for values in ({"model": "hct"}, {"model_config": {"num_heads": 4}}):
        dataclasses.replace(patches, **values).save(tmp_path)
        with pytest.raises(UserError, match=f"to be a run with {next(iter(values))}="):
            first_stage.with_start(config, str(tmp_path))
