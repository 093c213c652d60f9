"""What a data set has to say of itself so that records can be made of it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.modalities.head_ct.records import READER as HEAD_CT_READER
from data_prep.modalities.reader import Header, Reader
from data_prep.records.build_config import BuildConfig
from data_prep.records.split_rules import BY_PATIENT, SplitRule


class Reject(NamedTuple):
    """An image set aside.

    Attributes:
        file: Path below the data set's folder.
        reason: Why, free of patient identifiers.
    """

    file: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """The labelled images of a data set that are on disk, before any of them is opened.

    Attributes:
        root: The data set's folder; `files` lie below it.
        files: One path per image, relative to `root`, with forward slashes.
        source_ids: The data set's own name of each image.
        labels: int8 of shape `(images, len(label_names))`, 0 or 1.
        label_names: Names of the labels where the folder decides on them; None if they are the data set's.
        extra_labels: Further integer labels by name, each of shape `(images,)`; -1 where there is none.
        group_ids: Per image, the name of what must not be divided among splits; None where the files
            themselves name patient, study and series.
        published_splits: Per image, the index of its split where the data set says so, or
            `split_rules.OPEN`; int of shape `(images,)`.
        study_ids: Per image, the name of its study where `group_ids` are patients; None where it has none.
        amounts: Extra labels that are no classes: splits are not balanced on them, nor their values counted.
        findings: Per image, what `Dataset.parts` needs to know of it.
        rejects: What the lists name but the disk lacks, the other way round, and contradictions.
        fingerprint: Digest over the label files' content and the names and sizes of all images.
    """

    root: Path
    files: list[str]
    source_ids: list[str]
    labels: np.ndarray
    fingerprint: str
    label_names: tuple[str, ...] | None = None
    extra_labels: dict[str, np.ndarray] = field(default_factory=dict)
    group_ids: list[str] | None = None
    published_splits: np.ndarray | None = None
    study_ids: list[str] | None = None
    amounts: tuple[str, ...] = ()
    findings: list | None = None
    rejects: tuple[Reject, ...] = ()


class Part(NamedTuple):
    """One of the records that are made of one file.

    Attributes:
        name: Told apart by it from the file's others; "" for a file's only record.
        labels: Its labels where they are not those of the file.
        region: What the modality's `read` is to make of the file; a tuple that JSON can hold.
    """

    name: str
    labels: dict[str, int]
    region: tuple


SettleHeaders = Callable[
    [Listing, dict[int, Header]], tuple[dict[int, Header], dict[int, str]]
]
"""From a listing and the headers of its files, by index into it, to the headers that hold, and the reasons by
which some of the files are set aside: what only several headers together show."""

Parts = Callable[[Listing, BuildConfig], list[list[Part]]]


@dataclass(frozen=True)
class Dataset:
    """A source of labelled images.

    Attributes:
        name: Name on the command line and default folder below `records/`.
        label_names: Names of the labels that an image has or has not; none where the folder decides on them.
        fractions: Default shares of train, validation and test.
        prepare: Called with the data folder before listing; makes it, or raises `UserError` when it is not
            there.
        list_images: Lists the images of the data folder.
        reader: How its files are read, and what kind of images they are.
        exclusive_labels: Whether every image has exactly one of the labels.
        split_rules: The ways to divide it, the default first.
        settle_headers: Looks at all headers together; None where each stands for itself.
        settings: Defaults of `BuildConfig.settings`, by name; the modality's own for others.
        balance: Default of `BuildConfig.balance`.
        parts: From a listing and the settings, per file, the records to make of it: none, one or several, all
            in the file's split; None where every file is one record.
        data_folder: Its default folder below `data/`; "" for its name.
        settings_of_folder: Reads from the data folder those defaults that depend on it.
        has_location: Whether its slices have the extra label `balance.LOCATION`.
        is_phantom: Whether its images are made up here: what learned from them knows nothing
            about patients.
        patches_of: Name of the data set whose images these are patches of; "" where images are
            whole.
    """

    name: str
    label_names: tuple[str, ...]
    fractions: tuple[float, float, float]
    prepare: Callable[[Path], None]
    list_images: Callable[[Path], Listing]
    reader: Reader = HEAD_CT_READER
    exclusive_labels: bool = False
    split_rules: tuple[SplitRule, ...] = (BY_PATIENT,)
    settle_headers: SettleHeaders | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    balance: str | None = None
    has_location: bool = False
    parts: Parts | None = None
    data_folder: str = ""
    settings_of_folder: Callable[[Path], dict[str, Any]] | None = None
    is_phantom: bool = False
    patches_of: str = ""

    def with_labels_of(self, listing: Listing) -> "Dataset":
        """This data set with the names of the listing's labels."""
        return (
            self
            if listing.label_names is None
            else replace(self, label_names=listing.label_names)
        )


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
