"""What a run's log says at its end: how good the model is, against what, and where its results are."""

import json
import pathlib

from data_prep.datasets import is_phantom
from data_prep.records.schema import DatasetInfo
from training import report
from training.fit.callbacks import METRICS_FILE
from training.runs.chosen_backbones import weights_of_backbones
from training.runs.config import Config
from training.statistics.prevalence import constant_prevalence_score
from training.tasks.evaluation import DUAL_TASK, SINGLE_LABEL
from training.tasks.tasks import task_of
from training.tasks.two_tasks import CLASSES_OF_TASKS

SINGLE_LABEL_SCORES = {
    "accuracy": "accuracy",
    "f1": "macro F1",
    "precision": "precision",
    "recall": "recall",
}


def summary(run_dir):
    """Lines that say how good the run is and where its results are."""
    run_dir = pathlib.Path(run_dir)
    config = Config.load(run_dir)
    info, task = DatasetInfo.load(config.records), task_of(config)
    scores = json.loads((run_dir / "evaluation.json").read_text(encoding="utf-8"))
    best = best_epoch(report.read_epochs(run_dir / METRICS_FILE), task)
    about_scores = {SINGLE_LABEL: _single_label, DUAL_TASK: _dual_task}.get(
        config.task, _multilabel
    )
    lines = [
        *about_scores(config, info, best, scores),
        *(f"note: {note}" for note in scores["notes"]),
        f"report:     {run_dir / 'report.html'}",
        f"model:      {run_dir / 'model.keras'}",
    ]
    exports = run_dir / "export" / config.model
    return [*lines, f"SavedModel: {exports}"] if exports.is_dir() else lines


def best_epoch(rows, task):
    """The row of the epoch whose weights were kept: the first of those that are equally good."""
    sign = -1 if task.higher_is_better else 1
    return min(rows, key=lambda row: sign * row[task.monitor])


def notes(config):
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


def _multilabel(config, info, best, scores):
    constant = constant_score_of_validation(config, info)
    return [
        f"validation: log loss {best['val_log_loss']:.4f} (epoch {best['epoch']}), "
        f"{1 - best['val_log_loss'] / constant:.1%} below the constant prevalence's {constant:.4f}",
        f"{scores['split']}: log loss {scores['slices']['log_loss']:.4f}, constant prevalence "
        f"{scores['constant_prevalence_score']:.4f}, accuracy {scores['slices']['accuracy']:.1%}",
    ]


def constant_score_of_validation(config, info):
    """Validation log loss of always predicting the training split's prevalences."""
    trained, observed = (
        task_of(config).prevalence(info, split) for split in ("train", "validation")
    )
    return constant_prevalence_score(trained, config.label_weights, observed=observed)


def _single_label(config, info, best, scores):
    images = scores["images"]
    with_intervals = [
        f"{words} {images[key]:.1%}{_interval(images[f'{key}_interval'])}"
        for key, words in SINGLE_LABEL_SCORES.items()
    ]
    area = scores.get("auc", {}).get("auc")
    areas = (
        []
        if area is None
        else [
            f"{scores['split']}: area under the ROC curve {area:.1%}"
            f"{_interval(scores['auc']['auc_interval'])}"
        ]
    )
    validated = f"AUC {best['val_auc']:.1%}, " if "val_auc" in best else ""
    return [
        f"validation: {validated}accuracy {best['val_accuracy']:.1%}, macro F1 {best['val_f1']:.1%} "
        f"(epoch {best['epoch']})",
        *areas,
        f"{scores['split']}: {', '.join(with_intervals)}",
        f"{scores['split']}: always predicting {images['majority_label']} would be right in "
        f"{images['majority_accuracy']:.1%}",
    ]


def _dual_task(config, info, best, scores):
    tasks = [task for task in CLASSES_OF_TASKS if task in scores]
    validated = [f"{task} {best[f'val_{task}_accuracy']:.1%}" for task in tasks]
    lines = [
        f"validation: accuracy of {', of '.join(validated)} (epoch {best['epoch']})"
    ]
    for task in tasks:
        of_task = scores[task]
        found = [
            f"{words} {of_task[key]:.1%}{_interval(of_task[f'{key}_interval'])}"
            for key, words in SINGLE_LABEL_SCORES.items()
        ]
        lines += [
            f"{scores['split']}, {task}: {', '.join(found)}",
            f"{scores['split']}, {task}: always saying {of_task['majority_label']} would be right in "
            f"{of_task['majority_accuracy']:.1%}",
        ]
    return lines


def _interval(interval):
    if interval["low"] is None:
        return ""
    return f" ({interval['low']:.1%} to {interval['high']:.1%})"
