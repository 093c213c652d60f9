"""ISIC2018 task 3: dermoscopic photographs of skin lesions in seven classes (the images of HAM10000).

Where from: https://challenge.isic-archive.com/data/#2018, the training archives of task 3: input, ground
truth and lesion groupings; 10,015 JPEG files of 600 x 450 pixels, 2.6 GB.
Licence: CC BY-NC 4.0; attribution to HAM10000 and to the challenge.

Layout (the two CSV files may lie in a folder of their own name, as archives unpack, or directly in the data
folder; images may be .jpg, .jpeg or .png)::

    ISIC2018_Task3_Training_Input/ISIC_0024306.jpg
    ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv
                                   columns image,MEL,NV,BCC,AKIEC,BKL,DF,VASC; one of them 1.0, others 0.0
    ISIC2018_Task3_Training_LesionGroupings.csv
                                   columns image,lesion_id,diagnosis_confirm_type

A quarter of the lesions have several images. The split "lesion" keeps those together. The split "paper"
divides image by image, 70 to 30 with a tenth of all for validation, as HiFuse's paper does; images of one
lesion are then on both sides, and scores too good. Images and lesions have public names, which records keep.

References:
    Tschandl et al., The HAM10000 Dataset, Scientific Data 5:180161, 2018.
    Codella et al., Skin Lesion Analysis Toward Melanoma Detection 2018, arXiv:1902.03368.
"""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from data_prep.datasets.base import Dataset, Listing, Reject, fingerprint
from data_prep.datasets.lists import (
    folder_from,
    picture_sizes,
    read_csv,
    without_repeats,
)
from data_prep.labels import SKIN_LESION_LABELS
from data_prep.modalities.photograph.records import READER
from data_prep.records.split_rules import BY_LESION, PAPER_BY_IMAGE
from keras_medformers.support.errors import UserError

IMAGES_NAME = "ISIC2018_Task3_Training_Input"
LABELS_NAME = "ISIC2018_Task3_Training_GroundTruth.csv"
LESIONS_NAME = "ISIC2018_Task3_Training_LesionGroupings.csv"
LABEL_COLUMNS = ["image", *SKIN_LESION_LABELS]
LESION_COLUMNS = ["image", "lesion_id"]
WHERE_FROM = (
    f"expected {IMAGES_NAME}/, {LABELS_NAME} and {LESIONS_NAME} of ISIC 2018, task 3, training data "
    "(https://challenge.isic-archive.com/data/#2018)"
)


def list_images(data_dir: Path) -> Listing:
    """Matches labels and lesions with the files on disk.

    Raises:
        UserError: If a list or the folder is missing, empty or malformed.
    """
    labels_path = _list_path(data_dir, LABELS_NAME)
    lesions_path = _list_path(data_dir, LESIONS_NAME)
    labels, rejected = read_labels(labels_path)
    lesions, unknown_lesions = read_lesions(lesions_path)
    if not (data_dir / IMAGES_NAME).is_dir():
        raise UserError(f"{data_dir} has no folder {IMAGES_NAME}; {WHERE_FROM}")
    sizes = picture_sizes(data_dir / IMAGES_NAME)
    if not sizes:
        raise UserError(f"folder {data_dir / IMAGES_NAME} has no picture; {WHERE_FROM}")
    files = {}
    for name in sorted(sizes):
        files.setdefault(PurePosixPath(name).stem, []).append(name)

    for image in labels.index:
        if image not in files:
            rejected[image] = f"listed in {LABELS_NAME}, file is missing"
        elif len(files[image]) > 1:
            rejected[image] = f"is there more than once: {', '.join(files[image])}"
        elif image in unknown_lesions or image not in lesions:
            why = (
                "gives it several lesions"
                if image in unknown_lesions
                else "does not name its lesion"
            )
            rejected[image] = f"{LESIONS_NAME} {why}: it cannot be kept to one split"
    unlabelled = files.keys() - rejected.keys() - set(labels.index)
    rejected |= dict.fromkeys(unlabelled, f"has no label in {LABELS_NAME}")
    kept = sorted(set(labels.index) - set(rejected))
    rejects = [
        Reject(f"{IMAGES_NAME}/{files.get(image, [image])[0]}", reason)
        for image, reason in rejected.items()
    ]
    return Listing(
        root=data_dir,
        files=[f"{IMAGES_NAME}/{files[image][0]}" for image in kept],
        source_ids=kept,
        labels=labels.loc[kept].to_numpy(np.int8),
        group_ids=[lesions[image] for image in kept],
        rejects=tuple(sorted(rejects)),
        fingerprint=fingerprint([labels_path, lesions_path], list(sizes.items())),
    )


def read_labels(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Reads the list of labels.

    Returns:
        The labels, one row per image indexed by its name, one column per label; and the images set aside,
        name to reason.

    Raises:
        UserError: If the file is missing or not a list of this form.
    """
    table = read_csv(path, LABEL_COLUMNS, WHERE_FROM)
    for label in SKIN_LESION_LABELS:
        bad = ~table[label].isin([0, 1])
        if bad.any():
            row = bad.idxmax()
            raise UserError(
                f"{path} line {row + 2}: {label} is {table[label][row]}, expected 1.0 or 0.0"
            )

    table, contradicting = without_repeats(table, path.name)
    rejected = dict.fromkeys(contradicting, f"{path.name} gives it different labels")
    table = table.set_index("image").astype(np.int8)
    classes = table.sum(axis=1)
    for image, count in classes[classes != 1].items():
        rejected[image] = f"{path.name} gives it {count} classes, expected one"
    return table[classes == 1], rejected


def read_lesions(path: Path) -> tuple[dict[str, str], set[str]]:
    """Reads which lesion each image shows.

    Returns:
        Name of the lesion by image; and the images to which the list gives several.

    Raises:
        UserError: If the file is missing or not a list of this form.
    """
    table = read_csv(path, LESION_COLUMNS, WHERE_FROM).dropna()
    table, contradicting = without_repeats(table, path.name)
    return dict(zip(table["image"], table["lesion_id"].astype(str), strict=True)), set(
        contradicting
    )


def _list_path(data_dir: Path, name: str) -> Path:
    """Where a list lies: in the folder of its name, or directly in the data folder."""
    unpacked = data_dir / name.removesuffix(".csv") / name
    return unpacked if unpacked.is_file() else data_dir / name


DATASET = Dataset(
    name="isic2018",
    label_names=SKIN_LESION_LABELS,
    fractions=(0.6, 0.1, 0.3),
    prepare=folder_from(WHERE_FROM),
    list_images=list_images,
    reader=READER,
    exclusive_labels=True,
    split_rules=(BY_LESION, PAPER_BY_IMAGE),
)
