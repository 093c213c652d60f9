"""How files become what a model takes: `data_prep`'s readers, and what it does on the way into records."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.modalities.dicom_file import DicomFile, tolerant_pydicom
from data_prep.modalities.head_ct.dicom import UnreadableSlice, read_header, read_slice
from data_prep.modalities.head_ct.records import NO_HEAD
from data_prep.modalities.head_ct.treatment.treatment import NONE, NoHead, treat
from data_prep.modalities.mammogram import dicom as dicom_mammogram
from data_prep.modalities.mammogram.dicom import UnreadableMammogram
from data_prep.modalities.mammogram.records import Region, encode_mammogram
from data_prep.modalities.photograph.pictures import (
    UnreadablePhotograph,
    read_photograph,
)
from data_prep.records.build_config import BuildConfig
from keras_medformers.modalities import HEAD_CT, MAMMOGRAM, PHOTOGRAPH
from training.predict.preparation import Preparation

AS_THEY_ARE = "as-they-are"
"""The treatment, on the command line, of slices that were not treated."""


class Place(NamedTuple):
    """Where an image belongs, by the identifiers in its header, which stay in memory.

    "" and NaN where it does not say.
    """

    study_id: str = ""
    series_id: str = ""
    position_mm: float = math.nan


class Image(NamedTuple):
    """What a file holds.

    Attributes:
        pixels: Raw pixels `(height, width, channels)`.
        columns: What the tables say of it.
        place: Its `Place`.
    """

    pixels: np.ndarray
    columns: dict
    place: Place = Place()


class Kind(NamedTuple):
    """A modality.

    Attributes:
        read: Reads a file.
        read_place: Reads only the place.
        unreadable: What both raise for files that are none of the kind.
        one: What an image is called.
        many: What several are called.
        dicom_modality: Modality (0008,0060) of its files; None where they are not DICOM.
    """

    read: Callable[[Path, Preparation], Image]
    read_place: Callable[[Path], Place]
    unreadable: type[Exception]
    one: str
    many: str
    dicom_modality: str | None


def read_ct(path: Path, preparation: Preparation) -> Image:
    """A slice in HU, treated as those of the records were.

    Raises:
        UnreadableSlice: If it is none, or it is to be treated and there is no head in it.
    """
    ct_slice = read_slice(path, preparation.twelve_bit_correction)
    hu, columns = ct_slice.hu, {"position_mm": ct_slice.position_mm}
    if preparation.treatment:
        try:
            hu, treated = treat(hu, preparation.treatment)
        except NoHead as error:
            raise UnreadableSlice(path, NO_HEAD) from error
        if preparation.treatment != NONE:
            columns["treated"] = treated
    return Image(hu[:, :, np.newaxis], columns, _place_of_slice(ct_slice))


def read_mammogram(path: Path, preparation: Preparation) -> Image:
    """A mammogram as records hold it: uint16, the breast cut out at one scale.

    Raises:
        UnreadableMammogram: If it is none, or shows no breast.
    """
    settings = BuildConfig(
        dataset="mammography",
        image_size=preparation.image_height_px,
        source_height=preparation.source_height_px,
        flip=preparation.flip,
        compression=False,
    )
    columns = {"laterality": dicom_mammogram.read_header(path).laterality}
    encoded = encode_mammogram(path, settings, Region(""))
    grey = np.frombuffer(encoded.encoded, "<u2").reshape(
        encoded.height, encoded.width, 1
    )
    return Image(grey.astype(np.uint16), columns, _place_of_mammogram(path))


def read_picture(path: Path, _: Preparation) -> Image:
    """A photograph as uint8 RGB.

    Raises:
        UnreadablePhotograph: If it is none.
    """
    return Image(read_photograph(path), {})


def _place_of_slice(header) -> Place:
    study_id = header.study_id or header.series_id or header.patient_id
    return Place(study_id, header.series_id, header.position_mm)


def _place_of_mammogram(path: Path) -> Place:
    if path.suffix.lower() == ".png":
        return Place()
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns")
    with tolerant_pydicom():
        file = DicomFile(path, keywords, UnreadableMammogram, stop_before_pixels=True)
        return Place(file.text("StudyInstanceUID"), file.text("SeriesInstanceUID"))


KINDS = {
    HEAD_CT.name: Kind(
        read_ct,
        lambda path: _place_of_slice(read_header(path)),
        UnreadableSlice,
        "CT slice",
        "slices",
        "CT",
    ),
    MAMMOGRAM.name: Kind(
        read_mammogram,
        _place_of_mammogram,
        UnreadableMammogram,
        "mammogram",
        "mammograms",
        "MG",
    ),
    PHOTOGRAPH.name: Kind(
        read_picture,
        lambda _: Place(),
        UnreadablePhotograph,
        "picture",
        "pictures",
        None,
    ),
}
