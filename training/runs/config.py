"""What a run is made of: one flat, frozen set of fields, written into the run's folder."""

import dataclasses
import difflib
import json
import pathlib

from keras_medformers.modalities import list_modalities
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_json

CONFIG_FILE = "config.json"
MODEL_FILE = "model.keras"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """A resolved training run.

    Attributes:
        model: A name from `keras_medformers.list_models()`.
        dataset: Name of the data set that the records were made from.
        records: Folder of the TFRecords.
        model_config: Settings of the architecture, see the model's builder.
        weights: `"none"`, or a `.weights.h5` or `.keras` file of the whole model to start from.
        first_stage: Recipe of a training on patches that comes first and gives `weights`, or `"none"`.
        backbone_weights: `"imagenet"`, `"none"`, or for each backbone one of these or a weights file; of no
            effect for models without backbones.
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
        augmentation: `"none"`; for CT `"soft"`, `"hard"` or `"dtvit"` (its paper's); for mammograms
            `"flips_noise"`; for photographs `"crop"`, a random crop of random shape, resized, and a random
            exchange of left and right.
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

    model: str
    dataset: str
    records: str
    model_config: dict = dataclasses.field(default_factory=dict)
    weights: str = "none"
    first_stage: str = "none"
    backbone_weights: str | tuple[str, ...] = "imagenet"
    frozen_fraction: float = 1.0
    input_size: int = 256
    batch_size: int = 32
    accumulation_steps: int = 1
    recompute: bool = False
    epochs: int = 30
    learning_rate: float = 3e-4
    final_learning_rate: float = 1e-6
    warmup_epochs: float = 1.0
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    clip_norm: float = 0.0
    sharpness: str = "none"
    rho: float = 0.05
    eta: float = 0.01
    label_weights: tuple[float, ...] = ()
    task_weights: tuple[float, ...] = ()
    augmentation: str = "none"
    crop_min_area: float = 0.08
    feature_records: str = "auto"
    feature_copies: int = 0
    precision: str = "float32"
    shuffle_buffer: int = 4096
    seed: int = 0
    deterministic: bool = False
    label_names: tuple[str, ...] = ()
    task: str = "multilabel"
    modality: str = "ct"
    treatment: str | None = None

    def __post_init__(self):
        _expect_one_of(
            "augmentation",
            self.augmentation,
            ("none", "soft", "hard", "dtvit", "flips_noise", "crop"),
        )
        _expect_one_of("feature_records", self.feature_records, ("auto", "never"))
        _expect_one_of(
            "precision", self.precision, ("float32", "mixed_bfloat16", "mixed_float16")
        )
        _expect_one_of("optimizer", self.optimizer, ("adamw", "adam", "sgd"))
        _expect_one_of("sharpness", self.sharpness, ("none", "sam", "asam"))
        _expect_one_of("task", self.task, ("multilabel", "single_label", "dual_task"))
        _expect_one_of("modality", self.modality, list_modalities())
        for name in (
            "accumulation_steps",
            "batch_size",
            "epochs",
            "input_size",
            "shuffle_buffer",
        ):
            if getattr(self, name) < 1:
                raise UserError(
                    f"expected {name} of at least 1, received {getattr(self, name)}"
                )
        if not 0 <= self.frozen_fraction <= 1:
            raise UserError(
                f"expected frozen_fraction within [0, 1], received {self.frozen_fraction}"
            )
        if not 0 < self.crop_min_area <= 1:
            raise UserError(
                f"expected crop_min_area within (0, 1], received {self.crop_min_area}"
            )
        for name in (
            "clip_norm",
            "eta",
            "feature_copies",
            "final_learning_rate",
            "seed",
            "warmup_epochs",
            "weight_decay",
        ):
            if not getattr(self, name) >= 0:
                raise UserError(
                    f"expected {name} of at least 0, received {getattr(self, name)}"
                )
        for name in ("learning_rate", "rho"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(
                    f"expected a finite {name} above 0, received {getattr(self, name)}"
                )
        if self.optimizer == "adam" and self.weight_decay:
            raise UserError(
                f"expected weight_decay=0 with optimizer='adam', received {self.weight_decay}; 'adamw' decays"
            )

    def with_overrides(self, assignments):
        """A copy with `key=value` texts applied in turn, values read as JSON where they are.

        `model_config.NAME=value` sets one of the architecture's settings and leaves the others.

        Raises:
            UserError: If a key is no field, with near matches, or a value is of another type.
        """
        fields = [field.name for field in dataclasses.fields(self)]
        changes = {}
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            if not equals:
                raise UserError(f"expected --set key=value, received {assignment!r}")
            name, dot, setting = key.partition(".")
            if name not in fields or dot and (name != "model_config" or not setting):
                near = difflib.get_close_matches(name, fields, n=3) or sorted(fields)
                raise UserError(
                    f"unknown recipe key {key!r}; did you mean {' or '.join(near)}?"
                )
            present = changes.get(name, getattr(self, name))
            changes[name] = (
                present | {setting: _value(text)}
                if dot
                else _parse(name, text, present)
            )
        return dataclasses.replace(self, **changes)

    def to_json(self):
        return dataclasses.asdict(self)

    def save(self, run_dir):
        """Writes `config.json` into the run's folder, whole or not at all."""
        write_json(pathlib.Path(run_dir) / CONFIG_FILE, self.to_json())

    @classmethod
    def load(cls, run_dir):
        """Reads a run's configuration back.

        Raises:
            UserError: If the folder holds no run, or its configuration is damaged.
        """
        path = pathlib.Path(run_dir) / CONFIG_FILE
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
    def from_json(cls, values):
        return cls(
            **{
                key: tuple(value) if isinstance(value, list) else value
                for key, value in values.items()
            }
        )


def _expect_one_of(name, value, choices):
    if value not in choices:
        raise UserError(
            f"expected {name} to be one of {', '.join(choices)}, received {value!r}"
        )


def _value(text):
    """The text read as JSON, or itself where it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _parse(key, text, default):
    """The value of `text` in the type of the field's present value."""
    value = _value(text)
    if isinstance(value, list):
        value = tuple(value)
    if (
        isinstance(default, float)
        and isinstance(value, int)
        and not isinstance(value, bool)
    ):
        value = float(value)
    if key == "backbone_weights" and isinstance(value, (str, tuple)):
        return value
    if type(value) is not type(default):
        raise UserError(
            f"expected {key} to be a {type(default).__name__}, received {text!r}"
        )
    return value
