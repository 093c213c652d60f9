"""The reader of radiographs: one DICOM or PNG file to grey values as shown, or a reason why not.

It accepts single-frame CR and DX images "for presentation", and secondary captures of these
modalities, of 8 to 16 bits, in any transfer syntax that pydicom's installed decoders know; and
PNG files with one channel. Anything else (other modalities, images "for processing", colour,
damage) is refused. Reasons name the tag and the rule, never a patient's identifiers.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
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
from keras_medformers.modalities import RADIOGRAPH
from keras_medformers.support.errors import UnreadableImage

SOP_CLASSES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
_NAMES = (
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "ViewPosition",
)  # fmt: skip


class UnreadableRadiograph(UnreadableImage):
    """A file is not a usable radiograph; its reason names the tag and the rule that it breaks."""


@dataclass(frozen=True)
class RadiographHeader:
    """What a file says of its radiograph, without pixels.

    Attributes:
        rows: Height in pixels.
        columns: Width in pixels.
        patient_id: "" where the file does not say, as with the next three.
        study_id: StudyInstanceUID.
        series_id: SeriesInstanceUID.
        view: ViewPosition, such as "PA".
    """

    rows: int
    columns: int
    patient_id: str = ""
    study_id: str = ""
    series_id: str = ""
    view: str = ""


@dataclass(frozen=True)
class Radiograph:
    """A radiograph.

    Attributes:
        header: What its file says.
        grey: uint16 of shape `(rows, columns)`: 0 for black as shown, 65,535 for white.
    """

    header: RadiographHeader
    grey: np.ndarray


def read_header(path: str | Path) -> RadiographHeader:
    """Reads what is known of a radiograph without decoding it.

    Raises:
        UnreadableRadiograph: If the file is not there, or its header is not that of a
            radiograph.
    """
    path = Path(path)
    if is_png(path):
        return RadiographHeader(*png_size(path, UnreadableRadiograph))
    with tolerant_pydicom():
        return _header(_open(path, HEADER_KEYWORDS + _NAMES, stop_before_pixels=True))


def read_radiograph(path: str | Path) -> Radiograph:
    """Reads one radiograph.

    Raises:
        UnreadableRadiograph: If the file is not there, is not a radiograph, its look-up tables
            cannot be applied, or its pixels are damaged or need a decoder that is not
            installed.

    Reference:
        DICOM PS3.3 A.2 (CR), A.26 (DX), C.11.1 (modality LUT), C.11.2 (VOI LUT); PS3.4 N.2.
    """
    path = Path(path)
    if is_png(path):
        header = RadiographHeader(*png_size(path, UnreadableRadiograph))
        return Radiograph(header, png_pixels(path, UnreadableRadiograph))

    keywords = HEADER_KEYWORDS + _NAMES + PIXEL_KEYWORDS
    with tolerant_pydicom():
        file = _open(path, keywords, stop_before_pixels=False)
        stored = file.stored_values()
        level = presentation_level(stored, file)
        grey = grey_of(level, stored, file.padding_range())
        return Radiograph(_header(file), grey)


def _open(path: Path, keywords: tuple[str, ...], stop_before_pixels: bool) -> DicomFile:
    """Opens a file, and refuses what is no radiograph for presentation."""
    file = DicomFile(path, keywords, UnreadableRadiograph, stop_before_pixels)
    modality = file.text("Modality")
    sop_class = UID(
        file.text("SOPClassUID")
        or file.dataset.file_meta.get("MediaStorageSOPClassUID", "")
    )

    of_radiographs = RADIOGRAPH.dicom_modalities
    if modality not in ("", *of_radiographs) or (
        modality == "" and sop_class not in SOP_CLASSES[:2]
    ):
        file.refuse(
            f"Modality (0008,0060) is {code(modality) or 'missing'}, expected "
            f"{' or '.join(of_radiographs)}"
        )
    if sop_class not in ("", *SOP_CLASSES):
        file.refuse(
            f"SOPClassUID (0008,0016) is {code(sop_class.name)}, expected Digital X-Ray or "
            "Computed Radiography Image Storage"
        )
    if intent_of(file, DigitalXRayImageStorageForProcessing) == FOR_PROCESSING:
        file.refuse(
            "PresentationIntentType (0008,0068) is FOR PROCESSING, expected FOR PRESENTATION: "
            "these are the detector's values, not a picture"
        )
    file.refuse_unless_one_grey_frame()
    refuse_unless_8_to_16_bits(file)
    return file


def _header(file: DicomFile) -> RadiographHeader:
    return RadiographHeader(
        int(file.dataset.Rows),
        int(file.dataset.Columns),
        *(file.text(keyword) for keyword in _NAMES),
    )
