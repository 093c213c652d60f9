"""What `predictions.csv` and `evaluation.json` of a run folder hold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from keras_medformers.support.whole_files import write_json

ID_COLUMNS = ("source_id", "patient_id", "study_id", "series_id", "position_mm")

EXTRA = "extra_"
"""How columns begin that hold what else the records say of an image, such as the type of its finding."""


def predictions_frame(
    ids: pd.DataFrame,
    labels: np.ndarray,
    probabilities: np.ndarray,
    label_names: Sequence[str],
) -> pd.DataFrame:
    """The table of `predictions.csv`: one row per image.

    Args:
        ids: Columns `source_id`, `patient_id`, `study_id`, `series_id` and `position_mm`, and those that
            begin with `EXTRA`; others are left out.
        labels: 0 or 1, shape `(n, labels)`; one-hot where classes exclude each other.
        probabilities: Shape `(n, labels)`.
        label_names: Names of the columns of both.

    Returns:
        The id columns, the extra ones, then `label_<name>` for each label, then `probability_<name>`.

    Raises:
        ValueError: If an id column is absent.
    """
    absent = [column for column in ID_COLUMNS if column not in ids]
    if absent:
        raise ValueError(
            f"`ids` must have the columns {', '.join(ID_COLUMNS)}. Absent: {', '.join(absent)}"
        )

    extra = [column for column in ids if column.startswith(EXTRA)]
    table = ids.loc[:, [*ID_COLUMNS, *extra]].reset_index(drop=True)
    label_table = pd.DataFrame(
        np.asarray(labels).astype("int64"),
        columns=[f"label_{name}" for name in label_names],
    )
    probability_table = pd.DataFrame(
        probabilities, columns=[f"probability_{name}" for name in label_names]
    )
    return pd.concat([table, label_table, probability_table], axis=1)


def read_predictions(path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """Reads `predictions.csv`.

    Returns:
        The table, and the label names in its order.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has not the columns of `predictions_frame`.
    """
    table = pd.read_csv(
        path,
        dtype={column: str for column in ID_COLUMNS if column != "position_mm"},
        keep_default_na=False,  # an id may read "NA"
        na_values={"position_mm": [""]},
    )
    label_names = [
        column.removeprefix("label_") for column in table if column.startswith("label_")
    ]
    needed = [*ID_COLUMNS, *(f"probability_{name}" for name in label_names)]
    absent = [column for column in needed if column not in table]
    if absent or not label_names:
        raise ValueError(
            f"{path} is not a table of predictions. Absent: {', '.join(absent) or 'label_<name>'}"
        )

    return table, label_names


def arrays_of(
    table: pd.DataFrame, label_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of a table of predictions, both of shape `(n, labels)`."""
    return (
        table[[f"label_{name}" for name in label_names]].to_numpy("int64"),
        table[[f"probability_{name}" for name in label_names]].to_numpy("float64"),
    )


def write_evaluation(run_dir: str | Path, evaluation: dict) -> Path:
    """Writes `evaluation.json` into the run folder, whole or not at all, and returns its path."""
    path = Path(run_dir) / "evaluation.json"
    write_json(path, evaluation, allow_nan=False)
    return path
