"""COVID19-CT: pictures of chest CT slices with and without COVID-19, taken from papers' figures.

Where from: https://github.com/UCSD-AI4H/COVID-CT, folders `Images-processed` (unpack its two archives) and
`Data-split`; 349 pictures of COVID-19 of 216 patients and 397 others, PNG and JPEG of many sizes.
Licence: the pictures are figures of preprints and journals, and remain under those papers' terms; ask there
before passing them on.

Layout (the image folders may also lie in `Images-processed/`)::

    CT_COVID/2020.01.24.919183-p27-132.png
    CT_NonCOVID/1%0.jpg
    Data-split/COVID/trainCT_COVID.txt             valCT_COVID.txt, testCT_COVID.txt: one file name per line
    Data-split/NonCOVID/trainCT_NonCOVID.txt       valCT_NonCOVID.txt, testCT_NonCOVID.txt

The lists are the split: 425 pictures to train, 118 to validate, 203 to test (0.57, 0.16, 0.27; published as
0.60, 0.15, 0.25). A name is looked up as it stands; where there is no such file but one picture of that name
with another suffix, that is taken. The lists do not say which pictures show one patient: each is a group of
its own.

Reference:
    Yang et al., COVID-CT-Dataset: A CT Scan Dataset about COVID-19, arXiv:2003.13865.
"""

import logging
from pathlib import Path, PurePosixPath

import numpy as np

from data_prep.datasets.base import Dataset, Listing, Reject, fingerprint
from data_prep.datasets.lists import folder_from, picture_sizes
from data_prep.labels import COVID_LABELS
from data_prep.modalities.photograph.records import READER
from data_prep.records.split_rules import PUBLISHED
from data_prep.records.splits import SPLITS
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)

SPLITS_NAME = "Data-split"
IMAGES_NAME = "Images-processed"
LIST_PREFIXES = {"train": "train", "validation": "val", "test": "test"}
WHERE_FROM = (
    f"expected CT_COVID/, CT_NonCOVID/ and {SPLITS_NAME}/ of https://github.com/UCSD-AI4H/COVID-CT "
    f"(the archives in its {IMAGES_NAME}/ unpacked)"
)


def list_images(data_dir: Path) -> Listing:
    """Matches the split lists with the files on disk.

    Raises:
        UserError: If a list or a folder is missing, empty or not text.
    """
    lists, images, rejects, names_and_sizes = [], [], [], []
    for label, label_name in enumerate(COVID_LABELS):
        folder = _image_folder(data_dir, f"CT_{label_name}")
        sizes = picture_sizes(data_dir / folder)
        if not sizes:
            raise UserError(f"folder {data_dir / folder} has no picture; {WHERE_FROM}")
        names_and_sizes += [(f"{folder}/{name}", size) for name, size in sizes.items()]
        paths = [
            data_dir
            / SPLITS_NAME
            / label_name
            / f"{LIST_PREFIXES[split]}CT_{label_name}.txt"
            for split in SPLITS
        ]
        lists += paths
        split_of, reasons = match(paths, sizes)
        rejects += [
            Reject(f"{folder}/{name}", reason) for name, reason in reasons.items()
        ]
        images += [
            (f"{folder}/{name}", label, split) for name, split in split_of.items()
        ]

    images.sort()
    files = [file for file, _, _ in images]
    # The same name wherever the image folders lie.
    source_ids = [file.removeprefix(f"{IMAGES_NAME}/") for file in files]
    return Listing(
        root=data_dir,
        files=files,
        source_ids=source_ids,
        labels=np.eye(len(COVID_LABELS), dtype=np.int8)[
            [label for _, label, _ in images]
        ],
        group_ids=source_ids,
        published_splits=np.array([split for _, _, split in images], np.int64),
        rejects=tuple(sorted(rejects)),
        fingerprint=fingerprint(lists, names_and_sizes),
    )


def match(
    list_paths: list[Path], sizes: dict[str, int]
) -> tuple[dict[str, int], dict[str, str]]:
    """Matches the lists of one class with its folder.

    Args:
        list_paths: One list of names per split.
        sizes: The folder's pictures.

    Returns:
        Index of the split by file name; and the names set aside, name to reason.

    Raises:
        UserError: If a list is missing, empty or not text.
    """
    listed: dict[str, set[int]] = {}
    for split, path in enumerate(list_paths):
        names = read_names(path, sizes)
        if len(set(names)) < len(names):
            logger.info(
                "%s: %d repeated names dropped", path.name, len(names) - len(set(names))
            )
        for name in names:
            listed.setdefault(name, set()).add(split)

    unlisted = {}
    for file in sorted(sizes.keys() - listed.keys()):
        unlisted.setdefault(PurePosixPath(file).stem, []).append(file)
    split_of, reasons, other_suffix = {}, {}, 0
    for name, splits in listed.items():
        near = unlisted.get(PurePosixPath(name).stem, [])
        if len(splits) > 1:
            where = ", ".join(list_paths[split].name for split in sorted(splits))
            reasons[name] = f"is in more than one list: {where}"
        elif name in sizes:
            split_of[name] = splits.pop()
        elif len(near) == 1 and near[0] not in split_of:
            split_of[near[0]] = splits.pop()
            other_suffix += 1
        else:
            reasons[name] = f"listed in {list_paths[min(splits)].name}, file is missing"
    if other_suffix:
        logger.info("%d listed names have another suffix on disk", other_suffix)
    left_over = {
        file for files in unlisted.values() for file in files
    } - split_of.keys()
    return split_of, reasons | dict.fromkeys(
        left_over, f"is in none of the lists in {SPLITS_NAME}"
    )


def read_names(path: Path, sizes: dict[str, int]) -> list[str]:
    """Reads a list of names; spaces around a name are dropped unless a file has them, too.

    Raises:
        UserError: If the list is missing, empty or not text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; {WHERE_FROM}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a list of names: {error}") from error
    lines = [line.removesuffix("\r") for line in lines if line.strip()]
    if not lines:
        raise UserError(f"{path} has no name in it; {WHERE_FROM}")
    variants = [(line, line.rstrip(), line.strip()) for line in lines]
    return [
        next((name for name in names if name in sizes), names[-1]) for names in variants
    ]


def _image_folder(data_dir: Path, name: str) -> str:
    for folder in (name, f"{IMAGES_NAME}/{name}"):
        if (data_dir / folder).is_dir():
            return folder
    raise UserError(f"{data_dir} has no folder {name}; {WHERE_FROM}")


DATASET = Dataset(
    name="covid19_ct",
    label_names=COVID_LABELS,
    fractions=(0.6, 0.15, 0.25),
    prepare=folder_from(WHERE_FROM),
    list_images=list_images,
    reader=READER,
    exclusive_labels=True,
    split_rules=(PUBLISHED,),
)
