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

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from data_prep.modalities.dicom_file import DicomFile, code, tolerant_pydicom
from data_prep.modalities.presentation import (
    FOR_PROCESSING,
    HEADER_KEYWORDS,
    PIXEL_KEYWORDS,
    grey_of,
    intent_of,
    is_png,
    png_pixels,
    png_size,
    presentation_level,
    refuse_unless_8_to_16_bits,
)
from keras_medformers.support.errors import UnreadableImage

SOP_CLASSES = (
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
LATERALITY_CODES = {"L": "left", "R": "right"}

_HEADER_KEYWORDS = (
    *HEADER_KEYWORDS,
    "ImageLaterality",
    "Laterality",
    "PixelIntensityRelationship",
    "PixelIntensityRelationshipSign",
)

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
        UnreadableMammogram: If the file is not there, or its header is not that of a mammogram.
    """
    path = Path(path)
    if is_png(path):
        return MammogramHeader(*png_size(path, UnreadableMammogram), "")
    with tolerant_pydicom():
        file = DicomFile(
            path, _HEADER_KEYWORDS, UnreadableMammogram, stop_before_pixels=True
        )
        _refuse_unless_mammogram(file)
        return _header(file)


def read_mammogram(path: str | Path) -> Mammogram:
    """Reads one mammogram.

    Raises:
        UnreadableMammogram: If the file is not there, is not a mammogram, its air is
            bright, its look-up tables cannot be applied, or its pixels are damaged or
            need a decoder that is not installed.

    Reference:
        DICOM PS3.3 C.8.11.7 (Mammography Image module), C.11.1 (modality LUT), C.11.2 (VOI LUT),
        C.8.11.3.1.2 (PixelIntensityRelationship); PS3.4 N.2.
    """
    path = Path(path)
    if is_png(path):
        header, linearised = read_header(path), False
        grey = png_pixels(path, UnreadableMammogram)
    else:
        with tolerant_pydicom():
            file = DicomFile(
                path,
                _HEADER_KEYWORDS + PIXEL_KEYWORDS,
                UnreadableMammogram,
                stop_before_pixels=False,
            )
            _refuse_unless_mammogram(file)
            header, linearised = _header(file), _is_for_processing(file)
            stored = file.stored_values()
            level = (
                _attenuation(stored, file)
                if linearised
                else presentation_level(stored, file)
            )
            grey = grey_of(level, stored, file.padding_range())

    if _air_is_bright(grey):
        raise UnreadableMammogram(
            path,
            "its air is bright"
            if is_png(path)
            else "PhotometricInterpretation (0028,0004) is "
            f"{code(file.dataset.PhotometricInterpretation)}, by which its air would be bright",
        )

    return Mammogram(header.rows, header.columns, header.laterality, grey, linearised)


def study_and_series(path: str | Path) -> tuple[str, str]:
    """StudyInstanceUID and SeriesInstanceUID of a DICOM file, "" where missing.

    Raises:
        UnreadableMammogram: If the file is not there, or is no DICOM image.
    """
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns")
    with tolerant_pydicom():
        file = DicomFile(Path(path), keywords, UnreadableMammogram, True)
        return file.text("StudyInstanceUID"), file.text("SeriesInstanceUID")


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
    refuse_unless_8_to_16_bits(file)


def _header(file: DicomFile) -> MammogramHeader:
    side = file.text("ImageLaterality") or file.text("Laterality")
    return MammogramHeader(
        int(file.dataset.Rows),
        int(file.dataset.Columns),
        LATERALITY_CODES.get(side.upper(), ""),
    )


def _is_for_processing(file: DicomFile) -> bool:
    raw = DigitalMammographyXRayImageStorageForProcessing
    return intent_of(file, raw) == FOR_PROCESSING


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
