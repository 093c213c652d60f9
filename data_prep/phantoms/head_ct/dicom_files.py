"""Writes slices as DICOM files with the elements, identifiers and storage quirks of RSNA's 2019 files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import config as pydicom_config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from keras_medformers.support.whole_files import whole_file

UNSIGNED_12_BIT = "unsigned 12-bit"
SIGNED_16_BIT = "signed 16-bit"
FAULTY_INTERCEPT = "unsigned 12-bit with a faulty intercept"
STORAGE_CYCLE = (
    UNSIGNED_12_BIT,
    SIGNED_16_BIT,
    FAULTY_INTERCEPT,
    UNSIGNED_12_BIT,
    SIGNED_16_BIT,
)

PADDING_VALUE = -2000
_FAULT_OFFSET = 1000
_RANGE_12_BIT = 4096
_IMPLEMENTATION_UID = "1.2.826.0.1.3680043.8.498.1"


@dataclass(frozen=True)
class SliceHeader:
    """Identity and geometry of one slice (PS3.3 C.7.6.2)."""

    slice_id: str
    patient_id: str
    study_id: str
    series_id: str
    position_mm: tuple
    orientation: tuple
    spacing_mm: float
    storage: str


def store(hu: np.ndarray, storage: str) -> tuple[np.ndarray, int]:
    """Hounsfield units to stored values.

    Args:
        hu: Float array (rows, columns).
        storage: One of the three kinds of this module.

    Returns:
        The uint16 or int16 pixels, and the RescaleIntercept that the file gives for them. That of
        `FAULTY_INTERCEPT` is wrong on purpose: right HU need `(pixels + 1000) % 4096 - 1000`.
    """
    rounded = np.rint(hu)
    if storage == UNSIGNED_12_BIT:
        return (np.clip(rounded, -1024, 3071) + 1024).astype(np.uint16), -1024
    if storage == FAULTY_INTERCEPT:
        shifted = np.clip(rounded, -_FAULT_OFFSET, _RANGE_12_BIT - _FAULT_OFFSET - 1)
        return np.mod(shifted, _RANGE_12_BIT).astype(np.uint16), 0
    pixels = np.clip(rounded, -1024, 3071).astype(np.int16)
    pixels[~_field_of_view(hu.shape[0])] = PADDING_VALUE
    return pixels, 0


def _field_of_view(size_px: int) -> np.ndarray:
    place = np.arange(size_px) - 0.5 * (size_px - 1)
    return place[None, :] ** 2 + place[:, None] ** 2 <= (0.5 * size_px) ** 2


def write_slice(path: Path, hu: np.ndarray, header: SliceHeader) -> None:
    """Writes one DICOM file; it appears under its name only when it is whole.

    Args:
        path: Where to.
        hu: Float array (rows, columns) in Hounsfield units.
        header: `SliceHeader`.
    """
    pixels, intercept = store(hu, header.storage)
    signed = header.storage == SIGNED_16_BIT
    with pydicom_config.disable_value_validation():
        dataset = Dataset()
        dataset.SOPInstanceUID = header.slice_id
        dataset.Modality = "CT"
        dataset.PatientID = header.patient_id
        dataset.StudyInstanceUID = header.study_id
        dataset.SeriesInstanceUID = header.series_id
        dataset.StudyID = ""
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in header.position_mm]
        dataset.ImageOrientationPatient = [
            f"{value:.6f}" for value in header.orientation
        ]
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.PixelSpacing = [f"{header.spacing_mm:.6f}"] * 2
        dataset.BitsAllocated = 16
        dataset.BitsStored = 16 if signed else 12
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(signed)
        dataset.WindowCenter = ["00040", "00040"] if signed else "40"
        dataset.WindowWidth = ["00080", "00080"] if signed else "80"
        dataset.RescaleIntercept = str(intercept)
        dataset.RescaleSlope = "1"
        dataset.PixelData = pixels.astype(
            pixels.dtype.newbyteorder("<"), copy=False
        ).tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.file_meta = _file_meta(header)
        with whole_file(path) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)


def _file_meta(header: SliceHeader) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = header.slice_id
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    return meta
