"""Radiographs in a folder per class: DX and CR files (DICOM), or grey PNG files.

Where from: anywhere; a collection of one's own, or a public one that comes in class folders.
Licence: that of the collection.

Layout, with or without the level of `train/`, `val/` (or `validation/`) and `test/`::

    train/normal/one.dcm
    train/pneumonia/some/folder/two.png
    val/ test/ likewise

The classes are the folders in the order of their names; files may lie in folders further below.
Of files whose header names a patient, all of one patient are in one split, unless folders
divide them; a file that names none is a group of its own.
"""

from pathlib import Path

import numpy as np

from data_prep.datasets.base import Dataset, Listing, fingerprint
from data_prep.datasets.image_folder import classes, split_folders
from data_prep.datasets.lists import folder_from, folders_in, pictures_below
from data_prep.datasets.radiographs import RADIOGRAPH_SUFFIXES, patients_or_files
from data_prep.modalities.radiograph.records import READER
from data_prep.records.split_rules import BY_PATIENT_OR_FOLDER, OPEN
from keras_medformers.support.errors import UserError

WHERE_FROM = (
    "expected a folder per class with DICOM or PNG files, such as train/pneumonia/a.dcm"
)


def list_images(data_dir: Path) -> Listing:
    """Lists the files in the class folders.

    Raises:
        UserError: If there are fewer than two classes, a class without files, or a class of
            another split that `train/` does not have.
    """
    split_of_folder = split_folders(data_dir)
    label_names = classes(data_dir, list(split_of_folder))
    found = sorted(
        (f"{folder}{class_name}/{file}", label_names.index(class_name), split, size)
        for folder, split in split_of_folder.items()
        for class_name in folders_in(data_dir / folder)
        for file, size in pictures_below(
            data_dir / folder / class_name, RADIOGRAPH_SUFFIXES
        ).items()
    )
    to_train_on = {label for _, label, split, _ in found if split == OPEN}
    for label, name in enumerate(label_names):
        if label not in to_train_on:
            raise UserError(
                f"class {name} of {data_dir} has no radiograph to train on; {WHERE_FROM}"
            )

    files = [file for file, *_ in found]
    return Listing(
        root=data_dir,
        files=files,
        source_ids=files,
        labels=np.eye(len(label_names), dtype=np.int8)[
            [label for _, label, *_ in found]
        ],
        label_names=label_names,
        published_splits=np.array([split for _, _, split, _ in found], np.int64),
        fingerprint=fingerprint([], [(file, size) for file, *_, size in found]),
    )


DATASET = Dataset(
    name="radiograph_folders",
    label_names=(),
    fractions=(0.7, 0.1, 0.2),
    prepare=folder_from(WHERE_FROM),
    list_images=list_images,
    reader=READER,
    exclusive_labels=True,
    split_rules=(BY_PATIENT_OR_FOLDER,),
    settle_headers=patients_or_files,
)
