"""The first of two stages of training: on patches of the images that the second one learns from.

It is a run of its own, in the folder `patches` of the second one's; the second starts from its weights, the
random directions of linear attention among them.

Reference:
    Taha et al., HCT, section 3, technical details.
"""

import dataclasses
from collections.abc import Collection
from pathlib import Path

from data_prep.datasets import is_phantom
from data_prep.records.schema import DatasetInfo
from keras_medformers.support.errors import UserError
from training.papers import recipe_values
from training.runs.config import MODEL_FILE, Config
from training.runs.recipes import recipe
from training.runs.resolve import only_what_applies, settings_of

FOLDER = "patches"
RECORDS_SUFFIX = "_patches"
SHARED_SETTINGS = ("model", "model_config", "seed", "precision", "deterministic")
"""Of the configuration: what both stages have alike."""

ALIKE = {
    "image_size": "--image-size",
    "source_height": "--source-height",
    "seed": "--seed",
}
"""Settings of records that have to be alike, with the arguments for them: scale, and the split."""


def first_stage_of(config: Config, overrides: Collection[str] = ()) -> Config:
    """The configuration of the stage before, from the recipe that `config.first_stage` names.

    Args:
        config: The second stage's `Config`.
        overrides: `key=value` texts for the first one.

    Raises:
        UserError: If there is no such recipe, or values do not fit.
    """
    values = {name: getattr(config, name) for name in SHARED_SETTINGS}
    values["dataset"] = recipe_values(config.first_stage)["dataset"]
    if is_phantom(config.dataset) != is_phantom(values["dataset"]):
        raise UserError(
            f"recipe {config.first_stage!r}, the first stage, is for {values['dataset']}, and the images are "
            f"those of {config.dataset}; name another by --set first_stage=..."
        )

    first = recipe(
        config.first_stage, **values, records=f"{config.records}{RECORDS_SUFFIX}"
    )
    first = only_what_applies(
        first.with_overrides(overrides), said=settings_of(overrides)
    )
    changed = [
        name
        for name in SHARED_SETTINGS
        if getattr(first, name) != getattr(config, name)
    ]
    if changed:
        raise UserError(f"{changed[0]} is the same in both stages; set it by --set")

    return first


def arguments_for_records(images: DatasetInfo) -> list[str]:
    """Arguments of `data_prep.tfrecords` for patches at the scale and in the splits of images.

    Args:
        images: `DatasetInfo` of the images' records.
    """
    arguments = [
        text
        for name, option in ALIKE.items()
        for text in (option, str(images.config[name]))
    ]
    return [*arguments, "--fractions", ",".join(map(str, images.config["fractions"]))]


def check_records(patches: DatasetInfo, images: DatasetInfo) -> None:
    """Refuses patches of another scale than the images, or in other splits.

    Raises:
        UserError: If they are; then patients could be on both sides.
    """
    for name in (*ALIKE, "fractions"):
        found, expected = patches.config.get(name), images.config.get(name)
        if found != expected:
            raise UserError(
                f"expected patches with {name}={expected}, as the images in {images.records_dir} have; those "
                f"in {patches.records_dir} have {found}. Remove that folder to have them made anew"
            )


def weights_of_run(run_dir: str | Path, config: Config) -> str:
    """The weights of a finished run on patches, for the second stage to start from.

    Raises:
        UserError: If it is not trained, or of another network.
    """
    path = Path(run_dir) / MODEL_FILE
    first = Config.load(run_dir)
    if not path.is_file():
        raise UserError(f"{run_dir} has no {MODEL_FILE} yet; train it first")
    for name in ("model", "model_config"):
        if getattr(first, name) != getattr(config, name):
            raise UserError(
                f"expected --first-stage to be a run with {name}={getattr(config, name)!r}; {run_dir} has "
                f"{getattr(first, name)!r}"
            )
    return str(path)


def with_start(config: Config, first_stage: str | None) -> Config:
    """The second stage's configuration for what `--first-stage` and `--weights` say of its start.

    Args:
        config: Its `Config`.
        first_stage: None for the recipe's, `"none"`, or the folder of a run.

    Raises:
        UserError: If both say something, or the run does not fit.
    """
    if first_stage not in (None, "none") and config.weights != "none":
        raise UserError(
            f"expected --weights or --first-stage, received both: {config.weights}, {first_stage}"
        )
    if first_stage is None and config.weights == "none":
        return config
    if first_stage not in (None, "none"):
        config = dataclasses.replace(
            config, weights=weights_of_run(first_stage, config)
        )
    return dataclasses.replace(config, first_stage="none")
