"""Writes views as DICOM files of digital mammography "for presentation", in the ways in which makers do."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalMammographyXRayImageStorageForPresentation,
)

from keras_medformers.support.whole_files import whole_file

LINEAR = "LINEAR"
LINEAR_EXACT = "LINEAR_EXACT"
SIGMOID = "SIGMOID"
TABLE = "VOI LUT"
DISPLAYS = (LINEAR, LINEAR_EXACT, SIGMOID, TABLE)
"""How stored values become brightness: by a window of some function, or by a table."""

_UID_ROOT = "1.2.826.0.1.3680043.8.498.7"
_STORED_SHARE = 0.85
"""Of the values that can be stored, those in use; the window tells where they end."""


@dataclass(frozen=True)
class ViewHeader:
    """Identity, geometry and storage of one view.

    Attributes:
        patient: PatientID.
        number: Of the patient.
        view_number: From 0.
        laterality: "left" or "right".
        view: "CC" or "MLO".
        spacing_mm: Distance of pixels.
        bits: BitsStored, 12 to 16.
        photometric: "MONOCHROME1" or "MONOCHROME2".
        display: One of `DISPLAYS`.
    """

    patient: str
    number: int
    view_number: int
    laterality: str
    view: str
    spacing_mm: float
    bits: int
    photometric: str
    display: str


def write_view(path: Path, level: np.ndarray, header: ViewHeader) -> None:
    """Writes one DICOM file; it appears under its name only when it is whole.

    Args:
        path: Where to.
        level: Brightness from 0 to 1, float32 (rows, columns).
        header: `ViewHeader`.
    """
    dataset = Dataset()
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.SOPInstanceUID = f"{_UID_ROOT}.{header.number}.1.1.{header.view_number + 1}"
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PatientName = "Phantom"
    dataset.PatientID = header.patient
    dataset.BodyPartExamined = "BREAST"
    dataset.StudyInstanceUID = f"{_UID_ROOT}.{header.number}.1"
    dataset.SeriesInstanceUID = f"{_UID_ROOT}.{header.number}.1.1"
    dataset.ViewPosition = header.view
    dataset.ImageLaterality = header.laterality[0].upper()
    dataset.ImagerPixelSpacing = [f"{header.spacing_mm:.4f}"] * 2
    dataset.BurnedInAnnotation = "YES"
    dataset.PixelIntensityRelationship = "LOG"
    _put_pixels(dataset, level, header)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with whole_file(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _put_pixels(dataset: Dataset, level: np.ndarray, header: ViewHeader) -> None:
    """Pixels and what says how they are shown.

    Dark tissue is stored bright in MONOCHROME1: values, windows and tables are all mirrored.
    """
    largest = 2**header.bits - 1
    used = round(_STORED_SHARE * largest)
    inverted = header.photometric == "MONOCHROME1"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = header.photometric
    dataset.Rows, dataset.Columns = level.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = header.bits
    dataset.HighBit = header.bits - 1
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.LossyImageCompression = "00"

    if header.display == TABLE:
        dataset.VOILUTSequence = [_table(largest, used, inverted)]
    else:
        width = used if header.display != SIGMOID else round(0.9 * used)
        middle = used / 2 if header.display != SIGMOID else 0.45 * used
        dataset.WindowCenter = f"{largest - middle if inverted else middle:g}"
        dataset.WindowWidth = str(width)
        dataset.VOILUTFunction = header.display

    pixels = np.rint(np.clip(level, 0, 1) * used).astype("<u2")
    dataset.PixelData = (
        (largest - pixels if inverted else pixels).astype("<u2").tobytes()
    )
    dataset["PixelData"].VR = "OW"


def _table(largest: int, used: int, inverted: bool) -> Dataset:
    """A table with more contrast in the middle: an entry for each value in use."""
    values = np.linspace(0, 1, used + 1)
    curve = 1 / (1 + np.exp(-5 * (values - 0.45)))
    curve = (curve - curve[0]) / (curve[-1] - curve[0])
    curve = 1 - curve[::-1] if inverted else curve
    item = Dataset()
    item.LUTDescriptor = [used + 1, largest - used if inverted else 0, 16]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = np.rint(curve * 65535).astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item
