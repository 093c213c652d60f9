"""Intracerebral hemorrhage by location: head CT of patients, each in the folder of what was found.

Where from: DTViT's data are those of the Department of Neurology, The First Hospital of Yulin: 15,936 slices
of 249 patients with hemorrhage and 6,445 of 199 without, of which 8,244 and 4,407 remained after manual
filtering. The paper promises them at https://github.com/Jialiangfan/ICH-classification, where they are not
yet; any collection of one's own in this layout goes as well.
Licence: that of the hospital that gives the data out; ask there.

Layout (the class folders' names in any case; below a patient's folder in any depth)::

    normal/PATIENT/SLICE.dcm
    deep/PATIENT/SLICE.dcm              lobar/ and subtentorial/ likewise

Labels: `any` is 1 in all but `normal/`; the extra label `location` is an index into
`labels.LOCATION_LABELS`, -1 in `normal/`. A patient is who PatientID says, or the folder where that is empty.
Slices are treated (`data_prep.modalities.head_ct.treatment`), and the training split is balanced
(`data_prep.records.balance`), unless asked otherwise.

Set aside, each file with its reason: all slices of a patient in several class folders, all slices of a series
of several sizes, slices without a head, and files that are no CT slices or in no patient's folder.

Reference:
    DTViT (Fan et al.), sections 2.1 and 2.2.
"""

import collections
import dataclasses
import logging
import os
from pathlib import Path

import numpy as np

from data_prep.datasets.base import Dataset, Listing, Reject, fingerprint
from data_prep.datasets.lists import folder_from
from data_prep.labels import ICH_LABELS, LOCATION_LABELS
from data_prep.modalities.head_ct.dicom import read_header
from data_prep.modalities.head_ct.records import READER
from data_prep.modalities.head_ct.treatment.treatment import MASK
from data_prep.modalities.reader import Header
from data_prep.records.balance import LOCATION, TRAIN
from data_prep.records.split_rules import PAPER_BY_SLICE, PATIENT
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)

NORMAL = "normal"
CLASSES = (NORMAL, *LOCATION_LABELS)
NO_LOCATION = -1
OTHER_FILES = {
    ".bmp", ".csv", ".db", ".doc", ".docx", ".gif", ".htm", ".html", ".ini", ".jpeg", ".jpg", ".json", ".lnk",
    ".pdf", ".png", ".rar", ".txt", ".xls", ".xlsx", ".xml", ".zip",
}  # fmt: skip
"""Suffixes of what is no DICOM file; scanners' own names may end in anything else, or have no suffix."""

FOLDERS = ", ".join(f"{name}/" for name in CLASSES)
WHERE_FROM = f"expected the folders {FOLDERS} with a folder per patient in each"


def list_slices(data_dir: Path) -> Listing:
    """Lists the files in the patients' folders.

    Raises:
        UserError: If a class folder is missing, there twice or without a file in a
            patient's folder; or a name is not UTF-8.
    """
    folders = _class_folders(data_dir)
    files, classes, rejects, names_and_sizes = [], [], [], []
    for label, name in enumerate(CLASSES):
        found = _files_below(data_dir, folders[name])
        names_and_sizes += found.items()
        reasons = {file: _reason_to_leave(file) for file in sorted(found)}
        rejects += [Reject(file, reason) for file, reason in reasons.items() if reason]
        of_class = [file for file, reason in reasons.items() if not reason]
        if not of_class:
            raise UserError(
                f"folder {data_dir / folders[name]} has no slice in a patient's folder; {WHERE_FROM}"
            )
        files += of_class
        classes += [label] * len(of_class)

    classes = np.array(classes)
    return Listing(
        root=data_dir,
        files=files,
        source_ids=files,
        labels=(classes > 0).astype(np.int8)[:, None],
        extra_labels={LOCATION: (classes + NO_LOCATION).astype(np.int8)},
        rejects=tuple(rejects),
        fingerprint=fingerprint([], names_and_sizes),
    )


