"""Reads a run folder's results and writes its report.

Made from `evaluation.json`, `predictions.csv`, `metrics.jsonl`, and `config.json` if it is there.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from keras_medformers.support.whole_files import write_text
from training.report.frame import Run, render
from training.runs.config import flat_values
from training.statistics.predictions import read_predictions
from training.tasks.base import Task


def write_report(
    run_dir: str | Path,
    task: Task,
    images: Mapping[str, np.ndarray] | None = None,
    seen: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes `report.html` and `figures/*.png` into a run folder that has been evaluated.

    Args:
        run_dir: The run folder.
        task: The run's `training.tasks.base.Task`.
        images: Pictures, uint8 of shape `(height, width, 3)`, by source id, for the sheet of
            examples; take the ids from the task's `choose_examples`. Without them the page
            has no such sheet.
        seen: PNG files of what the network sees, named as in `training.report.seen`, if it has any.

    Returns:
        Path of `report.html`.

    Raises:
        FileNotFoundError: If the evaluation, the predictions or the metrics are not there.
        ValueError: If one of them cannot be read.
    """
    run_dir = Path(run_dir)
    predictions, label_names = read_predictions(_existing(run_dir / "predictions.csv"))
    config_path = run_dir / "config.json"
    run = Run(
        _read_json(_existing(run_dir / "evaluation.json")),
        predictions,
        label_names,
        read_epochs(_existing(run_dir / "metrics.jsonl")),
        flat_values(_read_json(config_path)) if config_path.is_file() else {},
        images or {},
    )
    report = render(run, task.contents(run), seen or {})
    (run_dir / "figures").mkdir(exist_ok=True)
    for name, png in report.pictures.items():
        (run_dir / "figures" / name).write_bytes(png)
    path = run_dir / "report.html"
    write_text(path, report.html)

    return path


def read_epochs(path: str | Path) -> list[dict]:
    """Reads `metrics.jsonl`; of an epoch that was run again after an interruption, the last row counts.

    Raises:
        ValueError: If a line is not a JSON object with an epoch; the message has its number.
    """
    rows = {}
    for number, line in enumerate(
        Path(path).read_text(encoding="utf-8").splitlines(), start=1
    ):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows[row["epoch"]] = row
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}, is not a JSON object with an epoch: {error}"
            ) from error
    return [rows[epoch] for epoch in sorted(rows)]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path}. Expected a run folder that has been trained and evaluated"
        )
    return path


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
