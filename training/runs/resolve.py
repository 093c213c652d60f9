"""Which settings of a run have an effect: the one place that knows, from its model and its records.

A setting that the user asked for and that has no effect is an error; one that a recipe brings along, say
of a model of the same family that has backbones, is left out.
"""

import dataclasses
import difflib
from collections.abc import Callable, Collection

from keras_medformers.registry import list_tasks, model_entry
from keras_medformers.support.errors import UserError
from training.runs.chosen_backbones import backbones_of, weights_of_backbones
from training.runs.config import Config, setting_of
from training.tasks.tasks import TASKS


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
    known = model_entry(config.model).settings
    own = ("backbone_weights", "frozen_fraction")
    for name in config.model_config:
        if name in own and name in known:
            raise UserError(
                f"expected no model_config.{name}; set {name} itself: --set {name}=..."
            )
        if name not in known:
            known = [name for name in known if name not in own]
            near = difflib.get_close_matches(name, known, n=3) or known
            raise UserError(
                f"model {config.model!r} has no setting {name!r}; did you mean "
                f"{' or '.join(near)}?"
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
    if config.task is None:
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
