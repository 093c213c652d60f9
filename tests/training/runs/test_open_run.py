"""Folders of runs that are there already: the same run goes on, another one is refused."""

import dataclasses
import json

import pytest

from keras_medformers.support.errors import UserError
from training.runs.config import CONFIG_FILE, Config
from training.runs.session import open_run

RUN = Config(
    model="hifuse_tiny",
    dataset="isic2018",
    records="records",
    model_config={"window_size": 4, "depths": (1, 1)},
    augmentation="crop",
    crop_min_area=0.5,
    task="single_label",
    modality="photograph",
    label_names=("MEL", "NV"),
)


def flat(config, *absent):
    """A file of an earlier version: all settings side by side, those without effect, too."""
    values = dataclasses.asdict(config)
    return json.dumps(
        {key: value for key, value in values.items() if key not in absent}
    )


def test_a_folder_of_an_earlier_version_goes_on_and_is_written_anew(tmp_path):
    (tmp_path / CONFIG_FILE).write_text(flat(RUN, "treatment", "rho", "recompute"))
    open_run(tmp_path, RUN)
    written = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert written["model"]["name"] == "hifuse_tiny"
    assert "frozen_fraction" not in written["model"] and "rho" not in written["fit"]
    open_run(tmp_path, Config.load(tmp_path))


def test_only_settings_that_have_an_effect_make_another_run(tmp_path):
    (tmp_path / CONFIG_FILE).write_text(flat(RUN))
    open_run(tmp_path, dataclasses.replace(RUN, frozen_fraction=0.5, rho=0.3, eta=1.0))
    other = dataclasses.replace(RUN, batch_size=8, crop_min_area=0.1)
    with pytest.raises(UserError, match="other settings of batch_size, crop_min_area;"):
        open_run(tmp_path, other)


def test_settings_given_as_tuples_are_those_that_come_back_as_lists(tmp_path):
    open_run(tmp_path, RUN)
    open_run(tmp_path, RUN)
    depths = dataclasses.replace(RUN, model_config={"window_size": 4, "depths": [2, 2]})
    with pytest.raises(UserError, match="other settings of model_config;"):
        open_run(tmp_path, depths)
