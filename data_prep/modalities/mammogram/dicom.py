"""The reader of mammograms: one DICOM or PNG file to grey values in which air is dark, or a reason why not.

It accepts single-frame digital mammograms "for presentation" and "for processing", and digitised films stored
as secondary captures of modality MG (CBIS-DDSM), in any transfer syntax that pydicom's installed decoders
know; and PNG files with one channel. Anything else (other modalities, tomosynthesis, colour, damage) is
refused.

Images "for presentation" go through the grey-scale pipeline of PS3.3 and PS3.4 N.2: modality LUT or rescale,
VOI LUT or window, inversion of MONOCHROME1. Images "for processing" hold the detector's signal, which falls
off exponentially with the tissue in its way; they are turned into the logarithm of the attenuation, scaled
from air to the densest thousandth. That is the simple standard inversion: it lacks the makers' equalisation
of the breast's edge and their contrast enhancement.

Reasons name the tag and the rule, never a patient's identifiers.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from data_prep.modalities.dicom_file import DicomFile, code, tolerant_pydicom
from keras_medformers.support.errors import UnreadableImage

GREY_MAX = 65535

SOP_CLASSES = (
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
FOR_PRESENTATION = "FOR PRESENTATION"
FOR_PROCESSING = "FOR PROCESSING"
LATERALITY_CODES = {"L": "left", "R": "right"}

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_GREY = 0

_HEADER_KEYWORDS = (
    "SOPClassUID", "Modality", "PresentationIntentType", "ImageLaterality", "Laterality", "SamplesPerPixel",
    "PhotometricInterpretation", "NumberOfFrames", "PlanarConfiguration", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "PixelIntensityRelationship", "PixelIntensityRelationshipSign",
)  # fmt: skip
_PIXEL_KEYWORDS = (
    "RescaleIntercept", "RescaleSlope", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip

DENSEST_PERCENTILE = 99.9
END_SHARE = 0.05
BACKGROUND_SHARE = 0.15
"""More pixels than this within `END_SHARE` of the bright end, and fewer at the dark one: air is bright."""


class UnreadableMammogram(UnreadableImage):
    """A file is not a usable mammogram; its reason names the tag and the rule that it breaks."""


@dataclass(frozen=True)
class MammogramHeader:
    """What a file says of its mammogram, without pixels.

    Attributes:
        rows: Height in pixels.
        columns: Width in pixels.
        laterality: "left", "right", or "" where the file does not say.
    """

    rows: int
    columns: int
    laterality: str


@dataclass(frozen=True)
class Mammogram(MammogramHeader):
    """A mammogram.

    Attributes:
        grey: uint16 of shape `(rows, columns)`: 0 for the darkest value that the file can show (air), 65,535
            for the brightest.
        linearised: Whether it was an image "for processing", whose attenuation this is.
    """

    grey: np.ndarray
    linearised: bool


def read_header(path: str | Path) -> MammogramHeader:
    """Reads what is known of a mammogram without decoding it.

    Raises:
        UnreadableMammogram: The file is not there, or its header is not that of a mammogram.
    """
    path = Path(path)
    if path.suffix.lower() == ".png":
        return _png_header(path)
    with tolerant_pydicom():
        file = DicomFile(
            path, _HEADER_KEYWORDS, UnreadableMammogram, stop_before_pixels=True
        )
        _refuse_unless_mammogram(file)
        return _header(file)


def read_mammogram(path: str | Path) -> Mammogram:
    """Reads one mammogram.

    Raises:
        UnreadableMammogram: The file is not there, is not a mammogram, its air is bright, its look-up tables
            cannot be applied, or its pixels are damaged or need a decoder that is not installed.

    Reference:
        DICOM PS3.3 C.8.11.7 (Mammography Image module), C.11.1 (modality LUT), C.11.2 (VOI LUT),
        C.8.11.3.1.2 (PixelIntensityRelationship); PS3.4 N.2.
    """
    path = Path(path)
    if path.suffix.lower() == ".png":
        header, linearised, grey = _png_header(path), False, _png_pixels(path)
    else:
        with tolerant_pydicom():
            file = DicomFile(
                path,
                _HEADER_KEYWORDS + _PIXEL_KEYWORDS,
                UnreadableMammogram,
                stop_before_pixels=False,
            )
            _refuse_unless_mammogram(file)
            header, linearised = _header(file), _intent(file) == FOR_PROCESSING
            stored = file.stored_values()
            padding = file.padding_range()
            level = (
                _attenuation(stored, file)
                if linearised
                else _presentation_level(stored, file)
            )
        grey = np.rint(np.clip(level, 0, 1) * GREY_MAX).astype(np.uint16)
        if padding is not None:
            grey[(stored >= padding[0]) & (stored <= padding[1])] = 0
    if _air_is_bright(grey):
        raise UnreadableMammogram(
            path,
            "its air is bright"
            if path.suffix.lower() == ".png"
            else "PhotometricInterpretation (0028,0004) is "
            f"{code(file.dataset.PhotometricInterpretation)}, by which its air would be bright",
        )
    return Mammogram(header.rows, header.columns, header.laterality, grey, linearised)


def _png_header(path: Path) -> MammogramHeader:
    """Reads a PNG file's first chunk (ISO/IEC 15948, 11.2.2)."""
    try:
        with path.open("rb") as file:
            start = file.read(26)
    except OSError as error:
        raise UnreadableMammogram(
            path, f"cannot be opened: {error.strerror}"
        ) from error
    if len(start) < 26 or not start.startswith(PNG_SIGNATURE):
        raise UnreadableMammogram(path, "is not a PNG file, or is damaged")
    columns, rows, _, colour_type = struct.unpack(">IIBB", start[16:])
    if colour_type != PNG_GREY:
        raise UnreadableMammogram(
            path, f"has colour type {colour_type}, expected a grey PNG file (0)"
        )
    return MammogramHeader(rows, columns, "")


