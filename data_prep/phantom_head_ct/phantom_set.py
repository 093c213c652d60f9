"""Makes a phantom head CT set in RSNA's layout, with several worker processes; an interrupted run goes on."""

import csv
import json
import logging
import multiprocessing
import os
import shutil
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from data_prep.errors import UserError
from data_prep.labels import HEMORRHAGE_LABELS
from data_prep.phantom_head_ct.config import KINDS, PhantomConfig, plan_patients
from data_prep.phantom_head_ct.contact_sheet import write_contact_sheet
from data_prep.phantom_head_ct.patient import IMAGES, TRUTH_MAPS, make_patient

TOOL_VERSION = 1
"""Raised whenever the same settings make other bytes than before."""

DONE_FILE = "phantom.json"
LABELS_FILE = "stage_2_train.csv"
LOCATIONS_FILE = "locations.csv"
CONTACT_SHEET_FILE = "contact_sheet.png"
_PROGRESS_DIR = ".progress"
_CONFIG_FILE = "config.json"
_DUPLICATED_SLICES = 4

logger = logging.getLogger(__name__)


def make(output_dir, config=None, workers=None, overwrite=False):
    """Makes the set, or what is missing of it.

    Args:
        output_dir: folder for the set: new, empty, or left by an earlier run with the same settings.
        config: `PhantomConfig`; None for the default.
        workers: number of processes; None for one per core. It does not change what is written.
        overwrite: throw away a set made with other settings.

    Returns:
        The summary that `phantom.json` holds.

    Raises:
        UserError: the folder holds something else, or a set made with other settings.
    """
    output_dir, config = Path(output_dir), config or PhantomConfig()
    identity = {"tool_version": TOOL_VERSION, "config": config.as_dict()}
    _claim(output_dir, identity, overwrite)
    done = output_dir / DONE_FILE
    if done.exists():
        logger.info("%s is there already, made with the same settings", output_dir)
        return json.loads(done.read_text())
    rows = _make_patients(output_dir, config, workers)
    _write_labels(output_dir / LABELS_FILE, rows)
    _write_csv(
        output_dir / LOCATIONS_FILE, ("ID", "location"), [(row["id"], row["location"]) for row in rows]
    )
    write_contact_sheet(output_dir / CONTACT_SHEET_FILE, output_dir / IMAGES, rows)
    summary = identity | _counts(rows)
    _write_text(done, json.dumps(summary, indent=2) + "\n")
    shutil.rmtree(output_dir / _PROGRESS_DIR)
    return summary


def _claim(output_dir, identity, overwrite):
    """Makes the folder ours, or refuses."""
    if output_dir.exists() and not output_dir.is_dir():
        raise UserError(f"--output must be a folder. Received a file: {output_dir}")
    held = _held_identity(output_dir)
    if held is None and output_dir.exists() and any(output_dir.iterdir()):
        raise UserError(
            f"--output must be a new or empty folder, or hold a phantom set. {output_dir} holds other files; "
            "name another folder"
        )
    if held is not None and held != identity:
        if not overwrite:
            raise UserError(
                f"{output_dir} holds a phantom set made with other settings ({_difference(held, identity)}); "
                "give --overwrite to replace it, or name another folder"
            )
        _remove_set(output_dir)
    if not (output_dir / DONE_FILE).exists():
        for folder in (IMAGES, _PROGRESS_DIR, *([TRUTH_MAPS] if identity["config"]["with_truth"] else [])):
            (output_dir / folder).mkdir(parents=True, exist_ok=True)
        _write_text(output_dir / _PROGRESS_DIR / _CONFIG_FILE, json.dumps(identity))


def _held_identity(output_dir):
    for path in (output_dir / DONE_FILE, output_dir / _PROGRESS_DIR / _CONFIG_FILE):
        if path.exists():
            try:
                content = json.loads(path.read_text())
                return {key: content[key] for key in ("tool_version", "config")}
            except (ValueError, KeyError, TypeError):
                raise UserError(f"{path} is damaged; remove {output_dir} and make the set again") from None
    return None


def _difference(held, wanted):
    if held["tool_version"] != wanted["tool_version"]:
        return f"tool version {held['tool_version']}, now {wanted['tool_version']}"
    names = sorted(k for k in wanted["config"] if held["config"].get(k) != wanted["config"][k])
    return ", ".join(f"{name}={held['config'].get(name)}, now {wanted['config'][name]}" for name in names)


def _remove_set(output_dir):
    # The mark of completeness goes first, so that an interrupted removal never looks like a whole set.
    for name in (DONE_FILE, LABELS_FILE, LOCATIONS_FILE, CONTACT_SHEET_FILE):
        (output_dir / name).unlink(missing_ok=True)
    for name in (IMAGES, TRUTH_MAPS, _PROGRESS_DIR):
        shutil.rmtree(output_dir / name, ignore_errors=True)


def _make_patients(output_dir, config, workers):
    plans = plan_patients(config)
    reports = {plan.number: output_dir / _PROGRESS_DIR / f"{plan.number}.json" for plan in plans}
    missing = [plan for plan in plans if not reports[plan.number].exists()]
    logger.info("making %d patients in %s", len(missing), output_dir)
    slices = config.slices_per_series * sum(plan.series for plan in missing)
    workers = min(workers or os.cpu_count() or 1, max(len(missing), 1))
    context = multiprocessing.get_context("spawn")
    with tqdm(total=slices, unit=" slices", desc="phantoms") as bar:
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=_leave_interrupts_to_parent
        ) as pool:
            jobs = {pool.submit(make_patient, output_dir, config, plan): plan for plan in missing}
            try:
                for job in as_completed(jobs):
                    rows = job.result()
                    _write_text(reports[jobs[job].number], json.dumps(rows))
                    bar.update(len(rows))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    rows = [row for plan in plans for row in json.loads(reports[plan.number].read_text())]
    return sorted(rows, key=lambda row: row["id"])


def _leave_interrupts_to_parent():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_labels(path, rows):
    """RSNA's label table: six rows per slice, with some slices given twice."""
    table = []
    for row in [*rows, *rows[:_DUPLICATED_SLICES]]:
        table += [(f"{row['id']}_{kind}", int(kind in row["labels"])) for kind in KINDS]
        table.append((f"{row['id']}_any", int(bool(row["labels"]))))
    _write_csv(path, ("ID", "Label"), table)


def _counts(rows):
    positives = {kind: sum(kind in row["labels"] for row in rows) for kind in KINDS}
    positives["any"] = sum(bool(row["labels"]) for row in rows)
    return {"slices": len(rows), "positives": {label: positives[label] for label in HEMORRHAGE_LABELS}}


def _write_csv(path, header, table):
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(table)
    os.replace(partial, path)


def _write_text(path, text):
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)