def header_of_slice(path: Path) -> Header:
    """Reads a slice's place among others; a patient without PatientID is named later.

    Raises:
        UnreadableSlice: See `dicom_ct.read_header`.
    """
    header = read_header(path)
    return Header(
        header.patient_id,
        header.study_id,
        header.series_id,
        header.position_mm,
        header.rows,
        header.columns,
    )


def settle_headers(
    listing: Listing, headers: dict[int, Header]
) -> tuple[dict[int, Header], dict[int, str]]:
    """Names patients by their folders where the files do not, and finds what does not fit together.

    Args:
        listing: From `list_slices`.
        headers: By index into the listing.

    Returns:
        Headers that all name a patient, and the reasons by which some of the files are to be set aside.
    """
    folders = {index: listing.files[index].split("/") for index in headers}
    headers = {
        index: header
        if header.patient_id
        else header._replace(patient_id=folders[index][1])
        for index, header in headers.items()
    }
    classes_of, sizes_of = collections.defaultdict(set), collections.defaultdict(set)
    for index, header in headers.items():
        classes_of[header.patient_id].add(folders[index][0].lower())
        sizes_of[header[:3]].add((header.width, header.height))

    reasons = {}
    for index, header in headers.items():
        classes, sizes = classes_of[header.patient_id], sizes_of[header[:3]]
        if len(classes) > 1:
            reasons[index] = (
                f"its patient is in several class folders: {', '.join(sorted(classes))}"
            )
        elif len(sizes) > 1:
            named = " and ".join(
                f"{width} x {height}" for width, height in sorted(sizes)
            )
            reasons[index] = f"its series has slices of several sizes: {named} pixels"

    return headers, reasons


def _class_folders(data_dir: Path) -> dict[str, str]:
    """Name on disk of each class's folder."""
    found, other = collections.defaultdict(list), []
    for path in sorted(data_dir.iterdir()):
        if path.is_dir():
            found[path.name.lower()].append(path.name)
        if path.name.lower() not in CLASSES:
            other.append(path.name)

    for name in CLASSES:
        if len(found[name]) != 1:
            what = (
                f"the folders {' and '.join(found[name])}"
                if found[name]
                else f"no folder {name}"
            )
            raise UserError(f"{data_dir} has {what}; {WHERE_FROM}")

    if other:
        logger.warning(
            "%s: passed over %s, which is no class folder.", data_dir, ", ".join(other)
        )

    return {name: found[name][0] for name in CLASSES}


def _files_below(data_dir: Path, folder: str) -> dict[str, int]:
    """Sizes in bytes of all files below a folder, by path below the data folder."""
    sizes = {}
    for parent, _, names in os.walk(data_dir / folder):
        for name in names:
            path = Path(parent, name)
            file = path.relative_to(data_dir).as_posix()
            try:
                file.encode()
            except UnicodeEncodeError as error:
                raise UserError(
                    f"{data_dir} has a file whose name is not UTF-8, {file!a}; rename it"
                ) from error
            sizes[file] = path.stat().st_size if path.is_file() else 0
    return sizes


def _reason_to_leave(file: str) -> str:
    """Why a file cannot be a slice, by its name; "" where it can."""
    if file.count("/") < 2:
        return "lies in no patient's folder"
    suffix = Path(file).suffix.lower()
    if (
        suffix in OTHER_FILES
        or Path(file).name.startswith(".")
        or Path(file).name == "DICOMDIR"
    ):
        return f"is no slice by its name ({suffix or Path(file).name})"
    return ""


DATASET = Dataset(
    name="ich_location",
    label_names=ICH_LABELS,
    fractions=(0.8, 0.1, 0.1),
    prepare=folder_from(WHERE_FROM),
    list_images=list_slices,
    reader=dataclasses.replace(READER, read_header=header_of_slice),
    split_rules=(PATIENT, PAPER_BY_SLICE),
    settle_headers=settle_headers,
    settings={"treatment": MASK},
    balance=TRAIN,
    has_location=True,
)
