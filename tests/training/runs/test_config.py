"""What configurations take, refuse and keep."""

import dataclasses
import json

import pytest

from keras_medformers.support.errors import UserError
from training.runs.config import CONFIG_FILE, Config

CONFIG = Config(model="scopeformer", dataset="rsna_ich", records="records")


@pytest.mark.parametrize(
    "assignment, key, value",
    [
        ("epochs=3", "epochs", 3),
        ("fit.epochs=3", "epochs", 3),
        ("model.name=hct", "model", "hct"),
        ("model=hct", "model", "hct"),
        ("model.model_config.irmlp=dense", "model_config", {"irmlp": "dense"}),
        ("learning_rate=1e-4", "learning_rate", 1e-4),
        ("warmup_epochs=2", "warmup_epochs", 2.0),
        ("deterministic=true", "deterministic", True),
        ("augmentation=soft", "augmentation", "soft"),
        ("label_weights=[1, 2, 3]", "label_weights", (1, 2, 3)),
        ('model_config={"num_layers": 2}', "model_config", {"num_layers": 2}),
        ("backbone_weights=none", "backbone_weights", "none"),
        ('backbone_weights=["a.h5", "b.h5"]', "backbone_weights", ("a.h5", "b.h5")),
        ("records=a=b", "records", "a=b"),
        ("weights=official.weights.h5", "weights", "official.weights.h5"),
        ("crop_min_area=1", "crop_min_area", 1.0),
        ("model_config.window_size=4", "model_config", {"window_size": 4}),
        ("model_config.irmlp=depthwise", "model_config", {"irmlp": "depthwise"}),
        ("model_config.depths=[1, 1]", "model_config", {"depths": [1, 1]}),
    ],
)
def test_override_gets_the_type_of_its_field(assignment, key, value):
    config = CONFIG.with_overrides([assignment])
    assert getattr(config, key) == value
    assert type(getattr(config, key)) is type(value)
    assert dataclasses.replace(config, **{key: getattr(CONFIG, key)}) == CONFIG


def test_later_override_of_a_key_holds():
    assert CONFIG.with_overrides(["epochs=3", "batch_size=2", "epochs=4"]).epochs == 4


def test_settings_of_the_model_are_set_one_by_one():
    config = CONFIG.with_overrides(
        [
            'model_config={"window_size": 7, "irmlp": "dense"}',
            "model_config.window_size=4",
        ]
    )
    assert config.model_config == {"window_size": 4, "irmlp": "dense"}
    assert (
        config.with_overrides(["model_config.irmlp=depthwise"]).model_config[
            "window_size"
        ]
        == 4
    )
    assert config.model_config["irmlp"] == "dense" and CONFIG.model_config == {}
    assert config.with_overrides(["model_config={}"]).model_config == {}


@pytest.mark.parametrize(
    "assignment, message",
    [
        ("epoch=3", "unknown recipe key 'epoch'; did you mean epochs"),
        ("lerning_rate=1", "did you mean learning_rate"),
        (
            "zzz=1",
            "did you mean accumulation_steps or augmentation or backbone_weights",
        ),
        ("epochs", "expected --set key=value, received 'epochs'"),
        ("epochs=many", "expected epochs to be a int, received 'many'"),
        ("epochs=1.5", "expected epochs to be a int"),
        ("epochs=true", "expected epochs to be a int"),
        ("deterministic=1", "expected deterministic to be a bool"),
        ("learning_rate=true", "expected learning_rate to be a float"),
        ("label_weights=2", "expected label_weights to be a tuple"),
        ("model_config=[1]", "expected model_config to be a dict"),
        (
            "model_config.=1",
            "unknown recipe key 'model_config.'; did you mean model_config",
        ),
        (
            "model_confg.irmlp=dense",
            "unknown recipe key 'model_confg.irmlp'; did you mean model_config",
        ),
        ("epochs.more=1", "unknown recipe key 'epochs.more'; did you mean epochs"),
        ("model_config.irmlp", "expected --set key=value"),
        ("backbone_weights=3", "expected backbone_weights"),
        ("weights=3", "expected weights to be a str"),
        ("crop_min_area=0", "crop_min_area within (0, 1], received 0.0"),
        ("crop_min_area=1.5", "crop_min_area within (0, 1], received 1.5"),
        ("task=single_label", "expected no task in --set, since the records decide it"),
        ("data.modality=ct", "expected no modality in --set"),
        ("label_names=[]", "expected no label_names in --set"),
        ("fit.input_size=3", "key 'fit.input_size'; did you mean input_size"),
        ("fit.epoch=3", "unknown recipe key 'fit.epoch'; did you mean epochs"),
        ("fit.=3", "unknown recipe key 'fit.'"),
        ("model.hct=3", "unknown recipe key 'model.hct'"),
        (
            "optimizer=adamx",
            "optimizer to be one of adamw, adam, sgd, received 'adamx'",
        ),
        ("sharpness=asma", "sharpness to be one of none, sam, asam, received 'asma'"),
        ("rho=0", "rho finite and above 0, received 0.0"),
        ("eta=-1", "eta of at least 0, received -1.0"),
        ("accumulation_steps=0", "accumulation_steps of at least 1, received 0"),
        ("task_weights=1", "expected task_weights to be a tuple"),
        ("feature_records=always", "feature_records to be one of auto, never"),
        ("epochs=0", "epochs of at least 1, received 0"),
        ("batch_size=-1", "batch_size of at least 1, received -1"),
        ("input_size=0", "input_size of at least 1"),
        ("shuffle_buffer=0", "shuffle_buffer of at least 1"),
        ("frozen_fraction=1.5", "frozen_fraction within [0, 1], received 1.5"),
        ("feature_copies=-1", "feature_copies of at least 0"),
        ("seed=-1", "seed of at least 0"),
        ("warmup_epochs=-0.5", "warmup_epochs of at least 0"),
        ("weight_decay=NaN", "weight_decay of at least 0, received nan"),
        ("final_learning_rate=-1", "final_learning_rate of at least 0"),
        ("learning_rate=0", "learning_rate finite and above 0, received 0.0"),
        ("learning_rate=NaN", "learning_rate finite and above 0, received nan"),
        (
            "precision=float61",
            "precision to be one of float32, mixed_bfloat16, mixed_float16",
        ),
    ],
)
def test_refused(assignment, message):
    with pytest.raises(UserError) as error:
        CONFIG.with_overrides([assignment])
    assert message in str(error.value)


