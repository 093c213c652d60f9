"""RSNA Intracranial Hemorrhage Detection: head CT slices with five kinds of bleeding and `any`.

Where from: Kaggle, competition "RSNA Intracranial Hemorrhage Detection" (2019), file
`rsna-intracranial-hemorrhage-detection.zip`, 752,803 labelled slices of some 18,900 patients, about 430 GB
unpacked.
Licence: the competition's rules and RSNA's terms of use; non-commercial research with attribution, no
re-identification and no passing on of the images. Accept them there and download; nothing here does that for
you.

Layout (the folder may also be called `stage_2_train_images`; other files of the archive are not used)::

    stage_2_train.csv            columns ID,Label; six rows per slice, ID_000012eaf_epidural,0 and so on
    stage_2_train/ID_000012eaf.dcm

The list repeats some rows. Identical repeats are dropped; slices whose repeats contradict each other, that
lack a label, or that exist only in the list or only in the folder are set aside with a reason.

Reference:
    Flanders et al., Construction of a Machine Learning Dataset through Collaboration: The RSNA 2019 Brain CT
    Hemorrhage Challenge, Radiology: Artificial Intelligence 2(3), 2020.
"""

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd

from data_prep.datasets.base import Dataset, Listing, Reject, fingerprint
from data_prep.datasets.lists import folder_from, read_csv
from data_prep.labels import HEMORRHAGE_LABELS
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import PARTIAL

logger = logging.getLogger(__name__)

CSV_NAME = "stage_2_train.csv"
FOLDER_NAMES = ("stage_2_train", "stage_2_train_images")
SUFFIX = ".dcm"
WHERE_FROM = (
    f"expected {CSV_NAME} and {FOLDER_NAMES[0]}/ of the Kaggle competition "
    "'RSNA Intracranial Hemorrhage Detection' "
    "(https://www.kaggle.com/c/rsna-intracranial-hemorrhage-detection)"
)


def list_slices(data_dir: Path) -> Listing:
    """Matches the label list with the files on disk.

    Raises:
        UserError: If the list or the folder is missing, empty or malformed.
    """
    csv_path = data_dir / CSV_NAME
    labels, rejected = read_labels(csv_path)
    folder = _image_folder(data_dir)
    sizes = _sizes_by_stem(folder)
    if not sizes:
        raise UserError(f"folder {folder} has no {SUFFIX} file; {WHERE_FROM}")

    def name(source_id: str) -> str:
        return f"{folder.name}/{source_id}{SUFFIX}"

    rejects = [
        Reject(name(source_id), reason) for source_id, reason in rejected.items()
    ]
    on_disk = labels.index.isin(sizes.keys())
    rejects += [
        Reject(name(source_id), f"listed in {CSV_NAME}, file is missing")
        for source_id in labels.index[~on_disk]
    ]
    listed = set(labels.index).union(rejected)
    rejects += [
        Reject(name(stem), f"has no label in {CSV_NAME}")
        for stem in sizes
        if stem not in listed
    ]
    labels = labels[on_disk].sort_index()
    return Listing(
        root=data_dir,
        files=[name(source_id) for source_id in labels.index],
        source_ids=list(labels.index),
        labels=labels.to_numpy(np.int8),
        rejects=tuple(sorted(rejects)),
        fingerprint=fingerprint(
            [csv_path], [(name(stem), size) for stem, size in sizes.items()]
        ),
    )


def read_labels(csv_path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Reads the label list.

    Args:
        csv_path: `stage_2_train.csv`.

    Returns:
        The labels, one row per slice indexed by its id, one column per label in the house order; and the
        slices set aside, id to reason.

    Raises:
        UserError: If the file is missing or not a list of this form.
    """
    table = read_csv(csv_path, ["ID", "Label"], WHERE_FROM)
    parts = table["ID"].str.rpartition("_")
    table = pd.DataFrame(
        {"slice": parts[0], "label": parts[2], "value": table["Label"]}
    )
    unknown = ~table["label"].isin(HEMORRHAGE_LABELS) | (table["slice"] == "")
    if unknown.any():
        row = unknown.idxmax()
        raise UserError(
            f"{csv_path} line {row + 2}: ID ends in {table['label'][row]!r}, expected "
            f"ID_<slice>_<label> with a label of {', '.join(HEMORRHAGE_LABELS)}"
        )
    bad = ~table["value"].isin([0, 1])
    if bad.any():
        row = bad.idxmax()
        raise UserError(
            f"{csv_path} line {row + 2}: Label is {table['value'][row]}, expected 0 or 1"
        )

    rows = len(table)
    table = table.drop_duplicates()
    if rows > len(table):
        logger.info("%s: %d repeated rows dropped", csv_path.name, rows - len(table))
    rejected = {}
    contradicting = table.duplicated(["slice", "label"], keep=False)
    for source_id in table.loc[contradicting, "slice"].unique():
        rejected[source_id] = f"{CSV_NAME} gives it both 0 and 1 for a label"
    table = table[~table["slice"].isin(rejected.keys())]
    wide = table.pivot(index="slice", columns="label", values="value").reindex(
        columns=list(HEMORRHAGE_LABELS)
    )
    incomplete = wide.isna().any(axis=1)
    for source_id in wide.index[incomplete]:
        missing = [
            label for label in HEMORRHAGE_LABELS if pd.isna(wide.at[source_id, label])
        ]
        rejected[source_id] = f"{CSV_NAME} lacks its label {', '.join(missing)}"
    return wide[~incomplete].astype(np.int8), rejected


def _image_folder(data_dir: Path) -> Path:
    for name in FOLDER_NAMES:
        if (data_dir / name).is_dir():
            return data_dir / name
    raise UserError(
        f"{data_dir} has no folder {' or '.join(FOLDER_NAMES)}; {WHERE_FROM}"
    )


def _sizes_by_stem(folder: Path) -> dict[str, int]:
    with os.scandir(folder) as entries:
        return {
            entry.name.removesuffix(SUFFIX): entry.stat().st_size
            for entry in entries
            if entry.name.endswith(SUFFIX)
            and not entry.is_dir()
            and not entry.name.startswith(PARTIAL)
        }


DATASET = Dataset(
    name="rsna_ich",
    label_names=HEMORRHAGE_LABELS,
    fractions=(0.8, 0.1, 0.1),
    prepare=folder_from(WHERE_FROM),
    list_images=list_slices,
)
