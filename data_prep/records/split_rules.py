"""The ways in which a data set's images can be divided into train, validation and test."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.records.splits import SPLITS, assign_splits

logger = logging.getLogger(__name__)

FOLD_VALIDATION_SHARE = 0.1
"""Of the images that are not in the test fold."""

OPEN = -1
"""In place of a published split: the image goes where the rule puts it."""


@dataclass(frozen=True)
class ToSplit:
    """The images to divide.

    Attributes:
        image_ids: Name of each image.
        group_ids: Per image, the name of what should stay together.
        labels: What is balanced, 0 or 1, of shape `(images, labels)`.
        published: Per image, the split that the data set gives it, or `OPEN`; None where it gives none.
    """

    image_ids: Sequence[str]
    group_ids: Sequence[str]
    labels: np.ndarray
    published: np.ndarray | None = None


@dataclass(frozen=True)
class SplitRule:
    """A way to divide a data set.

    Attributes:
        name: Name on the command line, "" where a data set has only this one.
        summary: What it does, in a few words.
        assign: From images, shares, seed and fold to the index of each image's split.
        fractions_apply: Whether other shares can be asked for.
        folds: Number of folds.
    """

    name: str
    summary: str
    assign: Callable[[ToSplit, Sequence[float], int, int], np.ndarray]
    fractions_apply: bool = True
    folds: int = 1


def by_group(
    images: ToSplit, fractions: Sequence[float], seed: int, fold: int
) -> np.ndarray:
    """Balanced on the labels, groups whole."""
    return assign_splits(images.group_ids, images.labels, fractions, seed)


def by_image(
    images: ToSplit, fractions: Sequence[float], seed: int, fold: int
) -> np.ndarray:
    """Balanced on the labels, image by image; warns of the groups that are divided."""
    splits = assign_splits(images.image_ids, images.labels, fractions, seed)
    groups, group_of_image = np.unique(
        np.asarray(images.group_ids, dtype=str), return_inverse=True
    )
    is_test = splits == SPLITS.index("test")
    tested = np.bincount(group_of_image, weights=is_test, minlength=len(groups)) > 0
    trained = np.bincount(group_of_image, weights=~is_test, minlength=len(groups)) > 0
    divided = tested & trained
    if divided.any():
        logger.warning(
            "Images of %d of %d groups (of one lesion, one patient) are on both sides: %d of %d test images "
            "have a sibling in train or validation, and test scores will be too good.",
            np.count_nonzero(divided),
            len(groups),
            np.count_nonzero(divided[group_of_image] & is_test),
            np.count_nonzero(is_test),
        )

    return splits


def as_published(
    images: ToSplit, fractions: Sequence[float], seed: int, fold: int
) -> np.ndarray:
    """As the data set's own lists have it."""
    return np.asarray(images.published, np.int64)


def by_group_unless_published(
    images: ToSplit, fractions: Sequence[float], seed: int, fold: int
) -> np.ndarray:
    """As published; groups whose images are open are divided in these shares, balanced on the labels."""
    if images.published is None:
        return by_group(images, fractions, seed, fold)
    splits = np.array(images.published, np.int64)
    is_open = np.flatnonzero(splits == OPEN)
    if len(is_open):
        groups = [images.group_ids[index] for index in is_open]
        splits[is_open] = assign_splits(groups, images.labels[is_open], fractions, seed)
    return splits


def by_folder(
    images: ToSplit, fractions: Sequence[float], seed: int, fold: int
) -> np.ndarray:
    """As published; images that are open go to the splits that have none, each class in these shares.

    Only for exclusive labels. Unlike `by_group` it takes as many classes and images as ImageNet has.
    """
    splits = np.array(images.published, np.int64)
    shares = np.array(
        [0 if split in splits else share for split, share in enumerate(fractions)],
        np.float64,
    )
    if not shares.any():
        shares[SPLITS.index("train")] = 1
    shares /= shares.sum()
    class_of_image = images.labels.argmax(axis=1)
    ids = images.image_ids

    def at_random_in_its_class(index: int) -> tuple:
        key = hashlib.blake2b(f"{seed}/{ids[index]}".encode(), digest_size=8).digest()
        return class_of_image[index], key, ids[index]

    order = sorted(np.flatnonzero(splits == OPEN), key=at_random_in_its_class)
    # Each image goes where most is wanted, so that shares hold over all of them and in every stretch.
    wanted = np.zeros(len(shares))
    for index in order:
        wanted += shares
        splits[index] = wanted.argmax()
        wanted[splits[index]] -= 1
    return splits


def by_group_or_folder(
    images: ToSplit, fractions: Sequence[float], seed: int, fold: int
) -> np.ndarray:
    """As published; open groups go whole to the splits that have none, balanced on the labels."""
    splits = np.array(images.published, np.int64)
    is_open = np.flatnonzero(splits == OPEN)
    shares = np.array(
        [0 if split in splits else share for split, share in enumerate(fractions)],
        np.float64,
    )
    if not shares.any():
        shares[SPLITS.index("train")] = 1
    if len(is_open):
        groups = [images.group_ids[index] for index in is_open]
        shares = (shares / shares.sum()).tolist()
        splits[is_open] = assign_splits(groups, images.labels[is_open], shares, seed)
    return splits


def by_half(
    images: ToSplit, fractions: Sequence[float], seed: int, fold: int
) -> np.ndarray:
    """Two folds of half of each class: one is test, the other train with a tenth of it for validation."""
    halves = assign_splits(images.group_ids, images.labels, (0.5, 0.5), seed)
    splits = np.full(len(halves), SPLITS.index("test"))
    rest = np.flatnonzero(halves != fold)
    shares = (1 - FOLD_VALIDATION_SHARE, FOLD_VALIDATION_SHARE)
    splits[rest] = assign_splits(
        [images.group_ids[index] for index in rest], images.labels[rest], shares, seed
    )
    return splits


BY_PATIENT = SplitRule("", "patients whole, balanced on the labels", by_group)
PATIENT = SplitRule("patient", BY_PATIENT.summary, by_group)
PAPER_BY_SLICE = SplitRule(
    "paper",
    "slice by slice, balanced on the labels: patients are on both sides",
    by_image,
)
BY_LESION = SplitRule(
    "lesion", "images of one lesion stay together, balanced on the labels", by_group
)
PAPER_BY_IMAGE = SplitRule(
    "paper",
    "image by image, balanced on the labels: lesions are on both sides",
    by_image,
)
PUBLISHED = SplitRule(
    "published",
    "the lists that come with the data",
    as_published,
    fractions_apply=False,
)
BY_PATIENT_OR_LIST = SplitRule(
    "",
    f"as the column split of the list says, else {BY_PATIENT.summary}",
    by_group_unless_published,
)
BY_FOLDER = SplitRule(
    "", "folders train, val, test; what has none gets its share of train", by_folder
)
BY_PATIENT_OR_FOLDER = SplitRule(
    "",
    "folders train, val, test; what has none gets patients of train, whole",
    by_group_or_folder,
)
TWO_FOLD = SplitRule(
    "",
    "half of each class is test (--fold says which)",
    by_half,
    fractions_apply=False,
    folds=2,
)
