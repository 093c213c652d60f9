"""What a run is made of: a frozen set of settings, written into the run's folder by section."""

import dataclasses
import difflib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_json
from keras_medformers.tasks import FORMER_NAMES

CONFIG_FILE = "config.json"
MODEL_FILE = "model.keras"

MODEL, DATA, FIT = "model", "data", "fit"
"""Sections of the file. Names of settings are unique over all of them."""

SECTIONS = (MODEL, DATA, FIT)
FACTS = ("label_names", "task", "modality", "treatment")
"""What the records decide; nobody sets it."""


def _setting(section, default=dataclasses.MISSING, *, where=None, **limits):
    """A field of `Config`.

    Args:
        section: Where in the file it stands.
        default: Its value where nothing is said; none for a field that must be said.
        where: In words, where the setting has an effect, if not in every run. A setting without
            effect is None, or empty, and not in the file.
        **limits: `choices`, or a `rule` in words with the function `fits` that tests it.
    """
    metadata = {"section": section, "where": where, **limits}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


_ONE_OR_MORE = {"rule": "of at least 1", "fits": lambda value: value >= 1}
_NOT_NEGATIVE = {"rule": "of at least 0", "fits": lambda value: value >= 0}
_SHARE = {"rule": "within [0, 1]", "fits": lambda value: 0 <= value <= 1}
_SOME_SHARE = {"rule": "within (0, 1]", "fits": lambda value: 0 < value <= 1}
_POSITIVE = {
    "rule": "finite and above 0",
    "fits": lambda value: value > 0 and math.isfinite(value),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """A training run, resolved once its records' facts are in it: `training.runs.resolve`.

    In the file the settings stand in sections; here they have one name each. A setting that would have
    no effect is None, or empty, and not in the file.

    Attributes:
        model: A name from `keras_medformers.list_models()`.
        dataset: Name of the data set that the records were made from.
        records: Folder of the TFRecords.
        model_config: Settings of the architecture, see the model's builder.
        weights: `"none"`, or a `.weights.h5` or `.keras` file of the whole model to start from.
        first_stage: Recipe of a training on patches that comes first and gives `weights`, or `"none"`.
        backbone_weights: `"imagenet"`, `"none"`, or for each backbone one of these or a weights file.
        frozen_fraction: Share of each backbone's layers that do not train, from the input up.
        input_size: Side of the network's input in pixels. Mammograms are taken as their records hold them;
            theirs is the height of these, filled in.
        batch_size: Images per optimizer step, over all devices together.
        accumulation_steps: Micro-batches that each device's share of a step is divided into, to be in memory
            one after another. Batch normalisation sees one at a time.
        recompute: Whether to keep in memory only what lies between blocks, and to compute the rest again for
            gradients.
        epochs: Passes over the training split.
        learning_rate: Peak of the schedule.
        final_learning_rate: Where the cosine ends.
        warmup_epochs: Linear rise to the peak.
        optimizer: `"adamw"`, `"adam"`, which has no weight decay, or `"sgd"` without momentum.
        weight_decay: Not on biases and norms.
        clip_norm: Length to which a longer gradient of all weights together is shortened; 0 for no limit.
        sharpness: `"sam"` or `"asam"` for sharpness-aware minimisation, plain or adaptive, around the
            optimizer; it doubles the time of a step. Else `"none"`.
        rho: How far from the weights that takes its gradient.
        eta: Added to the size of each weight by `"asam"`.
        label_weights: Weight of each label in the loss; left empty, all labels weigh the same. For
            labels that may occur together only.
        task_weights: Weight of each task in the loss, for models that have several; left empty, all weigh
            the same.
        augmentation: One that the images' modality has: `"none"`; for CT `"soft"`, `"hard"` or `"dtvit"`
            (its paper's); for mammograms `"flips_noise"`; for photographs `"crop"`, a random crop of random
            shape, resized, and a random exchange of left and right.
        crop_min_area: Smallest share of a photograph that `"crop"` leaves.
        feature_records: `"auto"` trains on stored backbone features wherever nothing below the
            projections trains; `"never"` runs the backbones in every step.
        feature_copies: Augmented copies of the training split among the feature records; 0 stores
            the images as they are.
        precision: Keras dtype policy of what is trained.
        shuffle_buffer: Images that are mixed at a time.
        seed: Seed of weights, order and augmentation.
        deterministic: Whether to ask TensorFlow for deterministic operations, too. The order of
            the data and its augmentation depend on the seed alone either way.
        label_names: Names of the outputs in order; filled in from the records, as the next three are.
        task: `"multilabel"`; `"single_label"` where an image has exactly one of the labels; or `"dual_task"`
            where the model tells hemorrhage and its location.
        modality: A name of `keras_medformers.modalities`.
        treatment: How the slices of the records were treated, see
            `data_prep.modalities.head_ct.treatment`; None where they were left as they are.
    """

    model: str = _setting(MODEL)
    dataset: str = _setting(DATA)
    records: str = _setting(DATA)
    model_config: dict = _setting(MODEL, {})
    weights: str = _setting(MODEL, "none")
    first_stage: str = _setting(MODEL, "none")
    backbone_weights: str | tuple[str, ...] | None = _setting(
        MODEL,
        "imagenet",
        where="models built on backbones, unless weights of the whole model are given",
    )
    frozen_fraction: float | None = _setting(
        MODEL, 1.0, where="models built on backbones", **_SHARE
    )
    input_size: int = _setting(MODEL, 256, **_ONE_OR_MORE)
    batch_size: int = _setting(FIT, 32, **_ONE_OR_MORE)
    accumulation_steps: int = _setting(FIT, 1, **_ONE_OR_MORE)
    recompute: bool | None = _setting(
        FIT, False, where="models that name blocks to compute again"
    )
    epochs: int = _setting(FIT, 30, **_ONE_OR_MORE)
    learning_rate: float = _setting(FIT, 3e-4, **_POSITIVE)
    final_learning_rate: float = _setting(FIT, 1e-6, **_NOT_NEGATIVE)
    warmup_epochs: float = _setting(FIT, 1.0, **_NOT_NEGATIVE)
    optimizer: str = _setting(FIT, "adamw", choices=("adamw", "adam", "sgd"))
    weight_decay: float | None = _setting(
        FIT, 0.01, where="optimizers that decay: adamw, sgd", **_NOT_NEGATIVE
    )
    clip_norm: float = _setting(FIT, 0.0, **_NOT_NEGATIVE)
    sharpness: str = _setting(FIT, "none", choices=("none", "sam", "asam"))
    rho: float | None = _setting(FIT, 0.05, where="sharpness=sam or asam", **_POSITIVE)
    eta: float | None = _setting(FIT, 0.01, where="sharpness=asam", **_NOT_NEGATIVE)
    label_weights: tuple[float, ...] = _setting(
        FIT, (), where="labels that may occur together"
    )
    task_weights: tuple[float, ...] = _setting(FIT, (), where="models of several tasks")
    augmentation: str = _setting(DATA, "none")
    crop_min_area: float | None = _setting(
        DATA, 0.08, where="augmentation=crop", **_SOME_SHARE
    )
    feature_records: str | None = _setting(
        DATA, "auto", where="models built on backbones", choices=("auto", "never")
    )
    feature_copies: int | None = _setting(
        DATA,
        0,
        where="training on stored features of augmented images",
        **_NOT_NEGATIVE,
    )
    precision: str = _setting(
        FIT, "float32", choices=("float32", "mixed_bfloat16", "mixed_float16")
    )
    shuffle_buffer: int = _setting(DATA, 4096, **_ONE_OR_MORE)
    seed: int = _setting(FIT, 0, **_NOT_NEGATIVE)
    deterministic: bool = _setting(FIT, False)
    label_names: tuple[str, ...] = _setting(DATA, (), where="resolved runs")
    task: str | None = _setting(DATA, None, where="resolved runs")
    modality: str | None = _setting(DATA, None, where="resolved runs")
    treatment: str | None = _setting(DATA, None, where="treated slices")

    def __post_init__(self):
        # What a file gives back is lists; so that a saved configuration equals the loaded one.
        object.__setattr__(self, "model_config", _without_tuples(self.model_config))
        for field in dataclasses.fields(self):
            value, limits = getattr(self, field.name), field.metadata
            if value is None:
                continue
            if "choices" in limits and value not in limits["choices"]:
                raise UserError(
                    f"expected {field.name} to be one of {', '.join(limits['choices'])}, "
                    f"received {value!r}"
                )
            if "fits" in limits and not limits["fits"](value):
                raise UserError(
                    f"expected {field.name} {limits['rule']}, received {value}"
                )

    def with_overrides(self, assignments: Iterable[str]) -> "Config":
        """A copy with `key=value` texts applied in turn, values read as JSON where they are.

        A key is a setting's name, with or without its section before it: `batch_size`, `fit.batch_size`.
        `model_config.NAME=value` sets one of the architecture's settings and leaves the others.

        Raises:
            UserError: If a key is no setting, with near matches, or a value is of another type.
        """
        changes = {}
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            if not equals:
                raise UserError(f"expected --set key=value, received {assignment!r}")
            name, setting = setting_of(key)
            if setting:
                present = changes.get(name, getattr(self, name))
                changes[name] = present | {setting: _value(text)}
            else:
                changes[name] = _parse(name, text)
        return dataclasses.replace(self, **changes)

    def values(self) -> dict[str, Any]:
        """The settings by name, as `--set` takes them, without those that have no effect."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if not _is_absent(field, getattr(self, field.name))
        }

    def to_json(self) -> dict[str, dict[str, Any]]:
        """The content of `config.json`: sections of settings, without those that have no effect."""
        sections = {section: {} for section in SECTIONS}
        for name, value in self.values().items():
            sections[_FIELDS[name].metadata["section"]][_key(name)] = value
        return sections

    def save(self, run_dir: str | Path) -> None:
        """Writes `config.json` into the run's folder, whole or not at all."""
        write_json(Path(run_dir) / CONFIG_FILE, self.to_json())

    @classmethod
    def load(cls, run_dir: str | Path) -> "Config":
        """Reads a run's configuration back.

        Raises:
            UserError: If the folder holds no run, or its configuration is damaged.
        """
        path = Path(run_dir) / CONFIG_FILE
        if not path.is_file():
            raise UserError(
                f"{run_dir} is not the folder of a run: it has no {CONFIG_FILE}"
            )
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, TypeError) as error:
            raise UserError(
                f"{path} is damaged or of another version: {error}"
            ) from error

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Config":
        """The configuration that a file's content means, of an earlier version, which was flat, too.

        Raises:
            TypeError: If it has unknown keys or lacks one.
        """
        values = flat_values(content)
        if (
            values is not content
        ):  # in a file by sections what is not there has no effect
            absent = {
                name: () if field.default == () else None
                for name, field in _FIELDS.items()
                if field.metadata["where"]
            }
            values = absent | values

        if values.get("task") in FORMER_NAMES:
            values = values | {"task": FORMER_NAMES[values["task"]]}
        return cls(
            **{
                key: tuple(value) if isinstance(value, list) else value
                for key, value in values.items()
            }
        )


