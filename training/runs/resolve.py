"""Settings become a run: what its records decide is filled in, what does not fit refused.

The one place that knows, from a run's model, settings and records, what fits and what has an effect. A
setting that the user asked for and that has no effect is an error; one that a recipe brings along, say of
a model of the same family that has backbones, is left out.
"""

import dataclasses
import difflib
from collections.abc import Callable, Collection

from data_prep.records.schema import DatasetInfo
from keras_medformers.modalities import get_modality
from keras_medformers.registry import list_tasks, model_entry
from keras_medformers.support.errors import UserError
from training.runs.chosen_backbones import backbones_of, weights_of_backbones
from training.runs.config import Config, setting_of
from training.tasks.base import Task
from training.tasks.tasks import TASKS, task_of_records


@dataclasses.dataclass(frozen=True)
class _Rule:
    """When settings have no effect.

    Attributes:
        settings: Their names.
        why_not: Function of a `Config` that gives the reason why they have no effect, or "" where
            they have one.
        neutral: A value that may be asked for all the same, since it says what is so anyway.
    """

    settings: tuple[str, ...]
    why_not: Callable[[Config], str]
    neutral: object = None


def resolve(config: Config, said: Collection[str] = ()) -> Config:
    """The configuration with what its records decide: labels, task, modality, treatment, size.

    Args:
        config: A `Config` whose records are there.
        said: Names of the settings that the user asked for.

    Returns:
        A `Config` that fits its model and its records, and holds only what has an effect with them.

    Raises:
        UserError: If the records are not there, are of another data set or lack what the model learns, or if
            a setting does not fit.
    """
    info = DatasetInfo.load(config.records)
    if info.dataset != config.dataset:
        raise UserError(
            f"expected records of {config.dataset} in {config.records}, found those of {info.dataset}; "
            "name another folder by --records"
        )

    task = task_of_records(config.model, info)
    _check_modality(config.model, info)
    config = dataclasses.replace(
        config,
        label_names=task.label_names_of(info),
        task=task.name,
        modality=info.modality,
        treatment=info.config.get("treatment"),
        input_size=_height_of_records(config, info)
        if get_modality(info.modality).keeps_size
        else config.input_size,
    )
    config = only_what_applies(config, said)
    config = dataclasses.replace(
        config, label_weights=task.weights_of_labels(config.label_weights)
    )
    check_fit(config, task, info)
    return config


def check_fit(config: Config, task: Task, info: DatasetInfo) -> None:
    """Looks whether a resolved configuration fits records, its own or others.

    Raises:
        UserError: If it does not.
    """
    found = task.label_names_of(info)
    if config.label_names != found:
        raise UserError(
            f"the run is for labels {', '.join(config.label_names)}, and the records in "
            f"{info.records_dir} have {', '.join(found)}; name other records, or another folder by --run"
        )
    _check_modality(config.model, info)
    task.check_weights(config.label_weights, config.task_weights)
    _check_augmentation(config)


def _check_modality(model, info):
    if info.modality not in model_entry(model).modalities:
        raise UserError(
            f"model {model!r} is not for images of modality {info.modality!r}, which those in "
            f"{info.records_dir} are; choose another --model"
        )


def _height_of_records(config, info):
    height, _ = info.image_shape
    if config.input_size not in (Config.input_size, height):
        raise UserError(
            f"expected no input_size, since {get_modality(info.modality).nouns} are taken as the records "
            f"hold them, {height} pixels high in {config.records}; received {config.input_size}. "
            "Make records of another --image-size"
        )
    return height


def only_what_applies(config: Config, said: Collection[str] = ()) -> Config:
    """The configuration without settings that have no effect, checked against its model.

    Args:
        config: A `Config`, with or without the facts of its records; without them, settings whose effect
            depends on these are left as they are.
        said: Names of the settings that the user asked for.

    Returns:
        A `Config`; applied again, it stays the same.

    Raises:
        UserError: If what the user asked for has no effect, or does not fit the model.
    """
    _check_architecture(config)
    _check_augmentation(config)
    dropped = {}
    for rule in _RULES:
        reason = rule.why_not(config)
        if not reason:
            continue
        for name in rule.settings:
            value = getattr(config, name)
            if name in said and value not in (None, (), rule.neutral):
                raise UserError(
                    f"expected no {name}, since {reason}; received {name}={value!r}: leave it out"
                )
            dropped[name] = () if name in _TUPLES else None

    resolved = dataclasses.replace(config, **dropped)
    if resolved.backbone_weights is not None:
        weights_of_backbones(resolved)  # raises if they do not fit the model
    return resolved


