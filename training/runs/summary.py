"""What a run's log says at its end: how good the model is, against what, and where its results are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.datasets import is_phantom
from data_prep.records.schema import DatasetInfo
from training.fit.callbacks import METRICS_FILE
from training.runs import run_folder
from training.runs.chosen_backbones import weights_of_backbones
from training.runs.config import Config
from training.tasks.base import Task
from training.tasks.tasks import task_of


def summary(run_dir: str | Path) -> list[str]:
    """Lines that say how good the run is and where its results are."""
    run_dir = Path(run_dir)
    config = Config.load(run_dir)
    info, task = DatasetInfo.load(config.records), task_of(config)
    scores = json.loads((run_dir / "evaluation.json").read_text(encoding="utf-8"))
    best = best_epoch(run_folder.read_epochs(run_dir / METRICS_FILE), task)
    lines = [
        *task.summary_lines(best, scores, info),
        *(f"note: {note}" for note in scores["notes"]),
        f"report:     {run_dir / 'report.html'}",
        f"model:      {run_dir / 'model.keras'}",
    ]
    exports = run_dir / "export" / config.model
    return [*lines, f"SavedModel: {exports}"] if exports.is_dir() else lines


def best_epoch(rows: Sequence[Mapping], task: Task) -> Mapping:
    """The row of the epoch whose weights were kept: the first of those that are equally good."""
    sign = -1 if task.higher_is_better else 1
    return min(rows, key=lambda row: sign * row[task.monitor])


def notes(config: Config) -> list[str]:
    """What a reader of this run's results has to know."""
    said = []
    if is_phantom(config.dataset):
        said.append("trained on phantoms: says nothing about patients")
    if "none" in weights_of_backbones(config).values() and config.weights == "none":
        said.append(
            "untrained backbones"
            if config.frozen_fraction
            else "backbone trained from scratch"
        )
    return said