_FIELDS = {field.name: field for field in dataclasses.fields(Config)}


def changed_settings(before: Config, after: Config) -> list[str]:
    """Names of the settings in which two configurations differ."""
    return [name for name in _FIELDS if getattr(before, name) != getattr(after, name)]


def flat_values(content: dict[str, Any]) -> dict[str, Any]:
    """Settings by name of what a `config.json` holds, by section or flat as in earlier versions.

    Args:
        content: The parsed file.

    Returns:
        `content` itself where it is flat.

    Raises:
        TypeError: If it is neither.
    """
    if not isinstance(content, dict):
        raise TypeError("it is no object")
    if not isinstance(content.get(MODEL), dict):
        return content
    values = {}
    for section, settings in content.items():
        if section not in SECTIONS or not isinstance(settings, dict):
            raise TypeError(f"it has the unknown section {section!r}")
        values |= {
            MODEL if (section, key) == (MODEL, "name") else key: value
            for key, value in settings.items()
        }
    return values


def setting_of(key: str) -> tuple[str, str]:
    """The name of the setting that a key of `--set` means, and of the architecture's, or "".

    Raises:
        UserError: If there is none, or it is one that the records decide.
    """
    name, dot, rest = key.partition(".")
    if dot and name in SECTIONS:
        section, (name, dot, rest) = name, rest.partition(".")
        name = MODEL if (section, name) == (MODEL, "name") else name
        known = name in _FIELDS and _FIELDS[name].metadata["section"] == section
    else:
        known = name in _FIELDS

    if not known or dot and (name != "model_config" or not rest):
        names = [name for name in _FIELDS if name not in FACTS]
        near = difflib.get_close_matches(name, names, n=3) or sorted(names)
        raise UserError(
            f"unknown recipe key {key!r}; did you mean {' or '.join(near)}?"
        )
    if name in FACTS:
        raise UserError(
            f"expected no {name} in --set, since the records decide it, received {key!r}; name other "
            "records by --records"
        )

    return name, rest


def _key(name):
    """What a setting is called within its section."""
    return "name" if name == MODEL else name


def _is_absent(field, value):
    return bool(field.metadata["where"]) and value in (None, ())


def _without_tuples(value):
    """The value as JSON gives it back."""
    if isinstance(value, dict):
        return {key: _without_tuples(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_tuples(each) for each in value]
    return value


def _value(text):
    """The text read as JSON, or itself where it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _parse(name, text):
    """The value of `text` in the type of the setting's default."""
    value, field = _value(text), _FIELDS[name]
    default = "" if field.default is dataclasses.MISSING else field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    if isinstance(value, list):
        value = tuple(value)
    if (
        isinstance(default, float)
        and isinstance(value, int)
        and not isinstance(value, bool)
    ):
        value = float(value)

    if name == "backbone_weights" and isinstance(value, (str, tuple)):
        return value
    if type(value) is not type(default):
        raise UserError(
            f"expected {name} to be a {type(default).__name__}, received {text!r}"
        )

    return value