def settings_of(assignments: Collection[str]) -> set[str]:
    """Names of the settings that `key=value` texts set.

    Raises:
        UserError: If a key is none.
    """
    return {setting_of(text.partition("=")[0])[0] for text in assignments}


def _check_architecture(config):
    """Raises UserError unless the model takes what `model_config` sets, and is not told it twice."""
    entry = model_entry(config.model)
    own = {"backbone_weights": "backbone_weights", entry.freezing: "frozen_fraction"}
    for name in config.model_config:
        if name in own and name in entry.settings:
            raise UserError(
                f"expected no model_config.{name}; set {own[name]} itself: --set {own[name]}=..."
            )
        if name not in entry.settings:
            known = [name for name in entry.settings if name not in own]
            near = difflib.get_close_matches(name, known, n=3) or known
            raise UserError(
                f"model {config.model!r} has no setting {name!r}; did you mean "
                f"{' or '.join(near)}?"
            )


def _check_augmentation(config):
    """Raises UserError unless the images' modality has the augmentation."""
    modalities = model_entry(config.model).modalities
    if config.modality is not None:
        modalities = (config.modality,)
    fitting = [name for each in modalities for name in get_modality(each).augmentations]
    if config.augmentation not in fitting:
        raise UserError(
            f"expected augmentation to be one of {', '.join(dict.fromkeys(fitting))} for images of "
            f"modality {' or '.join(map(repr, modalities))}, received {config.augmentation!r}"
        )


def _no_backbones(config):
    return "" if backbones_of(config) else f"model {config.model!r} has no backbones"


def _nothing_freezes(config):
    frozen = model_entry(config.model).freezing
    return (
        _no_backbones(config) if frozen else f"model {config.model!r} freezes nothing"
    )


def _no_start_of_backbones(config):
    if config.weights != "none":
        return "the whole model starts from weights of its own"
    return _no_backbones(config)


def _no_copies(config):
    """Why no augmented copies are stored among the features."""
    if _no_backbones(config):
        return _no_backbones(config)
    if config.augmentation == "none":
        return "nothing is augmented with augmentation='none'"
    if config.augmentation == "crop":
        return "augmentation='crop' is drawn anew in every epoch"
    if config.feature_records == "never":
        return "feature_records='never' stores no features"
    if config.frozen_fraction != 1.0:
        return f"features are stored only with frozen_fraction=1.0, not {config.frozen_fraction}"
    return ""


def _no_blocks(config):
    blocks = model_entry(config.model).layers.blocks
    return "" if blocks else f"model {config.model!r} has no blocks to compute again"


def _unless(name, *values):
    """The reason of a setting that depends on another one's values."""

    def why_not(config):
        value = getattr(config, name)
        return "" if value in values else f"it is of no effect with {name}={value!r}"

    return why_not


def _labels_exclude_each_other(config):
    if list_tasks(config.model):
        return "a model of several tasks has task_weights"
    if config.task is None:  # not resolved yet
        return ""
    return TASKS[config.task].why_no_label_weights(config.label_names)


def _one_task(config):
    return "" if list_tasks(config.model) else f"model {config.model!r} has one task"


_RULES = (
    _Rule(("frozen_fraction",), _nothing_freezes),
    _Rule(("backbone_weights",), _no_start_of_backbones),
    _Rule(("feature_records",), _no_backbones),
    _Rule(("feature_copies",), _no_copies, neutral=0),
    _Rule(("recompute",), _no_blocks, neutral=False),
    _Rule(("crop_min_area",), _unless("augmentation", "crop")),
    _Rule(("rho",), _unless("sharpness", "sam", "asam")),
    _Rule(("eta",), _unless("sharpness", "asam")),
    _Rule(("weight_decay",), _unless("optimizer", "adamw", "sgd"), neutral=0.0),
    _Rule(("label_weights",), _labels_exclude_each_other),
    _Rule(("task_weights",), _one_task),
)
_TUPLES = ("label_weights", "task_weights")
