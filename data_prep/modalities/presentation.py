"""From stored X-rays to what is shown: what mammograms and radiographs have in common.

The grey-scale pipeline of PS3.3 and PS3.4 N.2: modality LUT or rescale, VOI LUT or window,
inversion of MONOCHROME1. PNG files are taken as they are.
"""

import struct
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_windowing

from data_prep.modalities.dicom_file import DicomFile, code
from keras_medformers.support.errors import UnreadableImage

GREY_MAX = 65535

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_GREY = 0

HEADER_KEYWORDS = (
    "SOPClassUID", "Modality", "PresentationIntentType", "SamplesPerPixel", "PhotometricInterpretation",
    "NumberOfFrames", "PlanarConfiguration", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
)  # fmt: skip
PIXEL_KEYWORDS = (
    "RescaleIntercept", "RescaleSlope", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip

FOR_PRESENTATION = "FOR PRESENTATION"
FOR_PROCESSING = "FOR PROCESSING"


def is_png(path: Path) -> bool:
    """Whether a file is a PNG file by its name."""
    return path.suffix.lower() == ".png"


def png_size(path: Path, error: type[UnreadableImage]) -> tuple[int, int]:
    """Rows and columns from a PNG file's first chunk (ISO/IEC 15948, 11.2.2).

    Raises:
        error: If the file cannot be opened, or is no grey PNG file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(26)
    except OSError as failure:
        raise error(path, f"cannot be opened: {failure.strerror}") from failure
    if len(start) < 26 or not start.startswith(PNG_SIGNATURE):
        raise error(path, "is not a PNG file, or is damaged")
    columns, rows, _, colour_type = struct.unpack(">IIBB", start[16:])
    if colour_type != PNG_GREY:
        raise error(
            path, f"has colour type {colour_type}, expected a grey PNG file (0)"
        )
    return rows, columns


def png_pixels(path: Path, error: type[UnreadableImage]) -> np.ndarray:
    """A PNG file's grey values, those of 8 bits spread over 16.

    Returns:
        uint16 of shape `(rows, columns)`.

    Raises:
        error: If the file is damaged.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise error(path, "is a damaged PNG file")
    if pixels.dtype == np.uint16:
        return pixels
    return pixels.astype(np.uint16) * (GREY_MAX // 255)


def refuse_unless_8_to_16_bits(file: DicomFile) -> None:
    """Refuses other depths, and images without pixels."""
    allocated, stored = file.number("BitsAllocated", 0), file.number("BitsStored", 0)
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        file.refuse(
            f"BitsStored (0028,0101) is {stored:g} of BitsAllocated (0028,0100) {allocated:g}, "
            "expected 8 to 16 of 8 or 16"
        )
    for keyword in ("Rows", "Columns"):
        if file.number(keyword, 0) < 1:
            file.refuse(f"{file.named(keyword)} is not a positive number")


def intent_of(file: DicomFile, for_processing: str) -> str:
    """`FOR_PRESENTATION` or `FOR_PROCESSING`.

    Args:
        file: The file.
        for_processing: SOP class of images for processing.
    """
    stated = file.text("PresentationIntentType").upper()
    if stated in (FOR_PRESENTATION, FOR_PROCESSING):
        return stated
    is_raw = file.text("SOPClassUID") == for_processing
    return FOR_PROCESSING if is_raw else FOR_PRESENTATION


def grey_of(
    level: np.ndarray, stored: np.ndarray, padding: tuple[int, int] | None
) -> np.ndarray:
    """Levels from 0 to 1 as uint16, black where the image is padded."""
    grey = np.rint(np.clip(level, 0, 1) * GREY_MAX).astype(np.uint16)
    if padding is not None:
        grey[(stored >= padding[0]) & (stored <= padding[1])] = 0
    return grey


def presentation_level(stored: np.ndarray, file: DicomFile) -> np.ndarray:
    """Shown brightness from 0 to 1: of the window's or table's range, or of all values that can be stored.

    A window without width or without centre, and a table without data, are as if they were not
    there (PS3.3 C.11.2.1.2).
    """
    dataset = file.dataset
    try:
        values = apply_modality_lut(stored, dataset)
        table, window = _voi_table(dataset), _voi_window(dataset)
        if table is not None:
            shown, (low, high) = _through_table(values, table, dataset)
        elif window is not None:
            low, high = _value_range(dataset)
            shown = apply_windowing(values, dataset, window)
        else:
            shown, (low, high) = values, sorted(_value_range(dataset))
    except Exception as error:
        detail = code(" ".join(str(error).split()), longest=160)
        file.refuse(
            f"ModalityLUTSequence (0028,3000), VOILUTSequence (0028,3010) or WindowCenter (0028,1050) cannot "
            f"be applied: {detail}",
            error,
        )

    level = (shown.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return 1 - level if dataset.PhotometricInterpretation == "MONOCHROME1" else level


def _voi_table(dataset: pydicom.Dataset) -> pydicom.Dataset | None:
    """The first VOI LUT with data."""
    tables = dataset.get("VOILUTSequence") or []
    return next(
        (one for one in tables if one.get("LUTDescriptor") and one.get("LUTData")), None
    )


def _voi_window(dataset: pydicom.Dataset) -> int | None:
    """Index of the first window that can be applied."""
    centres, widths = (
        _numbers(dataset.get(keyword)) for keyword in ("WindowCenter", "WindowWidth")
    )
    is_linear = (dataset.get("VOILUTFunction") or "LINEAR").upper() == "LINEAR"
    for index, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        wide_enough = width >= 1 if is_linear else width > 0
        if np.isfinite(centre) and np.isfinite(width) and wide_enough:
            return index
    return None


def _numbers(value: object) -> list[float]:
    """An element's numbers; none of one that is missing or empty."""
    if value is None or value == "":
        return []
    values = (
        value if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
    )
    return [float("nan") if one in (None, "") else float(one) for one in values]


def _through_table(
    values: np.ndarray, table: pydicom.Dataset, dataset: pydicom.Dataset
) -> tuple[np.ndarray, tuple[int, int]]:
    """Values after a VOI LUT, and the range of its entries (PS3.3 C.11.2.1.1)."""
    count, first, bits = (int(value) for value in table.LUTDescriptor)
    count = count or 65536
    if not 8 <= bits <= 16:
        raise ValueError(f"{bits} bits in LUTDescriptor, expected 8 to 16")
    if dataset.get("PixelRepresentation") == 1 and first > 32767:
        first -= 65536  # written as unsigned although the pixels are signed

    entries = _entries(table.LUTData, count, dataset)
    highest = int(entries.max())
    # A table may be narrower or wider than its descriptor says; its own range is what is meant.
    if highest >= 2**bits or highest < 2 ** (bits - 2):
        bits = max(1, highest.bit_length())

    places = np.rint(values).astype(np.int64) - first
    return entries[np.clip(places, 0, count - 1)], (0, 2**bits - 1)


def _entries(data: object, count: int, dataset: pydicom.Dataset) -> np.ndarray:
    """A table's entries, which may be packed two to a word."""
    is_little = dataset.original_encoding[1] is not False
    if not isinstance(data, bytes):
        words = np.atleast_1d(np.asarray(data, np.int64)).astype("<u2")
        data, is_little = words.tobytes(), True
    if len(data) >= 2 * count:
        entries = np.frombuffer(data[: 2 * count], "<u2" if is_little else ">u2")
    elif len(data) >= count:
        entries = np.frombuffer(data[:count], np.uint8)
    else:
        raise ValueError(f"{len(data)} bytes of LUTData for {count} entries")
    return entries.astype(np.uint16)


def _value_range(dataset: pydicom.Dataset) -> tuple[float, float]:
    """Lowest and highest value behind the modality LUT: the range into which pydicom's windows map."""
    if dataset.get("ModalityLUTSequence"):
        return 0, 2 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    signed = dataset.get("PixelRepresentation") == 1
    low = -(2 ** (dataset.BitsStored - 1)) if signed else 0
    high = low + 2**dataset.BitsStored - 1
    if dataset.get("RescaleSlope") is None or dataset.get("RescaleIntercept") is None:
        return low, high
    slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
    return low * slope + intercept, high * slope + intercept
