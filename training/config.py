"""What a run is made of: one flat, frozen set of fields, written into the run's folder."""

import dataclasses
import difflib
import json
import os
import pathlib

from data_prep.errors import UserError

CONFIG_FILE = "config.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """A resolved training run.

    Attributes:
        model: A name from `keras_medformers.list_models()`.
        dataset: Name of the data set that the records were made from.
        records: Folder of the TFRecords.
        model_config: Further arguments of `create_model`.
        backbone_weights: `"imagenet"`, `"none"`, or one weights file per backbone.
        frozen_fraction: Share of each backbone's layers that do not train, from the input up.
        input_size: Side of the network's input in pixels.
        batch_size: Slices per step, over all devices together.
        epochs: Passes over the training split.
        learning_rate: Peak of the schedule.
        final_learning_rate: Where the cosine ends.
        warmup_epochs: Linear rise to the peak.
        weight_decay: AdamW's, not on biases and norms.
        label_weights: Weight of each label in the loss.
        augmentation: `"none"`, `"soft"` or `"hard"`.
        feature_records: `"auto"` trains on stored backbone features wherever nothing below the
            projections trains; `"never"` runs the backbones in every step.
        feature_copies: Augmented copies of the training split among the feature records; 0 stores
            the slices as they are.
        precision: Keras dtype policy of what is trained.
        shuffle_buffer: Slices that are mixed at a time.
        seed: Seed of weights, order and augmentation.
        deterministic: Whether to ask TensorFlow for deterministic operations, too. The order of
            the data depends on the seed alone either way.
        label_names: Names of the outputs in order; filled in from the records.
    """

    model: str
    dataset: str
    records: str
    model_config: dict = dataclasses.field(default_factory=dict)
    backbone_weights: str | tuple[str, ...] = "imagenet"
    frozen_fraction: float = 1.0
    input_size: int = 256
    batch_size: int = 32
    epochs: int = 30
    learning_rate: float = 3e-4
    final_learning_rate: float = 1e-6
    warmup_epochs: float = 1.0
    weight_decay: float = 0.01
    label_weights: tuple[float, ...] = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    augmentation: str = "none"
    feature_records: str = "auto"
    feature_copies: int = 0
    precision: str = "float32"
    shuffle_buffer: int = 4096
    seed: int = 0
    deterministic: bool = False
    label_names: tuple[str, ...] = ()

    def __post_init__(self):
        _expect_one_of("augmentation", self.augmentation, ("none", "soft", "hard"))
        _expect_one_of("feature_records", self.feature_records, ("auto", "never"))
        _expect_one_of("precision", self.precision, ("float32", "mixed_bfloat16", "mixed_float16"))
        for name in ("batch_size", "epochs", "input_size", "shuffle_buffer"):
            if getattr(self, name) < 1:
                raise UserError(f"expected {name} of at least 1, received {getattr(self, name)}")
        if not 0 <= self.frozen_fraction <= 1:
            raise UserError(f"expected frozen_fraction within [0, 1], received {self.frozen_fraction}")
        for name in ("feature_copies", "final_learning_rate", "seed", "warmup_epochs", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise UserError(f"expected {name} of at least 0, received {getattr(self, name)}")
        if not 0 < self.learning_rate < float("inf"):
            raise UserError(f"expected a finite learning_rate above 0, received {self.learning_rate}")

    def with_overrides(self, assignments):
        """A copy with `key=value` texts applied, values read as JSON where they are.

        Raises:
            UserError: If a key is no field, with near matches, or a value is of another type.
        """
        fields = {field.name: field for field in dataclasses.fields(self)}
        changes = {}
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            if not equals:
                raise UserError(f"expected --set key=value, received {assignment!r}")
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=3) or sorted(fields)
                raise UserError(f"unknown recipe key {key!r}; did you mean {' or '.join(near)}?")
            changes[key] = _parse(key, text, getattr(self, key))
        return dataclasses.replace(self, **changes)

    def to_json(self):
        return dataclasses.asdict(self)

    def save(self, run_dir):
        """Writes `config.json` into the run's folder, whole or not at all."""
        path = pathlib.Path(run_dir) / CONFIG_FILE
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, path)

    @classmethod
    def load(cls, run_dir):
        """Reads a run's configuration back.

        Raises:
            UserError: If the folder holds no run, or its configuration is damaged.
        """
        path = pathlib.Path(run_dir) / CONFIG_FILE
        if not path.is_file():
            raise UserError(f"{run_dir} is not the folder of a run: it has no {CONFIG_FILE}")
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, TypeError) as error:
            raise UserError(f"{path} is damaged or of another version: {error}") from error

    @classmethod
    def from_json(cls, values):
        return cls(**{key: tuple(value) if isinstance(value, list) else value
                      for key, value in values.items()})


def _expect_one_of(name, value, choices):
    if value not in choices:
        raise UserError(f"expected {name} to be one of {', '.join(choices)}, received {value!r}")


def _parse(key, text, default):
    """The value of `text` in the type of the field's present value."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if key == "backbone_weights" and isinstance(value, (str, tuple)):
        return value
    if type(value) is not type(default):
        raise UserError(f"expected {key} to be a {type(default).__name__}, received {text!r}")
    return value
