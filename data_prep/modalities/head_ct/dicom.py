"""The reader of CT slices: one DICOM file to Hounsfield units, or a reason why not.

It accepts single-frame axial CT in any transfer syntax that pydicom's installed decoders know, and files with
as few elements as those of RSNA's hemorrhage data set (no SOP class, no instance number, UIDs that are no
valid UIDs). Anything else (other modalities, localizers, secondary captures that claim to be CT, colour,
several frames, damage) is refused.

Reasons name the tag and the rule, never a patient's identifiers.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import UID, CTImageStorage

from data_prep.modalities.dicom_file import DicomFile, code, tolerant_pydicom
from keras_medformers.support.errors import UnreadableImage

HU_MIN = -1024
HU_MAX = 32767
"""Hounsfield units are clipped to this range; padding outside the field of view becomes `HU_MIN`, air."""

FAULTY_INTERCEPT_ABOVE = -100
"""A 12-bit unsigned slice whose intercept is higher was stored shifted by 1000, see `_correct_twelve_bit`."""

AIR_BELOW_HU = -500

_HEADER_KEYWORDS = (
    "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "ConversionType", "PatientID",
    "StudyInstanceUID", "SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient",
    "SliceLocation", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames",
    "PlanarConfiguration", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept",
    "RescaleSlope", "RescaleType",
)  # fmt: skip
_PIXEL_KEYWORDS = ("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths")


class UnreadableSlice(UnreadableImage):
    """A file is not a usable CT slice; its reason names the tag and the rule that it breaks."""


@dataclass(frozen=True)
class CTHeader:
    """What a CT file says of its slice, without pixels.

    Attributes:
        patient_id: PatientID, or "" where the file has none.
        study_id: StudyInstanceUID, or "".
        series_id: SeriesInstanceUID, or "".
        source_id: SOPInstanceUID, or the file's name without its suffix.
        position_mm: Place of the slice along the normal of its plane, in mm; NaN where the file does not say.
        rows: Height in pixels.
        columns: Width in pixels.
    """

    patient_id: str
    study_id: str
    series_id: str
    source_id: str
    position_mm: float
    rows: int
    columns: int


@dataclass(frozen=True)
class CTSlice(CTHeader):
    """A CT slice.

    Attributes:
        hu: Hounsfield units, int16 of shape `(rows, columns)`, within `[HU_MIN, HU_MAX]`.
        corrected_twelve_bit: Whether the stored values were moved back by the 12-bit correction.
    """

    hu: np.ndarray
    corrected_twelve_bit: bool


def read_header(path: str | Path) -> CTHeader:
    """Reads what is needed to group and order slices; stops before the pixels.

    Raises:
        UnreadableSlice: If the file is not there, is not DICOM, or its header is not
            that of a CT slice.
    """
    with tolerant_pydicom():
        file = DicomFile(
            Path(path), _HEADER_KEYWORDS, UnreadableSlice, stop_before_pixels=True
        )
        _refuse_unless_ct_slice(file)
        return CTHeader(**_identity(file))


def read_slice(path: str | Path, correct_twelve_bit: bool = True) -> CTSlice:
    """Reads one CT slice in Hounsfield units.

    Args:
        path: A DICOM file.
        correct_twelve_bit: Whether to repair RSNA's 12-bit slices stored with a wrong intercept.

    Raises:
        UnreadableSlice: If the file is not there, is not DICOM, is not a CT slice, or
            its pixels are damaged or need a decoder that is not installed.

    Reference:
        DICOM PS3.3 C.8.2.1 (CT Image module), C.11.1 (rescale), C.7.5.1.1.2 (padding).
    """
    keywords = _HEADER_KEYWORDS + _PIXEL_KEYWORDS
    with tolerant_pydicom():
        file = DicomFile(
            Path(path), keywords, UnreadableSlice, stop_before_pixels=False
        )
        _refuse_unless_ct_slice(file)
        identity = _identity(file)
        slope, intercept = _rescale(file)
        padding = file.padding_range()
        stored = file.stored_values()

    dataset = file.dataset
    is_padding = (
        None if padding is None else (stored >= padding[0]) & (stored <= padding[1])
    )
    corrected = correct_twelve_bit and _has_twelve_bit_fault(dataset, intercept)
    if corrected:
        stored, intercept = _correct_twelve_bit(stored)
    hu = stored_to_hu(stored, slope, intercept)
    if dataset.PhotometricInterpretation == "MONOCHROME1" and not _corners_are_air(hu):
        hu = stored_to_hu(_invert(stored, dataset), slope, intercept)
        if not _corners_are_air(hu):
            file.refuse(
                "PhotometricInterpretation (0028,0004) is MONOCHROME1, "
                "and the corners are air neither as stored nor inverted"
            )

    if is_padding is not None:
        hu[is_padding] = HU_MIN
    return CTSlice(**identity, hu=hu, corrected_twelve_bit=corrected)


def stored_to_hu(stored: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Applies the rescale of PS3.3 C.11.1.1: `stored * slope + intercept`, rounded and clipped to int16.

    Args:
        stored: Stored values, integers of any shape.
        slope: RescaleSlope (0028,1053).
        intercept: RescaleIntercept (0028,1052).

    Returns:
        Hounsfield units, int16 of the same shape, within `[HU_MIN, HU_MAX]`.
    """
    if slope == 1 and intercept == int(intercept):
        hu = np.add(stored, int(intercept), dtype=np.int32)
    else:
        hu = np.rint(stored * np.float64(slope) + intercept)
    return np.clip(hu, HU_MIN, HU_MAX, out=hu).astype(np.int16)


