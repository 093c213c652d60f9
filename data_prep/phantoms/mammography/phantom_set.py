"""Makes a set of phantom mammograms with its manifest; an interrupted run goes on where it stopped."""

import logging
from pathlib import Path

from tqdm import tqdm

from data_prep.labels import FINDING_TYPES, MAMMOGRAM_LABELS
from data_prep.phantoms.folder import PROGRESS_DIR, PhantomFolder
from data_prep.phantoms.mammography.config import (
    VIEWS,
    PhantomMammographyConfig,
    plan_patients,
)
from data_prep.phantoms.mammography.contact_sheet import write_contact_sheet
from data_prep.phantoms.mammography.exam import IMAGES, make_exam
from data_prep.phantoms.workers import draw_all
from keras_medformers.support.whole_files import write_csv

TOOL_VERSION = 1
"""Raised whenever the same settings make other bytes than before."""

MANIFEST_FILE = "manifest.csv"
CONTACT_SHEET_FILE = "contact_sheet.png"
COLUMNS = (
    "file", "patient", "exam", "view", "laterality", "label", "finding_type", "finding_label",
    "box_x", "box_y", "box_width", "box_height",
)  # fmt: skip

logger = logging.getLogger(__name__)


def make(
    output_dir: str | Path,
    config: PhantomMammographyConfig | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> dict:
    """Makes the set, or what is missing of it.

    Args:
        output_dir: Folder for the set: new, empty, or left by an earlier run with the same settings.
        config: `PhantomMammographyConfig`; None for the default.
        workers: Number of processes; None for one per core. It does not change what is written.
        overwrite: Throw away a set made with other settings.

    Returns:
        The summary that `phantom.json` holds.

    Raises:
        UserError: If the folder holds something else, or a set made with other settings; or a process died.
    """
    output_dir, config = Path(output_dir), config or PhantomMammographyConfig()
    contents = (MANIFEST_FILE, CONTACT_SHEET_FILE, IMAGES)
    folder = PhantomFolder(output_dir, TOOL_VERSION, config, contents)
    made = folder.claim(overwrite)
    if made:
        return made
    for name in (IMAGES, PROGRESS_DIR):
        (output_dir / name).mkdir(exist_ok=True)
    rows = _make_exams(output_dir, config, workers)
    write_csv(output_dir / MANIFEST_FILE, COLUMNS, [_manifest_row(row) for row in rows])
    write_contact_sheet(output_dir / CONTACT_SHEET_FILE, output_dir, rows)
    return folder.finish(_counts(rows))


def _make_exams(
    output_dir: Path, config: PhantomMammographyConfig, workers: int | None
) -> list[dict]:
    plans = plan_patients(config)
    progress_dir = str(output_dir / PROGRESS_DIR)
    jobs = {plan.name: (str(output_dir), progress_dir, config, plan) for plan in plans}
    logger.info("drawing mammograms of %d patients in %s", len(plans), output_dir)
    rows = []
    with tqdm(
        total=len(plans) * len(VIEWS), unit=" images", desc="phantoms", disable=None
    ) as bar:
        for made in draw_all(make_exam, jobs, workers):
            rows += made
            bar.update(len(made))
    return rows


def _manifest_row(row: dict) -> list:
    return [row[column] for column in COLUMNS[:8]] + (row["box"] or [""] * 4)


def _counts(rows: list[dict]) -> dict:
    labels = [row["label"] for row in rows]
    found = [(row["finding_type"], row["finding_label"]) for row in rows]
    return {
        "images": len(rows),
        "labels": {label: labels.count(label) for label in MAMMOGRAM_LABELS},
        "findings": {
            name: {kind: found.count((name, kind)) for kind in ("malignant", "benign")}
            for name in FINDING_TYPES
        },
    }
