"""Classifies DICOM slices with a run's exported SavedModel.

    python -m training.predict --run runs/NAME slice.dcm folder/ ...

Prints a table and writes it as CSV: one row a slice, one column a label. Files that are no CT slices are
set aside and listed.
"""

import argparse
import logging
import pathlib

import numpy as np
import pandas as pd
from tqdm import tqdm

from data_prep import command_line
from data_prep.dicom_ct import UnreadableSlice, read_slice
from data_prep.errors import UserError
from data_prep.quiet_tensorflow import import_tensorflow

logger = logging.getLogger(__name__)

ROWS_SHOWN = 40


def main(argv=None):
    """The program behind `make predict`."""
    arguments = make_parser().parse_args(argv)
    files = find_files(arguments.paths)
    signature = load_signature(latest_export(arguments.run))
    table, rejects = predict_files(files, signature)
    for path, reason in rejects:
        logger.warning("set aside: %s: %s", path, reason)
    if table.empty:
        raise UserError(f"none of the {len(files)} files is a CT slice that can be read")
    output = pathlib.Path(arguments.output)
    table.to_csv(output, index=False)
    logger.info("%s", table.head(ROWS_SHOWN).to_string(index=False, float_format="%.3f"))
    logger.info("%d slices classified, %d files set aside; table in %s. Not for clinical use.",
                len(table), len(rejects), output)


def make_parser():
    """The program's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m training.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="DICOM files, or folders of them")
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
    """The SavedModel's `serving_default`, as a function from HU `(1, height, width, 1)`."""
    tf = import_tensorflow()
    model = tf.saved_model.load(str(version_dir))
    signature = model.signatures["serving_default"]

    def classify(hu):
        # The model goes along: without it its variables would be gone.
        return signature(pixels=tf.constant(hu)), model

    return classify


def predict_files(files, classify):
    """Classifies files one by one.

    Returns:
        A table with `file`, `position_mm` and a column per label, and a list of `(file, reason)` of
        the files set aside.
    """
    rows, rejects = [], []
    for path in tqdm(files, unit="file", desc="predict"):
        try:
            ct_slice = read_slice(path)
        except UnreadableSlice as refused:
            rejects.append((path, refused.reason))
            continue
        outputs, _ = classify(ct_slice.hu[np.newaxis, :, :, np.newaxis])
        names = [name.decode() for name in outputs["labels"].numpy()[0]]
        probabilities = outputs["probabilities"].numpy()[0]
        rows.append({"file": str(path), "position_mm": ct_slice.position_mm,
                     **dict(zip(names, probabilities, strict=True))})
    return pd.DataFrame(rows), rejects


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
