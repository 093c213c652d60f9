"""Classifies DICOM slices or pictures with a run's exported SavedModel.

    python -m training.predict --run runs/NAME slice.dcm folder/ ...
    python -m training.predict --run runs/NAME picture.jpg folder/ ...

A run takes what it was trained on: slices of CT, or pictures such as JPEG and PNG. Prints a table and writes
it as CSV: one row a file, one column a label; where a picture has exactly one label, the likeliest, too; and
for a run that tells hemorrhage and its location the likeliest of both.
Files that are none of these are set aside and listed.
"""

import argparse
import logging
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from data_prep import command_line
from data_prep.dicom_ct import UnreadableSlice, read_slice
from data_prep.errors import UserError
from data_prep.photograph import UnreadablePhotograph, read_photograph
from data_prep.quiet_tensorflow import import_tensorflow
from training.config import Config
from training.evaluation import DUAL_TASK, SINGLE_LABEL
from training.two_tasks import CLASSES_OF_TASKS, HEMORRHAGE, LOCATION

logger = logging.getLogger(__name__)

ROWS_SHOWN = 40


class Image(NamedTuple):
    """What a file holds: pixels `(height, width, channels)`, and columns for the table."""

    pixels: np.ndarray
    columns: dict


def read_ct(path):
    """A slice in HU."""
    ct_slice = read_slice(path)
    return Image(ct_slice.hu[:, :, np.newaxis], {"position_mm": ct_slice.position_mm})


def read_picture(path):
    """A photograph as uint8 RGB."""
    return Image(read_photograph(path), {})


class Kind(NamedTuple):
    """A modality: how its files are read, what refuses them, and what they are called."""

    read: Callable[[pathlib.Path], Image]
    unreadable: type[Exception]
    one: str
    many: str


KINDS = {
    "ct": Kind(read_ct, UnreadableSlice, "CT slice", "slices"),
    "photograph": Kind(read_picture, UnreadablePhotograph, "picture", "pictures"),
}


def main(argv=None):
    """The program behind `make predict`."""
    arguments = make_parser().parse_args(argv)
    files = find_files(arguments.paths)
    version = latest_export(arguments.run)
    config = Config.load(arguments.run)
    kind = KINDS[config.modality]
    table, rejects = predict_files(files, load_signature(version), kind, LIKELIEST.get(config.task))
    for path, reason in rejects:
        logger.warning("set aside: %s: %s", path, reason)
    if table.empty:
        raise UserError(f"none of the {len(files)} files is a {kind.one} that can be read")
    output = pathlib.Path(arguments.output)
    table.to_csv(output, index=False)
    logger.info("%s", table.head(ROWS_SHOWN).to_string(index=False, float_format="%.3f"))
    logger.info("%d %s classified, %d files set aside; table in %s. Not for clinical use.",
                len(table), kind.many, len(rejects), output)


def make_parser():
    """The program's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m training.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files, or folders of them")
    parser.add_argument("--run", required=True, help="folder of a run with an export")
    parser.add_argument("--output", default="predictions.csv",
                        help="the table's file (default: %(default)s)")
    return parser


def find_files(paths):
    """The files named, and all files below the folders named, in order.

    Raises:
        UserError: If a path is not there or there is no file.
    """
    files = []
    for path in map(pathlib.Path, paths):
        if not path.exists():
            raise UserError(f"there is no file or folder {path}")
        files += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if not files:
        raise UserError(f"there are no files in {', '.join(map(str, paths))}")
    return files


def latest_export(run_dir):
    """Folder of the highest version that the run exported.

    Raises:
        UserError: If there is none.
    """
    versions = [p for p in (pathlib.Path(run_dir) / "export").glob("*/*") if p.name.isdigit()]
    if not versions:
        raise UserError(f"{run_dir} has no export; make one: make export RUN={run_dir}")
    return max(versions, key=lambda path: int(path.name))


def load_signature(version_dir):
    """The SavedModel's `serving_default`, as a function from pixels `(1, height, width, channels)`."""
    tf = import_tensorflow()
    model = tf.saved_model.load(str(version_dir))
    signature = model.signatures["serving_default"]

    def classify(pixels):
        # The model goes along: without it its variables would be gone.
        return signature(pixels=tf.constant(pixels)), model

    return classify


def likeliest_class(probabilities):
    """The column of a picture that has exactly one label."""
    (of_labels,) = probabilities.values()
    return {"class": max(of_labels, key=of_labels.get)}


def likeliest_of_tasks(probabilities):
    """The columns of a run that tells hemorrhage and its location; no location where there is none."""
    likeliest = {task: max(of_task, key=of_task.get) for task, of_task in probabilities.items()}
    found = likeliest[HEMORRHAGE] == CLASSES_OF_TASKS[HEMORRHAGE][1]
    return likeliest if found else likeliest | {LOCATION: ""}


LIKELIEST = {SINGLE_LABEL: likeliest_class, DUAL_TASK: likeliest_of_tasks}
"""By task, the columns that name the likeliest labels, from the probabilities by output and label."""


def predict_files(files, classify, kind, name_likeliest):
    """Classifies files one by one.

    Args:
        files: Paths.
        classify: What `load_signature` gives.
        kind: One of `KINDS`.
        name_likeliest: One of `LIKELIEST`, or None.

    Returns:
        A table with `file`, the kind's columns and one per label, and a list of `(file, reason)` of the
        files set aside.
    """
    rows, rejects = [], []
    for path in tqdm(files, unit="file", desc="predict"):
        try:
            image = kind.read(path)
        except kind.unreadable as refused:
            rejects.append((path, refused.reason))
            continue
        outputs, _ = classify(image.pixels[np.newaxis])
        probabilities = _by_label(outputs)
        row = {"file": str(path), **image.columns}
        row |= name_likeliest(probabilities) if name_likeliest else {}
        for of_output in probabilities.values():
            row |= of_output
        rows.append(row)
    return pd.DataFrame(rows), rejects


def _by_label(outputs):
    """Probabilities of an image by output and label, those of several outputs in the tasks' order."""
    keys = [task for task in CLASSES_OF_TASKS if task in outputs] or ["probabilities"]
    found = {}
    for key in keys:
        names = outputs["labels" if key == "probabilities" else f"{key}_labels"].numpy()[0]
        found[key] = dict(zip((name.decode() for name in names), outputs[key].numpy()[0], strict=True))
    return found


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
