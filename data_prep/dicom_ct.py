"""The reader of CT slices: one DICOM file to Hounsfield units, or a reason why not.

It accepts single-frame axial CT in any transfer syntax that pydicom's installed decoders know, and files with
as few elements as those of RSNA's hemorrhage data set (no SOP class, no instance number, UIDs that are no
valid UIDs). Anything else (other modalities, localizers, secondary captures that claim to be CT, colour,
several frames, damage) is refused.

Reasons name the tag and the rule, never a patient's identifiers.
"""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom import config as pydicom_config
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from data_prep.errors import UnreadableImage

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
_LONGEST_DETAIL = 160


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
        UnreadableSlice: The file is not there, is not DICOM, or its header is not that of a CT slice.
    """
    path = Path(path)
    with _tolerant_pydicom():
        dataset = _read(path, _HEADER_KEYWORDS, stop_before_pixels=True)
        _refuse_unless_ct_slice(dataset, path)
        return CTHeader(**_identity(dataset, path))


def read_slice(path: str | Path, correct_twelve_bit: bool = True) -> CTSlice:
    """Reads one CT slice in Hounsfield units.

    Args:
        path: A DICOM file.
        correct_twelve_bit: Whether to repair RSNA's 12-bit slices stored with a wrong intercept.

    Raises:
        UnreadableSlice: The file is not there, is not DICOM, is not a CT slice, or its pixels are damaged or
            need a decoder that is not installed.

    Reference:
        DICOM PS3.3 C.8.2.1 (CT Image module), C.11.1 (rescale), C.7.5.1.1.2 (padding).
    """
    path = Path(path)
    with _tolerant_pydicom():
        dataset = _read(path, _HEADER_KEYWORDS + _PIXEL_KEYWORDS, stop_before_pixels=False)
        _refuse_unless_ct_slice(dataset, path)
        identity = _identity(dataset, path)
        slope, intercept = _rescale(dataset, path)
        padding = _padding_range(dataset)
        stored = _stored_values(dataset, path)
    is_padding = None if padding is None else (stored >= padding[0]) & (stored <= padding[1])
    corrected = correct_twelve_bit and _has_twelve_bit_fault(dataset, intercept)
    if corrected:
        stored, intercept = _correct_twelve_bit(stored)
    hu = stored_to_hu(stored, slope, intercept)
    if dataset.PhotometricInterpretation == "MONOCHROME1" and not _corners_are_air(hu):
        hu = stored_to_hu(_invert(stored, dataset), slope, intercept)
        if not _corners_are_air(hu):
            raise UnreadableSlice(
                path,
                "PhotometricInterpretation (0028,0004) is MONOCHROME1, "
                "and the corners are air neither as stored nor inverted",
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


@contextlib.contextmanager
def _tolerant_pydicom() -> Iterator[None]:
    """Keeps pydicom from complaining of harmless values against the standard, such as RSNA's UIDs."""
    before = pydicom_config.settings.reading_validation_mode
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        pydicom_config.settings.reading_validation_mode = before


def _read(path: Path, keywords: tuple[str, ...], stop_before_pixels: bool) -> pydicom.Dataset:
    options = {"specific_tags": list(keywords), "stop_before_pixels": stop_before_pixels}
    try:
        try:
            dataset = pydicom.dcmread(path, **options)
        except InvalidDicomError:
            dataset = pydicom.dcmread(path, force=True, **options)
    except OSError as error:
        raise UnreadableSlice(path, f"cannot be opened: {error.strerror or type(error).__name__}") from error
    except Exception as error:
        raise UnreadableSlice(
            path, f"is not DICOM, or is damaged ({type(error).__name__} while parsing)"
        ) from error
    if "Rows" not in dataset or "Columns" not in dataset:
        raise UnreadableSlice(
            path, "is not a DICOM image: Rows (0028,0010) and Columns (0028,0011) are missing"
        )
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _native_syntax(*dataset.original_encoding)
    return dataset


def _native_syntax(is_implicit: bool, is_little_endian: bool) -> UID:
    """The transfer syntax of a file without meta information, by how its elements parsed (PS3.5 A)."""
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian


def _refuse_unless_ct_slice(dataset: pydicom.Dataset, path: Path) -> None:
    """Refuses everything but a single-frame, single-channel, reconstructed CT slice.

    Modality and SOPClassUID may be missing, as in RSNA's files: then the rest has to fit.

    Reference:
        DICOM PS3.3 C.8.2.1.1 (ImageType, bits, photometric interpretation of CT), C.8.6.1 (secondary
        capture).
    """

    def refuse(reason: str) -> None:
        raise UnreadableSlice(path, reason)

    modality = _text(dataset, "Modality", path)
    if modality not in ("", "CT"):
        refuse(f"Modality (0008,0060) is {_code(modality)}, expected CT")
    sop_class = UID(
        _text(dataset, "SOPClassUID", path) or dataset.file_meta.get("MediaStorageSOPClassUID", "")
    )
    if sop_class not in ("", CTImageStorage):
        refuse(f"SOPClassUID (0008,0016) is {_code(sop_class.name)}, expected CT Image Storage")
    image_type = [part.strip().upper() for part in _text(dataset, "ImageType", path).split("\\")]
    if "LOCALIZER" in image_type:
        refuse("ImageType (0008,0008) says LOCALIZER: a projection, not a slice")
    if "SECONDARY" in image_type[1:2] and _text(dataset, "ConversionType", path):
        refuse(
            "ImageType (0008,0008) says SECONDARY and ConversionType (0008,0064) is set: a secondary capture"
        )
    frames = _text(dataset, "NumberOfFrames", path) or "1"
    if frames != "1":
        refuse(f"NumberOfFrames (0028,0008) is {_code(frames)}, expected a single frame")
    samples = _text(dataset, "SamplesPerPixel", path) or "1"
    photometric = _text(dataset, "PhotometricInterpretation", path)
    if samples != "1" or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        refuse(
            f"PhotometricInterpretation (0028,0004) is {_code(photometric) or 'missing'} with "
            f"{_code(samples)} samples per pixel, expected MONOCHROME2 or MONOCHROME1 with 1"
        )
    if _text(dataset, "BitsAllocated", path) != "16":
        bits = _code(_text(dataset, "BitsAllocated", path))
        refuse(f"BitsAllocated (0028,0100) is {bits or 'missing'}, expected 16 for CT")
    for keyword, tag in (("Rows", "0028,0010"), ("Columns", "0028,0011")):
        if _number(dataset, keyword, tag, path, default=0) < 1:
            refuse(f"{keyword} ({tag}) is not a positive number")
    _rescale(dataset, path)


