"""What a run or an export says of its model, beyond what the model's signatures say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.datasets import patches_of
from data_prep.modalities import get_reader
from data_prep.modalities.reader import Settings
from keras_medformers.support.errors import UserError
from keras_medformers.tasks import task_name
from training.runs.config import Config
from training.runs.network_input import input_side
from training.runs.reading import settings_of_run

AS_THEY_ARE = "as-they-are"
"""The treatment, on the command line, of slices that were not treated."""

OLD_NAMES = {"image_height_px": "image_size", "source_height_px": "source_height"}
"""By what cards of version 0.1 call it, the setting's name now."""

MODEL_CARD = Path("assets") / "model_card.json"


@dataclass(frozen=True)
class Facts:
    """What is known of a model.

    Attributes:
        model: Name of its architecture.
        modality: What its images are.
        task: What it was trained for, one of `keras_medformers.tasks.TASK_NAMES`.
        input_size: Side of its input in pixels; None where any size goes.
        settings: How files are read for it.
    """

    model: str
    modality: str
    task: str
    input_size: int | None
    settings: Settings


def facts_of_run(run_dir: Path) -> Facts:
    """What a run's configuration says.

    Raises:
        UserError: If there is no run, or it is none to classify files with.
    """
    config = Config.load(run_dir)
    _refuse_patches(run_dir, config.dataset)
    return Facts(
        config.model,
        config.modality,
        config.task,
        input_side(config),
        settings_of_run(config),
    )


def facts_of_export(version_dir: Path) -> Facts | None:
    """What the model card in an export says; None if it has none.

    Raises:
        UserError: If the card is damaged, or of a model that is none to classify files with.
    """
    path = version_dir / MODEL_CARD
    if not path.is_file():
        return None
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        _refuse_patches(version_dir, card["dataset"])
        height, width = card["input_size"]
        side = height if height == width else None
        return Facts(
            card["model"],
            card["modality"],
            task_name(card["task"]),
            side,
            settings_of_card(card),
        )
    except UserError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged or of another version: {error!r}"
        ) from error


def settings_of_card(card: Mapping[str, Any]) -> Settings:
    """How a model card says that files are read."""
    said = card.get("preparation", {"treatment": card["treatment"]})
    said = {OLD_NAMES.get(name, name): value for name, value in said.items()}
    return get_reader(card["modality"]).settings.from_answers(said)


def _refuse_patches(where: Path, dataset: str) -> None:
    if patches_of(dataset):
        raise UserError(
            f"{where} learned from patches of mammograms ({dataset}); name one that learned from whole "
            "mammograms"
        )


def latest_version(directory: Path) -> Path | None:
    """The version of the highest number in an export's folder; the folder itself if it is a version."""
    if (directory / "saved_model.pb").is_file():
        return directory
    versions = [
        path for path in directory.glob("*") if path.name.isdecimal() and path.is_dir()
    ]
    return max(versions, key=lambda path: int(path.name), default=None)


def version_of_run(run_dir: Path) -> Path:
    """The latest export of a run.

    Raises:
        UserError: If there is no run, or it has none.
    """
    version = latest_version(Path(run_dir) / "export" / Config.load(run_dir).model)
    if version is None:
        raise UserError(f"{run_dir} has no export; make one: make export RUN={run_dir}")
    return version


def version_of_export(directory: Path) -> Path:
    """The version that `--export` names, or the latest in the folder that it names.

    Raises:
        UserError: If there is none.
    """
    version = latest_version(Path(directory))
    if version is None:
        raise UserError(
            f"--export {directory} is no SavedModel and has no versions of one"
        )
    return version
