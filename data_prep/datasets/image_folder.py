"""A folder of photographs, one folder per class: ImageNet, ImageNet restyled, or your own.

Where from: anywhere; ImageNet's training pictures (ILSVRC2012) are at https://image-net.org.
Licence: that of the pictures; ImageNet's are for non-commercial research and education.

Layout, with or without the level of `train/`, `val/` (or `validation/`) and `test/`::

    train/n01440764/n01440764_10026.JPEG
    val/n01440764/ILSVRC2012_val_00000293.JPEG

The classes are the folders in the order of their names; pictures may lie in folders further below. A split
that has no folder, or one without class folders as `val/` and `test/` in ImageNet's own archive, gets its
share of every class of `train/`. Folders whose names begin with a dot or an underscore are passed over. Each
picture is a group of its own.

Reference:
    Deng et al., ImageNet: A Large-Scale Hierarchical Image Database, CVPR 2009.
"""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.datasets.base import Dataset, Listing, fingerprint
from data_prep.datasets.lists import folder_from, folders_in, pictures_below
from data_prep.modalities.photograph.records import READER
from data_prep.records.split_rules import BY_FOLDER, OPEN
from data_prep.records.splits import SPLITS
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)

SPLIT_FOLDERS = {
    "train": OPEN,
    "val": SPLITS.index("validation"),
    "validation": SPLITS.index("validation"),
    "test": SPLITS.index("test"),
}
WHERE_FROM = "expected a folder per class with its pictures, such as train/n01440764/n01440764_10026.JPEG"


class Picture(NamedTuple):
    """A picture in its class folder.

    Attributes:
        file: Path below the data folder, with forward slashes.
        class_name: Name of its class folder.
        split: Index of the split, or `OPEN`.
        size: Size in bytes.
    """

    file: str
    class_name: str
    split: int
    size: int


def list_images(data_dir: Path) -> Listing:
    """Lists the pictures in the class folders.

    Raises:
        UserError: If there are fewer than two classes, a class without pictures, a
            class of another split that `train/` does not have, or two folders of one
            split.
    """
    split_of_folder = split_folders(data_dir)
    label_names = classes(data_dir, list(split_of_folder))
    pictures = sorted(
        Picture(f"{folder}{class_name}/{file}", class_name, split, size)
        for folder, split in split_of_folder.items()
        for class_name in folders_in(data_dir / folder)
        for file, size in pictures_below(data_dir / folder / class_name).items()
    )
    empty = set(label_names) - {
        picture.class_name for picture in pictures if picture.split == OPEN
    }
    if empty:
        raise UserError(
            f"class {min(empty)} of {data_dir} has no picture to train on; {WHERE_FROM}"
        )

    index_of = {name: index for index, name in enumerate(label_names)}
    files = [picture.file for picture in pictures]
    return Listing(
        root=data_dir,
        files=files,
        source_ids=files,
        labels=np.eye(len(label_names), dtype=np.int8)[
            [index_of[one.class_name] for one in pictures]
        ],
        label_names=label_names,
        group_ids=files,
        published_splits=np.array([picture.split for picture in pictures], np.int64),
        fingerprint=fingerprint(
            [], [(picture.file, picture.size) for picture in pictures]
        ),
    )


def split_folders(data_dir: Path) -> dict[str, int]:
    """The folders that hold class folders, that of training first.

    Returns:
        By folder below the data folder ("" or a name with a slash behind it), the split of its pictures.

    Raises:
        UserError: If there are two folders of one split.
    """
    if not folders_in(data_dir / "train"):
        return {"": OPEN}

    other = [name for name in folders_in(data_dir) if name not in SPLIT_FOLDERS]
    if other:
        logger.warning("%s: passed over %s beside train.", data_dir, ", ".join(other))
    found = {}
    for name, split in SPLIT_FOLDERS.items():
        if folders_in(data_dir / name):
            if split in found.values():
                raise UserError(
                    f"{data_dir} has val and validation, expected one of them; move one away"
                )
            found[f"{name}/"] = split
        elif (data_dir / name).is_dir():
            logger.warning(
                "%s has no class folders: its split is cut from train.", data_dir / name
            )

    return found


def classes(data_dir: Path, folders: list[str]) -> tuple[str, ...]:
    """Names of the classes, in order.

    Args:
        data_dir: The data folder.
        folders: The folders of class folders below it, that of training first.

    Raises:
        UserError: If there are fewer than two, or a folder has one that the first does not have.
    """
    train, *others = folders
    names = folders_in(data_dir / train)
    if len(names) < 2:
        raise UserError(
            f"{data_dir / train} has {len(names)} classes, expected 2 or more; {WHERE_FROM}"
        )

    for folder in others:
        unknown = set(folders_in(data_dir / folder)) - set(names)
        if unknown:
            raise UserError(
                f"{data_dir / folder} has the class {min(unknown)}, which {data_dir / train} has not; "
                "add it there or remove it"
            )

    return tuple(names)


DATASET = Dataset(
    name="image_folder",
    label_names=(),
    fractions=(0.8, 0.1, 0.1),
    prepare=folder_from(WHERE_FROM),
    list_images=list_images,
    reader=READER,
    exclusive_labels=True,
    split_rules=(BY_FOLDER,),
)