def _identity(dataset: pydicom.Dataset, path: Path) -> dict:
    return {
        "patient_id": _text(dataset, "PatientID", path),
        "study_id": _text(dataset, "StudyInstanceUID", path),
        "series_id": _text(dataset, "SeriesInstanceUID", path),
        "source_id": _text(dataset, "SOPInstanceUID", path) or path.stem,
        "position_mm": _position_mm(dataset),
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
    }


def _position_mm(dataset: pydicom.Dataset) -> float:
    """Distance of the slice from the origin along its normal, which orders slices also with a tilted gantry.

    Reference:
        DICOM PS3.3 C.7.6.2.1.1 (image position and orientation).
    """
    try:
        position = np.asarray(dataset.ImagePositionPatient, np.float64).reshape(3)
        row, column = np.asarray(dataset.ImageOrientationPatient, np.float64).reshape(2, 3)
        return float(np.dot(position, np.cross(row, column)))
    except Exception:
        pass
    try:
        return float(dataset.SliceLocation)
    except Exception:
        return float("nan")


def _rescale(dataset: pydicom.Dataset, path: Path) -> tuple[float, float]:
    """Slope and intercept. A missing slope is 1; without an intercept stored values have no meaning in HU."""
    intercept = _number(dataset, "RescaleIntercept", "0028,1052", path)
    slope = _number(dataset, "RescaleSlope", "0028,1053", path, default=1.0)
    if slope == 0:
        raise UnreadableSlice(path, "RescaleSlope (0028,1053) is 0")
    rescale_type = _text(dataset, "RescaleType", path)
    if rescale_type not in ("", "HU", "US"):
        raise UnreadableSlice(path, f"RescaleType (0028,1054) is {_code(rescale_type)}, expected HU")
    return slope, intercept


def _padding_range(dataset: pydicom.Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored value that mean "outside the field of view" (PS3.3 C.7.5.1.1.2), or None."""
    try:
        values = [int(dataset.PixelPaddingValue)]
        if dataset.get("PixelPaddingRangeLimit") is not None:
            values.append(int(dataset.PixelPaddingRangeLimit))
    except Exception:
        return None
    if dataset.get("PixelRepresentation") == 1:
        # Written as unsigned by some scanners although the pixels are signed.
        values = [value - 65536 if value > 32767 else value for value in values]
    return min(values), max(values)


def _stored_values(dataset: pydicom.Dataset, path: Path) -> np.ndarray:
    if "PixelData" not in dataset:
        raise UnreadableSlice(path, "PixelData (7FE0,0010) is missing")
    try:
        stored = dataset.pixel_array
    except Exception as error:
        detail = " ".join(str(error).split())[:_LONGEST_DETAIL]
        raise UnreadableSlice(path, f"PixelData (7FE0,0010) cannot be decoded: {detail}") from error
    expected = (int(dataset.Rows), int(dataset.Columns))
    if stored.shape != expected:
        raise UnreadableSlice(
            path, f"PixelData (7FE0,0010) has shape {stored.shape}, the header says {expected}"
        )
    return stored


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
    highest_plus_lowest = -1 if dataset.PixelRepresentation == 1 else 2**dataset.BitsStored - 1
    return highest_plus_lowest - stored.astype(np.int32)


def _text(dataset: pydicom.Dataset, keyword: str, path: Path) -> str:
    """An element's value as text, several values joined by backslashes, "" where missing."""
    try:
        value = dataset.get(keyword)
        if value is None:
            return ""
        if isinstance(value, str | int | float):
            return str(value).strip()
        return "\\".join(str(part) for part in value)
    except Exception as error:
        raise UnreadableSlice(path, f"{keyword} cannot be read ({type(error).__name__})") from error


def _number(
    dataset: pydicom.Dataset, keyword: str, tag: str, path: Path, default: float | None = None
) -> float:
    """A finite number from an element with a single value; `default` where it is missing or empty."""
    try:
        value = dataset.get(keyword)
        number = default if value is None or value == "" else float(value)
    except Exception as error:
        raise UnreadableSlice(path, f"{keyword} ({tag}) is not a number") from error
    if number is None:
        raise UnreadableSlice(path, f"{keyword} ({tag}) is missing: stored values cannot be turned into HU")
    if not np.isfinite(number):
        raise UnreadableSlice(path, f"{keyword} ({tag}) is not finite")
    return number


def _code(value: object) -> str:
    """A coded value shortened for a message."""
    return str(value)[:40]
