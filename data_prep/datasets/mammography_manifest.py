"""The manifest of mammograms: rows of findings into images, each whole or set aside with a reason."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_prep.datasets.base import Listing, Reject, fingerprint
from data_prep.labels import FINDING_TYPES, LATERALITIES, MAMMOGRAM_LABELS
from data_prep.modalities.mammogram.frame import Box
from data_prep.records.split_rules import OPEN
from data_prep.records.splits import SPLITS
from keras_medformers.support.errors import UserError

logger = logging.getLogger(__name__)

MANIFEST_NAME = "manifest.csv"
BOX_COLUMNS = ("box_x", "box_y", "box_width", "box_height")
COLUMNS = ("file", "patient", "exam", "view", "label", "finding_type", *BOX_COLUMNS)
OPTIONAL_COLUMNS = ("finding_label", "laterality", "split")
OF_IMAGE = ("patient", "exam", "view", "label", "laterality", "split")
"""Columns on which the rows of one file agree."""

NON_MALIGNANT, MALIGNANT = MAMMOGRAM_LABELS
BENIGN = "benign"
SIDES = {"L": "left", "R": "right", "LEFT": "left", "RIGHT": "right"}

FINDING_TYPE = "finding_type"
FINDING_SIZE = "finding_size"
LATERALITY = "laterality"


class Finding(NamedTuple):
    """What a row says was found.

    Attributes:
        type: One of `labels.FINDING_TYPES`, "" where only a box is known.
        malignant: Whether it is.
        box: Around it, in pixels of the file; None where it has none.
    """

    type: str
    malignant: bool
    box: Box | None


class ManifestImage(NamedTuple):
    """What the rows of one file say.

    Attributes:
        label: One of `labels.MAMMOGRAM_LABELS`.
        patient: Name of the patient.
        exam: Name of the exam, unique among all patients.
        laterality: "left", "right" or "" where unknown.
        split: Index of its split, or `OPEN`.
        findings: In the order of the rows.
    """

    label: str
    patient: str
    exam: str
    laterality: str
    split: int
    findings: tuple[Finding, ...]

    def largest_finding(self) -> Finding | None:
        """The largest malignant finding, the largest of all of a non-malignant image; None without any."""
        wanted = [
            one for one in self.findings if one.malignant or self.label == NON_MALIGNANT
        ]
        return max(wanted, key=_area_px, default=None)


def _area_px(finding: Finding) -> int:
    return finding.box.width * finding.box.height if finding.box else 0


class _BadRows(ValueError):
    """Rows of a file cannot be used; the text says why."""


def list_mammograms(data_dir: Path) -> Listing:
    """Lists the images of a manifest.

    Raises:
        UserError: If there is no manifest, it lacks a column or a row, all of its
            images are set aside, or the split it gives has a patient on both sides.
    """
    path = data_dir / MANIFEST_NAME
    images, rejects = read_manifest(path)
    sizes = {}
    for file in list(images):
        try:
            sizes[file] = _size_on_disk(data_dir, file)
        except _BadRows as error:
            rejects.append(Reject(file, str(error)))
            del images[file]

    if not images:
        raise UserError(
            f"{path} names no usable image; the first, {rejects[0].file}, {rejects[0].reason}"
        )

    _refuse_divided_patients(path, images)
    of_images = list(images.values())
    largest = [one.largest_finding() for one in of_images]
    splits = np.array([one.split for one in of_images])
    return Listing(
        root=data_dir,
        files=list(images),
        source_ids=list(images),
        labels=np.array(
            [[one.label == name for name in MAMMOGRAM_LABELS] for one in of_images],
            np.int8,
        ),
        extra_labels={
            FINDING_TYPE: _indices(
                (one.type if one else "" for one in largest), FINDING_TYPES
            ),
            FINDING_SIZE: np.full(len(images), -1),
            LATERALITY: _indices((one.laterality for one in of_images), LATERALITIES),
        },
        amounts=(FINDING_SIZE,),
        group_ids=[one.patient for one in of_images],
        study_ids=[one.exam for one in of_images],
        published_splits=splits if (splits != OPEN).any() else None,
        findings=of_images,
        rejects=tuple(rejects),
        fingerprint=fingerprint([path], list(sizes.items())),
    )


def read_manifest(path: Path) -> tuple[dict[str, ManifestImage], list[Reject]]:
    """Reads the rows of a manifest.

    Returns:
        The images by file, and the files whose rows cannot be used.

    Raises:
        UserError: If the file is missing, is no CSV, or lacks a column or a row.
    """
    table = _read_table(path)
    images, rejects = {}, []
    for file, rows in table.groupby("file", sort=True):
        try:
            images[file] = _image(rows)
        except _BadRows as error:
            rejects.append(Reject(file, str(error)))
    return images, rejects


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, skipinitialspace=True
        )
    except FileNotFoundError as error:
        raise UserError(
            f"{path} does not exist; expected the columns {','.join(COLUMNS)}"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as CSV: {error}") from error

    table.columns = [str(column).strip() for column in table.columns]
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise UserError(
            f"{path} lacks the column {' and '.join(missing)}; expected {','.join(COLUMNS)}, "
            f"received {','.join(table.columns[:20])}"
        )
    if table.empty:
        raise UserError(f"{path} has no row")

    for column in OPTIONAL_COLUMNS:
        if column not in table.columns:
            table[column] = ""

    table = table[[*COLUMNS, *OPTIONAL_COLUMNS]].apply(
        lambda column: column.str.strip()
    )
    nameless = table["file"] == ""
    if nameless.any():
        raise UserError(
            f"{path} line {nameless.idxmax() + 2}: file is empty; name the image's file"
        )

    return table


def _image(rows: pd.DataFrame) -> ManifestImage:
    for column in OF_IMAGE:
        values = rows[column].unique()
        if len(values) > 1:
            # Names of patients and exams stay out of reports.
            named = (
                ""
                if column in ("patient", "exam")
                else f": {', '.join(map(repr, values))}"
            )
            raise _BadRows(
                f"its rows contradict each other in the column {column}{named}"
            )

    first = rows.iloc[0]
    for column in ("patient", "exam"):
        if not first[column]:
            raise _BadRows(f"its {column} is empty")

    label = _one_of("label", first["label"], MAMMOGRAM_LABELS)
    findings = [_finding(row, label) for row in rows.to_dict("records")]
    findings = tuple(one for one in findings if one)
    if label == NON_MALIGNANT and any(one.malignant for one in findings):
        raise _BadRows(
            f"its label is {NON_MALIGNANT}, and a finding_label is {MALIGNANT}"
        )

    return ManifestImage(
        label,
        first["patient"],
        f"{first['patient']}/{first['exam']}",
        _side(first),
        _split(first),
        findings,
    )


def _finding(row: dict[str, str], label: str) -> Finding | None:
    box = _box(row)
    finding_type = row["finding_type"] and _one_of(
        "finding_type", row["finding_type"], FINDING_TYPES
    )
    if not finding_type and box is None:
        return None
    own = row["finding_label"] and _one_of(
        "finding_label", row["finding_label"], (MALIGNANT, BENIGN)
    )
    return Finding(finding_type, (own or label) == MALIGNANT, box)


def _box(row: dict[str, str]) -> Box | None:
    values = [row[column] for column in BOX_COLUMNS]
    if not any(values):
        return None
    named = " ".join(
        f"{column}={value}" for column, value in zip(BOX_COLUMNS, values, strict=True)
    )
    try:
        box = Box(*(round(float(value)) for value in values))
    except (ValueError, OverflowError):
        raise _BadRows(f"its box is not four numbers: {named[:80]}") from None
    if box.width < 1 or box.height < 1:
        raise _BadRows(f"its box has no area: {named[:80]}")
    return box


def _side(row: pd.Series) -> str:
    if row["laterality"]:
        return SIDES[_one_of("laterality", row["laterality"].upper(), tuple(SIDES))]
    view = row["view"].upper().lstrip("_- ")
    return SIDES.get(view[:1], "")


def _split(row: pd.Series) -> int:
    if not row["split"]:
        return OPEN
    return SPLITS.index(_one_of("split", row["split"], SPLITS))


def _one_of(column: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise _BadRows(
            f"its {column} is {value[:40]!r}, expected one of {', '.join(known)}"
        )
    return value


def _size_on_disk(data_dir: Path, file: str) -> int:
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise _BadRows("its path leads out of the data folder")
    path = data_dir / file
    if not path.is_file():
        raise _BadRows("is not on disk")
    return path.stat().st_size


def _refuse_divided_patients(path: Path, images: dict[str, ManifestImage]) -> None:
    first_of = {}
    for file, image in images.items():
        other = first_of.setdefault(image.patient, file)
        if images[other].split != image.split:
            raise UserError(
                f"{path} has one patient on both sides of its split: {other} is in "
                f"{_name(images[other].split)}, {file} in {_name(image.split)}; give a patient's images one "
                "split"
            )


def _name(split: int) -> str:
    return "none" if split == OPEN else SPLITS[split]


def _indices(values: Iterable[str], names: tuple[str, ...]) -> np.ndarray:
    return np.array([names.index(value) if value else -1 for value in values], np.int64)
