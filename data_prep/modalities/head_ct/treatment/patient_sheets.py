"""The pictures of one patient's folder: a contact sheet, and each treated slice as a JPG if asked for."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from data_prep.datasets.base import Reject
from data_prep.modalities.head_ct.dicom import UnreadableSlice, read_header, read_slice
from data_prep.modalities.head_ct.records import NO_HEAD
from data_prep.modalities.head_ct.treatment.contact_sheets import (
    sheet,
    tile,
    write_picture,
)
from data_prep.modalities.head_ct.treatment.treatment import (
    NONE,
    NoHead,
    as_picture,
    treat,
)

UNTREATED = "left untreated, since treatment would have lost the head"


@dataclass(frozen=True)
class Order:
    """What to draw of every patient.

    Attributes:
        data_dir: The data set's folder.
        output_dir: Where pictures go.
        treatment: One of `treatment.TREATMENTS`.
        with_slices: Whether to write each treated slice, too.
    """

    data_dir: Path
    output_dir: Path
    treatment: str
    with_slices: bool


class Drawn(NamedTuple):
    """What became of a folder: how many slices were treated, and the files that were not, with reasons."""

    treated: int
    rejects: list[Reject]
    untreated: list[Reject]


def draw_patient(order: Order, files: list[str]) -> Drawn:
    """Draws the slices of one patient's folder, in the order of their positions.

    Args:
        order: What to draw.
        files: Paths below the data folder, all in one patient's folder.
    """
    tiles, treated, rejects, untreated = [], 0, [], []
    for _, file in sorted(
        (_position_mm(order.data_dir / file), file) for file in files
    ):
        try:
            treated_slice = treat(read_slice(order.data_dir / file).hu, order.treatment)
        except (UnreadableSlice, NoHead) as error:
            rejects.append(Reject(file, getattr(error, "reason", NO_HEAD)))
            continue
        picture = as_picture(treated_slice.hu)
        tiles.append(tile(picture, PurePosixPath(file).name))
        if order.with_slices:
            write_picture(order.output_dir / "slices" / f"{file}.jpg", picture)
        if treated_slice.treated or order.treatment == NONE:
            treated += 1
        else:
            untreated.append(Reject(file, UNTREATED))

    if tiles:
        folder = patient_folder(files[0])
        write_picture(order.output_dir / "patients" / f"{folder}.png", sheet(tiles))

    return Drawn(treated, rejects, untreated)


def patient_folder(file: str) -> str:
    """The class's and the patient's folder of a file."""
    return "/".join(file.split("/")[:2])


def _position_mm(path: Path) -> float:
    try:
        position = read_header(path).position_mm
    except UnreadableSlice:
        return 0.0
    return position if position == position else 0.0
