"""Finished runs: read where they are, trained where they are not."""

import argparse
import concurrent.futures
import dataclasses
import json
import logging
import multiprocessing
import os
from pathlib import Path

from keras_medformers import registry
from keras_medformers.modalities import get_modality
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training import train
from training.runs.config import CONFIG_FILE, Config, changed_settings
from training.runs.resolve import only_what_applies
from training.tasks.base import Task
from training.tasks.tasks import task_of_evaluation

logger = logging.getLogger(__name__)

EVALUATION_FILE = "evaluation.json"
KEYS_FROM_RECORDS = ("label_names", "label_weights", "task", "modality", "treatment")
"""Fields of a run's `Config` that its records fill in where the command left them."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that has been evaluated.

    Attributes:
        folder: Its folder.
        config: Its `Config`.
        evaluation: Content of its `evaluation.json`.
        task: What it has learned.
    """

    folder: Path
    config: Config
    evaluation: dict
    task: Task

    @property
    def level(self) -> str:
        """Key of `evaluation` under which the scores over all images stand."""
        return self.task.level


def read_run(folder: str | Path) -> Run:
    """Reads a run's folder.

    Raises:
        UserError: If it holds no run, one that is not evaluated, or damaged files.
    """
    folder = Path(folder)
    config = Config.load(folder)
    path = folder / EVALUATION_FILE
    try:
        evaluation = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {path}; evaluate the run first: make evaluate RUN={folder}"
        ) from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error

    try:
        task = task_of_evaluation(evaluation, config.modality)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error

    return Run(folder, config, evaluation, task)


def run_of_model(model: str, options: list[str]) -> Run:
    """The model's run, trained now unless it is finished already.

    Args:
        model: A model's name, as on the command line.
        options: Further arguments of `training.train`.

    Returns:
        The run in `runs/MODEL_DATASET`, or in the folder of an alias of the model.

    Raises:
        UserError: If it cannot be trained, or the folder there holds a run with other settings.
    """
    command = ["--model", model, *options]
    arguments = train.make_parser().parse_args(command)
    config = train.resolve_config(arguments)
    folder = _folder_of(arguments, config)
    if (folder / CONFIG_FILE).is_file():
        _check_settings(folder, config)
    if not (folder / EVALUATION_FILE).is_file():
        logger.info("Training %s in %s", model, folder)
        train_in_another_process([*command, "--run", str(folder)])
    return read_run(folder)


def train_in_another_process(arguments: list[str]) -> None:
    """Runs `training.train` so that its memory is free afterwards, and a crash takes nothing else down.

    Args:
        arguments: Its command line.

    Raises:
        UserError: If it ends with one, or its process is killed.
    """
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            pool.submit(_train, arguments).result()
        except concurrent.futures.process.BrokenProcessPool as error:
            raise UserError(
                "its process was killed, most likely for want of memory; try a smaller --set batch_size=..."
            ) from error


def _train(arguments: list[str]) -> None:
    os.dup2(2, 1)  # standard output is for the tables
    command_line.configure_logging()
    train.main(arguments)


def _folder_of(arguments: argparse.Namespace, config: Config) -> Path:
    """Where `training.train` has put a run of the model, under this name or an alias, or would put it."""
    aliases = [
        name
        for name in registry.list_models()
        if registry.resolve_name(name) == config.model
    ]
    folders = [
        Path(
            train.default_run(
                argparse.Namespace(**vars(arguments) | {"model": name}), config
            )
        )
        for name in (arguments.model, *aliases)
    ]
    return next(
        (folder for folder in folders if (folder / CONFIG_FILE).is_file()), folders[0]
    )


def _check_settings(folder: Path, config: Config) -> None:
    found = only_what_applies(Config.load(folder))
    filled_in = [
        *KEYS_FROM_RECORDS,
        *(["input_size"] if get_modality(found.modality).keeps_size else []),
        *(["weights"] if found.first_stage != "none" else []),
    ]
    changed = [key for key in changed_settings(config, found) if key not in filled_in]
    if changed:
        raise UserError(
            f"{folder} holds a run with other settings of {', '.join(changed)}; remove it, or compare it as "
            f"it is: --runs {folder}"
        )
