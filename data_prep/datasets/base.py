"""What a data set has to say of itself so that records can be made of it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Reject(NamedTuple):
    """A slice set aside.

    Attributes:
        file: Path below the data set's folder.
        reason: Why, free of patient identifiers.
    """

    file: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """The labelled slices of a data set that are on disk, before any of them is opened.

    Attributes:
        root: The data set's folder; `files` lie below it.
        files: One path per slice, relative to `root`, with forward slashes.
        source_ids: The data set's own name of each slice.
        labels: int8 of shape `(slices, len(label_names))`, 0 or 1.
        extra_labels: Further integer labels by name, each of shape `(slices,)`; -1 where there is none.
        rejects: What the lists name but the disk lacks, the other way round, and contradictions.
        fingerprint: Digest over the label files' content and the names and sizes of all slices.
    """

    root: Path
    files: list[str]
    source_ids: list[str]
    labels: np.ndarray
    fingerprint: str
    extra_labels: dict[str, np.ndarray] = field(default_factory=dict)
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A source of labelled slices.

    Attributes:
        name: Name on the command line and default folder below `data/` and `records/`.
        label_names: Names of the labels that a slice has or has not.
        fractions: Default shares of train, validation and test.
        prepare: Called with the data folder before listing; makes it, or raises `UserError` when it is not
            there.
        list_slices: Lists the slices of the data folder.
    """

    name: str
    label_names: tuple[str, ...]
    fractions: tuple[float, float, float]
    prepare: Callable[[Path], None]
    list_slices: Callable[[Path], Listing]


def fingerprint(label_files: list[Path], names_and_sizes: list[tuple[str, int]]) -> str:
    """Digest of a data set: the content of its label files, the names and sizes of its images.

    It does not see an image that was changed without changing its size.
    """
    digest = hashlib.sha256()
    for path in label_files:
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    for name, size in sorted(names_and_sizes):
        digest.update(f"{name}\0{size}\n".encode())
    return digest.hexdigest()