def _png_pixels(path: Path) -> np.ndarray:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise UnreadableMammogram(path, "is a damaged PNG file")
    return (
        pixels
        if pixels.dtype == np.uint16
        else pixels.astype(np.uint16) * (GREY_MAX // 255)
    )


def _refuse_unless_mammogram(file: DicomFile) -> None:
    modality = file.text("Modality")
    sop_class = UID(
        file.text("SOPClassUID")
        or file.dataset.file_meta.get("MediaStorageSOPClassUID", "")
    )
    if modality not in ("", "MG") or (
        modality == "" and sop_class not in SOP_CLASSES[:2]
    ):
        file.refuse(
            f"Modality (0008,0060) is {code(modality) or 'missing'}, expected MG"
        )
    if sop_class not in ("", *SOP_CLASSES):
        file.refuse(
            f"SOPClassUID (0008,0016) is {code(sop_class.name)}, expected Digital Mammography X-Ray Image "
            "Storage"
        )
    file.refuse_unless_one_grey_frame()
    allocated, stored = file.number("BitsAllocated", 0), file.number("BitsStored", 0)
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        file.refuse(
            f"BitsStored (0028,0101) is {stored:g} of BitsAllocated (0028,0100) {allocated:g}, "
            "expected 8 to 16 of 8 or 16"
        )
    for keyword in ("Rows", "Columns"):
        if file.number(keyword, 0) < 1:
            file.refuse(f"{file.named(keyword)} is not a positive number")


def _header(file: DicomFile) -> MammogramHeader:
    side = file.text("ImageLaterality") or file.text("Laterality")
    return MammogramHeader(
        int(file.dataset.Rows),
        int(file.dataset.Columns),
        LATERALITY_CODES.get(side.upper(), ""),
    )


def _intent(file: DicomFile) -> str:
    stated = file.text("PresentationIntentType").upper()
    if stated in (FOR_PRESENTATION, FOR_PROCESSING):
        return stated
    is_raw = file.text("SOPClassUID") == DigitalMammographyXRayImageStorageForProcessing
    return FOR_PROCESSING if is_raw else FOR_PRESENTATION


def _presentation_level(stored: np.ndarray, file: DicomFile) -> np.ndarray:
    """Shown brightness from 0 to 1: of the window's or table's range, or of all values that can be stored."""
    dataset = file.dataset
    try:
        values = apply_modality_lut(stored, dataset)
        if dataset.get("VOILUTSequence"):
            shown, (low, high) = _through_table(values, dataset)
        elif "WindowCenter" in dataset or "WindowWidth" in dataset:
            shown, (low, high) = apply_windowing(values, dataset), _value_range(dataset)
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


def _through_table(
    values: np.ndarray, dataset: pydicom.Dataset
) -> tuple[np.ndarray, tuple[int, int]]:
    """Values after the first VOI LUT, and the range of its entries."""
    if values.dtype.kind == "f":
        # A rescale gives floats; the table is of whole numbers.
        values = np.rint(values).astype(np.int32)
    table = dataset.VOILUTSequence[0]
    entries, first, bits = table.LUTDescriptor
    if bits == 8:
        # pydicom counts a table's entries in numbers as wide as its values: 8 bits would wrap around.
        wide, with_wide = pydicom.Dataset(), pydicom.Dataset()
        wide.add(table["LUTData"])
        wide.LUTDescriptor = [entries, first, 16]
        with_wide.VOILUTSequence, with_wide.file_meta = [wide], dataset.file_meta
        dataset = with_wide
    return apply_voi(values, dataset), (0, 2**bits - 1)


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


def _attenuation(stored: np.ndarray, file: DicomFile) -> np.ndarray:
    """Logarithm of the detector's attenuation from 0, in air, to 1, in the densest thousandth.

    Without PixelIntensityRelationship values are taken as linear in the signal (LIN), without its sign as
    rising with it.
    """
    bits = int(file.number("BitsStored", 16))
    signal = stored.astype(np.float32)
    if file.number("PixelIntensityRelationshipSign", 1) < 0:
        signal = 2**bits - 1 - signal
    is_logarithm = file.text("PixelIntensityRelationship").upper() == "LOG"
    attenuation = -signal if is_logarithm else -np.log(np.maximum(signal, 0) + 1)
    # Air is the brightest end of the signal, and commonest there: few pixels beyond it are noise.
    air, densest = np.percentile(
        attenuation, [100 - DENSEST_PERCENTILE, DENSEST_PERCENTILE]
    )
    if densest <= air:
        file.refuse("PixelData (7FE0,0010) has one value only")
    return (attenuation - air) / (densest - air)


def _air_is_bright(grey: np.ndarray) -> bool:
    """Whether an image is shown the wrong way round: its commonest end, the air's, is bright."""
    grey = grey[:: max(1, grey.shape[0] // 512), :: max(1, grey.shape[1] // 512)]
    low, high = np.percentile(grey, [100 - DENSEST_PERCENTILE, DENSEST_PERCENTILE])
    margin = END_SHARE * (high - low)
    bright, dark = np.mean(grey >= high - margin), np.mean(grey <= low + margin)
    return bool(high > low and bright > BACKGROUND_SHARE and bright > dark)