def test_comes_back_from_its_file_as_it_was(tmp_path):
    config = dataclasses.replace(
        CONFIG,
        model_config={"backbones": ("xception", "xception"), "num_layers": 2},
        backbone_weights=("a.h5", "b.h5"),
        label_names=("any", "subdural"),
        label_weights=(2.0, 1.0),
        task="multilabel",
        rho=None,
        feature_copies=None,
        seed=7,
    )
    config.save(tmp_path)
    assert Config.load(tmp_path) == config
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG_FILE]


def test_file_has_sections_that_hold_only_what_has_an_effect(tmp_path):
    dataclasses.replace(CONFIG, rho=None, task="multilabel").save(tmp_path)
    written = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert sorted(written) == ["data", "fit", "model"]
    assert written["model"]["name"] == "scopeformer"
    assert written["data"]["task"] == "multilabel" and written["fit"]["eta"] == 0.01
    names = [name for section in written.values() for name in section]
    assert len(names) == len(set(names))
    assert not {"rho", "treatment", "modality", "label_names"} & set(names)


def test_facts_of_records_are_not_there_before_they_are_known():
    assert (CONFIG.task, CONFIG.modality, CONFIG.label_names) == (None, None, ())


FLAT = json.loads("""{
  "model": "hifuse_tiny", "dataset": "isic2018", "records": "records/isic2018",
  "model_config": {"window_size": 4, "depths": [1, 1]}, "weights": "none",
  "backbone_weights": "none", "frozen_fraction": 1.0, "input_size": 128, "batch_size": 16,
  "epochs": 6, "learning_rate": 0.0003, "final_learning_rate": 1e-06, "warmup_epochs": 1.0,
  "optimizer": "adamw", "weight_decay": 0.01, "clip_norm": 0.0, "label_weights": [],
  "task_weights": [], "augmentation": "crop", "crop_min_area": 0.5, "feature_records": "auto",
  "feature_copies": 0, "precision": "float32", "shuffle_buffer": 4096, "seed": 0,
  "deterministic": false, "label_names": ["MEL", "NV"], "task": "single_label",
  "modality": "photograph"
}""")
"""As an earlier version wrote it, without what came later: `rho`, `recompute`, `treatment`, ..."""


def test_flat_file_of_an_earlier_version_still_loads(tmp_path):
    (tmp_path / CONFIG_FILE).write_text(json.dumps(FLAT))
    config = Config.load(tmp_path)
    assert (config.model, config.batch_size, config.rho) == ("hifuse_tiny", 16, 0.05)
    assert config.label_names == ("MEL", "NV") and config.crop_min_area == 0.5
    config.save(tmp_path)
    assert Config.load(tmp_path) == config


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not the folder of a run"):
        Config.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"model": "scopeformer", "dataset": "d", "records": "r", "pace": 1}',
        '{"model": {"name": "scopeformer"}}',
        '{"model": {"name": "scopeformer"}, "pace": {}}',
        '{"model": {"name": "hct"}, "data": {"dataset": "d", "records": "r", "pace": 1}}',
    ],
)
def test_damaged_file_is_refused(text, tmp_path):
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(UserError, match="is damaged or of another version"):
        Config.load(tmp_path)
