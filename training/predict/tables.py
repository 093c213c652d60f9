"""What was found, as tables on the disk and on the terminal."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from keras_medformers.support.whole_files import write_json, write_text
from training.predict.answers import likeliest
from training.predict.classify import Classified
from training.predict.files import (
    PREDICTIONS_CSV,
    PREDICTIONS_JSON,
    REJECTS_CSV,
    STUDIES_CSV,
)
from training.predict.findings import SliceResult, StudyResult

logger = logging.getLogger(__name__)

ROWS_SHOWN = 40
WARNING = "Not a medical device. Not for clinical use."


def write_tables(
    output: Path,
    done: Classified,
    studies: Sequence[StudyResult],
    model: dict,
    task: str | None,
) -> None:
    """Writes all tables, and shows them.

    Args:
        output: Folder for them.
        done: What was found.
        studies: The studies of these slices.
        model: What the answers depend on, for the JSON file.
        task: What the model was trained for.
    """
    study_of = {one.path: study.study_id for study in studies for one in study.slices}
    results = [result for result, _ in done.results]
    table = pd.DataFrame([_row(result, study_of) for result in results])
    study_rows = [_study_row(study, task) for study in studies]
    rejects = [(_shown(path), reason) for path, reason in done.rejects]
    _write_csv(output / PREDICTIONS_CSV, table)
    _write_csv(output / REJECTS_CSV, pd.DataFrame(rejects, columns=["file", "reason"]))
    # One of an earlier prediction would be of other studies.
    (output / STUDIES_CSV).unlink(missing_ok=True)
    if studies:
        _write_csv(output / STUDIES_CSV, pd.DataFrame(study_rows))
    content = {
        "warning": WARNING,
        "model": model,
        "complete": done.stopped is None,
        "images": [_image(result, study_of) for result in results],
        "studies": [
            {
                "study": study.study_id,
                study.words.level: len(study.slices),
                "rule": study.rule,
                "probabilities": study.probabilities,
            }
            for study in studies
        ],
        "rejects": [{"file": file, "reason": reason} for file, reason in rejects],
    }
    write_json(output / PREDICTIONS_JSON, content, allow_nan=False)
    for path, reason in done.rejects:
        logger.warning("set aside: %s: %s", path, reason)
    _show(table)
    _show(pd.DataFrame(study_rows))


def _row(result: SliceResult, study_of: dict[Path, str]) -> dict:
    row = {"file": _shown(result.path)}
    if study_of:
        row["study"] = study_of.get(result.path, "")
    columns = dict(result.columns)
    overlay = {"overlay": columns.pop("overlay")} if "overlay" in columns else {}
    return row | columns | _by_label(result.probabilities) | overlay


def _study_row(study: StudyResult, task: str | None) -> dict:
    count = {study.words.level: len(study.slices)}
    row = {"study": study.study_id, **count, "rule": study.rule}
    return row | likeliest(study.probabilities, task) | _by_label(study.probabilities)


def _image(result: SliceResult, study_of: dict[Path, str]) -> dict:
    columns = {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in result.columns.items()
    }
    study = {"study": study_of[result.path]} if result.path in study_of else {}
    return (
        {"file": _shown(result.path)}
        | study
        | columns
        | {"probabilities": result.probabilities}
    )


def _by_label(probabilities: dict[str, dict[str, float]]) -> dict[str, float]:
    return {
        label: value
        for of_output in probabilities.values()
        for label, value in of_output.items()
    }


def _shown(path: Path) -> str:
    """The file's name as text, also where it is no valid one."""
    return str(path).encode(errors="backslashreplace").decode()


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _show(table: pd.DataFrame) -> None:
    if table.empty:
        return
    logger.info(
        "%s", table.head(ROWS_SHOWN).to_string(index=False, float_format="%.3f")
    )
    if len(table) > ROWS_SHOWN:
        logger.info("... and %d more", len(table) - ROWS_SHOWN)
