"""What happens after each epoch: validation, the metrics file, and a checkpoint to resume from."""

import json
import math
import shutil
import time
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import whole_file, whole_folder, write_text
from training.input.pipeline import Source, evaluation_batches, labels_and_ids

METRICS_FILE = "metrics.jsonl"
CSV_FILE = "metrics.csv"


class TrainingDiverged(UserError):
    """The loss is no longer a finite number."""


class Validation(keras.callbacks.Callback):
    """Scores the whole validation split at the end of an epoch and adds the scores to the logs.

    The metrics that do not average over batches (AUROC, recall, F1) are exact this way, and no replica
    of a distributed model is left without data.

    Args:
        source: `Source` of the validation split.
        batch_size: Images per step.
        task: What the model is trained for, a `training.tasks.base.Task`.
    """

    def __init__(self, source: Source, batch_size: int, task: Any):
        super().__init__()
        self.batches = evaluation_batches(source, batch_size)
        self.labels, _ = labels_and_ids(source)
        self.task = task

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logits = self.model.predict(self.batches, verbose=0)[: len(self.labels)]
        scores = self.task.validation_scores(
            self.labels, self.task.probabilities(logits)
        )
        logs.update(
            {
                f"val_{name}": value
                for name, value in scores.items()
                if value is not None
            }
        )


class MetricsFile(keras.callbacks.Callback):
    """Appends an epoch's row to `metrics.jsonl` and `metrics.csv`; stops a run whose loss is not finite.

    Args:
        run_dir: The run's folder.
        steps_per_epoch: Optimizer steps in an epoch.
        batch_size: Images per step.
    """

    def __init__(self, run_dir: str | Path, steps_per_epoch: int, batch_size: int):
        super().__init__()
        self.path = Path(run_dir) / METRICS_FILE
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch, self.started = epoch, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.seconds = time.monotonic() - self.started
        if not math.isfinite(logs["loss"]):
            raise TrainingDiverged(
                f"the loss became {logs['loss']} in epoch {self.epoch + 1}, step {batch + 1}; "
                "try a lower learning_rate or precision=float32"
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        row = {
            "epoch": epoch + 1,
            "steps": int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)),
            "seconds": round(self.seconds, 2),
            "images_per_second": round(
                self.steps_per_epoch * self.batch_size / self.seconds, 2
            ),
            "learning_rate": float(
                keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
            ),
            **logs,
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        _write_csv(self.path)


class Checkpoints(keras.callbacks.Callback):
    """Keeps the last epoch's weights and optimizer state, and the best epoch's weights.

    The last one is a folder that is written beside and renamed, so that an interruption at any
    moment leaves a whole one.

    Args:
        run_dir: The run's folder.
        monitor: The logs' key whose lowest value is the best.
        higher_is_better: Whether the highest is, instead.
    """

    def __init__(
        self,
        run_dir: str | Path,
        monitor: str = "val_log_loss",
        higher_is_better: bool = False,
    ):
        super().__init__()
        self.folder = Path(run_dir) / "checkpoints"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.monitor = monitor
        self.best_file = self.folder / "best.weights.h5"
        self.higher_is_better = higher_is_better
        self.best = -math.inf if higher_is_better else math.inf

    def finished_epochs(self) -> int:
        """Number of epochs that the last whole checkpoint has behind it."""
        last = self._last()
        return int(last.name.removeprefix("epoch-")) if last else 0

    def restore(self, model: keras.Model) -> None:
        """Loads the last checkpoint's weights and optimizer state into a compiled model."""
        last = self._last()
        if last is None:
            return
        model.optimizer.build(model.trainable_variables)
        model.load_weights(last / "state.weights.h5")
        self.best = json.loads((last / "state.json").read_text())["best"]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        value = logs[self.monitor]
        if value > self.best if self.higher_is_better else value < self.best:
            self.best = value
            with whole_file(self.best_file) as temporary:
                self.model.save_weights(temporary)
        previous = self._last()
        with whole_folder(self.folder / f"epoch-{epoch + 1:04d}") as temporary:
            self.model.save_weights(temporary / "state.weights.h5")
            (temporary / "state.json").write_text(json.dumps({"best": self.best}))
        if previous:
            shutil.rmtree(previous)

    def _last(self):
        return max(self.folder.glob("epoch-????"), default=None)


def drop_later_rows(run_dir: str | Path, finished_epochs: int) -> None:
    """Takes rows of epochs that will be run again, and one cut short, out of the metrics' files."""
    path = Path(run_dir) / METRICS_FILE
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        kept = [line for line in whole if json.loads(line)["epoch"] <= finished_epochs]
        write_text(path, "".join(kept))
        _write_csv(path)


def _write_csv(metrics_file):
    """Writes the rows once more as a table, for spreadsheets."""
    rows = [
        json.loads(line)
        for line in metrics_file.read_text(encoding="utf-8").splitlines()
    ]
    with whole_file(metrics_file.with_name(CSV_FILE)) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
