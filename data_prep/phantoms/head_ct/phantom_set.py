"""Makes a phantom head CT set in RSNA's layout, with several worker processes; an interrupted run goes on."""

import json
import logging
from pathlib import Path

from tqdm import tqdm

from data_prep.labels import HEMORRHAGE_LABELS
from data_prep.phantoms.folder import PROGRESS_DIR, PhantomFolder
from data_prep.phantoms.head_ct.config import (
    KINDS,
    PatientPlan,
    PhantomConfig,
    plan_patients,
)
from data_prep.phantoms.head_ct.contact_sheet import write_contact_sheet
from data_prep.phantoms.head_ct.patient import IMAGES, TRUTH_MAPS, make_patient
from data_prep.phantoms.workers import draw_all
from keras_medformers.support.whole_files import write_csv, write_json

TOOL_VERSION = 1
"""Raised whenever the same settings make other bytes than before."""

LABELS_FILE = "stage_2_train.csv"
LOCATIONS_FILE = "locations.csv"
CONTACT_SHEET_FILE = "contact_sheet.png"
_DUPLICATED_SLICES = 4

logger = logging.getLogger(__name__)


def make(
    output_dir: str | Path,
    config: PhantomConfig | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> dict:
    """Makes the set, or what is missing of it.

    Args:
        output_dir: Folder for the set: new, empty, or left by an earlier run with the same settings.
        config: `PhantomConfig`; None for the default.
        workers: Number of processes; None for one per core. It does not change what is written.
        overwrite: Throw away a set made with other settings.

    Returns:
        The summary that `phantom.json` holds.

    Raises:
        UserError: If the folder holds something else, or a set made with other settings; or a process died.
    """
    output_dir, config = Path(output_dir), config or PhantomConfig()
    contents = (LABELS_FILE, LOCATIONS_FILE, CONTACT_SHEET_FILE, IMAGES, TRUTH_MAPS)
    folder = PhantomFolder(output_dir, TOOL_VERSION, config, contents)
    made = folder.claim(overwrite)
    if made:
        return made

    for name in (IMAGES, PROGRESS_DIR, *([TRUTH_MAPS] if config.with_truth else [])):
        (output_dir / name).mkdir(exist_ok=True)
    rows = _make_patients(output_dir, config, workers)
    _write_labels(output_dir / LABELS_FILE, rows)
    write_csv(
        output_dir / LOCATIONS_FILE,
        ("ID", "location"),
        [(row["id"], row["location"]) for row in rows],
    )
    write_contact_sheet(output_dir / CONTACT_SHEET_FILE, output_dir / IMAGES, rows)
    return folder.finish(_counts(rows))


def _make_patients(
    output_dir: Path, config: PhantomConfig, workers: int | None
) -> list[dict]:
    plans = plan_patients(config)
    reports = {
        plan.number: output_dir / PROGRESS_DIR / f"{plan.number}.json" for plan in plans
    }
    missing = [plan for plan in plans if not reports[plan.number].exists()]
    logger.info("making %d patients in %s", len(missing), output_dir)
    jobs = {
        f"patient {plan.number}": (output_dir, config, plan, reports[plan.number])
        for plan in missing
    }
    slices = config.slices_per_series * sum(plan.series for plan in missing)
    with tqdm(total=slices, unit=" slices", desc="phantoms") as bar:
        for made in draw_all(_make_and_report, jobs, workers):
            bar.update(made)

    rows = [
        row for plan in plans for row in json.loads(reports[plan.number].read_text())
    ]
    return sorted(rows, key=lambda row: row["id"])


def _make_and_report(job: tuple[Path, PhantomConfig, PatientPlan, Path]) -> int:
    output_dir, config, plan, report = job
    rows = make_patient(output_dir, config, plan)
    write_json(report, rows, indent=None)
    return len(rows)


def _write_labels(path: Path, rows: list[dict]) -> None:
    """RSNA's label table: six rows per slice, with some slices given twice."""
    table = []
    for row in [*rows, *rows[:_DUPLICATED_SLICES]]:
        table += [(f"{row['id']}_{kind}", int(kind in row["labels"])) for kind in KINDS]
        table.append((f"{row['id']}_any", int(bool(row["labels"]))))
    write_csv(path, ("ID", "Label"), table)


def _counts(rows: list[dict]) -> dict:
    positives = {kind: sum(kind in row["labels"] for row in rows) for kind in KINDS}
    positives["any"] = sum(bool(row["labels"]) for row in rows)
    return {
        "slices": len(rows),
        "positives": {label: positives[label] for label in HEMORRHAGE_LABELS},
    }
