"""Radiographs with several labels, by a list: DX and CR files (DICOM), or grey PNG files.

Where from: anywhere; public ones are ChestX-ray14, CheXpert or VinDr-CXR, once their lists are
brought to the form below.
Licence: that of the collection.

Layout: `labels.csv`, and the files that it names, in any depth below the data folder::

    file,patient,split,Atelectasis,Effusion,No Finding
    images/one.dcm,p1,train,1,0,0
    images/two.png,p2,,0,0,1

`file` is a path with forward slashes. `patient` and `split` may be left out: then patients are
those that the headers name, and splits are drawn. All other columns are labels of 0 or 1, of
which an image may have any number, in the order of the columns.

Set aside, each file with its reason: files that are not on disk, labels that are neither 0 nor 1,
rows that contradict each other, and files of patients who are in several splits.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from data_prep.datasets.base import Dataset, Listing, Reject, fingerprint
from data_prep.datasets.lists import folder_from
from data_prep.datasets.radiographs import (
    patients_or_files,
    published_or_none,
    size_on_disk,
)
from data_prep.modalities.radiograph.records import READER
from data_prep.modalities.reader import Header
from data_prep.records.split_rules import BY_PATIENT_OR_LIST, OPEN
from data_prep.records.splits import SPLITS
from keras_medformers.support.errors import UserError

LABELS_NAME = "labels.csv"
FILE, PATIENT, SPLIT = "file", "patient", "split"
WHERE_FROM = (
    f"expected {LABELS_NAME} with the columns {FILE}, if you like {PATIENT} and {SPLIT}, and a "
    "column of 0 and 1 for each label"
)


def list_images(data_dir: Path) -> Listing:
    """Lists the files of `labels.csv`.

    Raises:
        UserError: If the list is missing, is no CSV, has no row, no column `file` or no label; or
            if all of its files are set aside.
    """
    path = data_dir / LABELS_NAME
    table, label_names = _read(path)
    rows, rejects, sizes = [], [], {}
    for file, same in table.groupby(FILE, sort=True):
        size = size_on_disk(data_dir, file)
        reason = size if isinstance(size, str) else _reason(same, label_names)
        if reason:
            rejects.append(Reject(file, reason))
        else:
            rows.append(same.iloc[0])
            sizes[file] = size
    if not rows:
        first = f"the first, {rejects[0].file}, {rejects[0].reason}"
        raise UserError(f"{path} names no usable file; {first}")

    kept = pd.DataFrame(rows)
    files = kept[FILE].tolist()
    return Listing(
        root=data_dir,
        files=files,
        source_ids=files,
        labels=kept[list(label_names)].to_numpy().astype(np.int8),
        label_names=label_names,
        published_splits=published_or_none(
            np.array([_split(name) for name in kept[SPLIT]], np.int64)
        ),
        findings=kept[PATIENT].tolist(),
        rejects=tuple(rejects),
        fingerprint=fingerprint([path], list(sizes.items())),
    )


def patients_of_list(
    listing: Listing, headers: dict[int, Header]
) -> tuple[dict[int, Header], dict[int, str]]:
    """Groups files by the patients of the list, else of their headers, else each by itself.

    See `radiographs.patients_or_files`.
    """
    listed = {
        index: header._replace(patient_id=listing.findings[index] or header.patient_id)
        for index, header in headers.items()
    }
    return patients_or_files(listing, listed)


def _read(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows as text, with `patient` and `split` filled in, and the names of the labels."""
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, skipinitialspace=True
        )
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; {WHERE_FROM}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as CSV: {error}") from error

    table.columns = [str(column).strip() for column in table.columns]
    label_names = tuple(
        name for name in table.columns if name not in (FILE, PATIENT, SPLIT)
    )
    if FILE not in table.columns or not label_names:
        raise UserError(
            f"{path} has the columns {','.join(table.columns[:20])}; {WHERE_FROM}"
        )
    if table.empty:
        raise UserError(f"{path} has no row; {WHERE_FROM}")
    for column in (PATIENT, SPLIT):
        if column not in table.columns:
            table[column] = ""
    return table.apply(lambda column: column.str.strip()), label_names


def _reason(rows: pd.DataFrame, label_names: tuple[str, ...]) -> str:
    """Why the rows of a file cannot be used; "" where they can."""
    distinct = rows.drop_duplicates()
    if len(distinct) > 1:
        # Names of patients stay out of reports.
        differing = [name for name in rows.columns if distinct[name].nunique() > 1]
        return f"its rows contradict each other in {', '.join(differing)}"
    first = distinct.iloc[0]
    wrong = [name for name in label_names if first[name] not in ("0", "1")]
    if wrong:
        return f"{wrong[0]} is {first[wrong[0]][:40]!r}, expected 0 or 1"
    if first[SPLIT] not in ("", *SPLITS):
        return f"split is {first[SPLIT][:40]!r}, expected one of {', '.join(SPLITS)}"
    return ""


def _split(name: str) -> int:
    return SPLITS.index(name) if name else OPEN


DATASET = Dataset(
    name="radiograph_csv",
    label_names=(),
    fractions=(0.7, 0.1, 0.2),
    prepare=folder_from(WHERE_FROM),
    list_images=list_images,
    reader=READER,
    split_rules=(BY_PATIENT_OR_LIST,),
    settle_headers=patients_of_list,
)