def _refuse_unless_ct_slice(file: DicomFile) -> None:
    """Refuses everything but a single-frame, single-channel, reconstructed CT slice.

    Modality and SOPClassUID may be missing, as in RSNA's files: then the rest has to fit.

    Reference:
        DICOM PS3.3 C.8.2.1.1 (ImageType, bits, photometric interpretation of CT), C.8.6.1 (secondary
        capture).
    """
    modality = file.text("Modality")
    if modality not in ("", "CT"):
        file.refuse(f"Modality (0008,0060) is {code(modality)}, expected CT")
    sop_class = UID(
        file.text("SOPClassUID")
        or file.dataset.file_meta.get("MediaStorageSOPClassUID", "")
    )

    if sop_class not in ("", CTImageStorage):
        file.refuse(
            f"SOPClassUID (0008,0016) is {code(sop_class.name)}, expected CT Image Storage"
        )

    image_type = [part.strip().upper() for part in file.text("ImageType").split("\\")]
    if "LOCALIZER" in image_type:
        file.refuse("ImageType (0008,0008) says LOCALIZER: a projection, not a slice")
    if "SECONDARY" in image_type[1:2] and file.text("ConversionType"):
        file.refuse(
            "ImageType (0008,0008) says SECONDARY and ConversionType (0008,0064) is set: a secondary capture"
        )

    file.refuse_unless_one_grey_frame()
    if file.text("BitsAllocated") != "16":
        bits = code(file.text("BitsAllocated"))
        file.refuse(
            f"BitsAllocated (0028,0100) is {bits or 'missing'}, expected 16 for CT"
        )

    for keyword in ("Rows", "Columns"):
        if file.number(keyword, default=0) < 1:
            file.refuse(f"{file.named(keyword)} is not a positive number")

    _rescale(file)


def _identity(file: DicomFile) -> dict:
    return {
        "patient_id": file.text("PatientID"),
        "study_id": file.text("StudyInstanceUID"),
        "series_id": file.text("SeriesInstanceUID"),
        "source_id": file.text("SOPInstanceUID") or file.path.stem,
        "position_mm": _position_mm(file.dataset),
        "rows": int(file.dataset.Rows),
        "columns": int(file.dataset.Columns),
    }


def _position_mm(dataset: pydicom.Dataset) -> float:
    """Distance of the slice from the origin along its normal, which orders slices also with a tilted gantry.

    Reference:
        DICOM PS3.3 C.7.6.2.1.1 (image position and orientation).
    """
    try:
        position = np.asarray(dataset.ImagePositionPatient, np.float64).reshape(3)
        row, column = np.asarray(dataset.ImageOrientationPatient, np.float64).reshape(
            2, 3
        )
        return float(np.dot(position, np.cross(row, column)))
    except Exception:
        pass
    try:
        return float(dataset.SliceLocation)
    except Exception:
        return float("nan")


def _rescale(file: DicomFile) -> tuple[float, float]:
    """Slope and intercept. A missing slope is 1; without an intercept stored values have no meaning in HU."""
    intercept = file.number(
        "RescaleIntercept", without="stored values cannot be turned into HU"
    )
    slope = file.number("RescaleSlope", default=1.0)
    if slope == 0:
        file.refuse("RescaleSlope (0028,1053) is 0")
    rescale_type = file.text("RescaleType")
    if rescale_type not in ("", "HU", "US"):
        file.refuse(f"RescaleType (0028,1054) is {code(rescale_type)}, expected HU")
    return slope, intercept


def _has_twelve_bit_fault(dataset: pydicom.Dataset, intercept: float) -> bool:
    return (
        dataset.get("BitsStored") == 12
        and dataset.get("PixelRepresentation") == 0
        and intercept > FAULTY_INTERCEPT_ABOVE
    )


def _correct_twelve_bit(stored: np.ndarray) -> tuple[np.ndarray, float]:
    """Undoes the shift of RSNA's faulty slices, whose negative values were wrapped around at 4096.

    Returns:
        The stored values moved up by 1000 modulo 4096, and the intercept -1000 that belongs to them.
    """
    return (stored.astype(np.int32) + 1000) & 4095, -1000.0


def _corners_are_air(hu: np.ndarray) -> bool:
    return bool(np.median(hu[[0, 0, -1, -1], [0, -1, 0, -1]]) < AIR_BELOW_HU)


def _invert(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Mirrors stored values within their range.

    MONOCHROME1 alone concerns display and leaves Hounsfield units as they are (PS3.3 C.7.6.3.1.2), but some
    exporters turn the values themselves around without changing the rescale.
    """
    highest_plus_lowest = (
        -1 if dataset.PixelRepresentation == 1 else 2**dataset.BitsStored - 1
    )
    return highest_plus_lowest - stored.astype(np.int32)
