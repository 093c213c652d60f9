"""Heat maps over slices as DICOM secondary captures, which any viewer shows beside the study.

One picture per slice: the slice in grey with the heat of one label over it, and burnt into a band below it
the label, its probability, the model and NOT FOR CLINICAL USE. Like a report, it carries the patient's
identity over from the slice; none of it is burnt in. Needs the package highdicom.

Reference:
    DICOM PS3.3 A.8.1 (Secondary Capture Image), C.7.6.1.1.2 and C.8.6.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian

from data_prep.modalities.head_ct.dicom import read_slice
from keras_medformers.explain import overlay, place_on_picture
from keras_medformers.modalities import HEAD_CT
from keras_medformers.support.errors import UserError
from training.predict.dicom_objects import (
    NOT_FOR_CLINICAL_USE,
    allowed_by_dicom,
    equipment,
    import_highdicom,
    save,
)
from training.predict.findings import SliceResult, StudyResult
from training.predict.source_headers import read_headers

CAPTURE_SERIES_NUMBER = 9802

BAND_ROW_PX = 18
SHORTEST_WIDTH_PX = 384
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
WARNING_COLOUR, TEXT_COLOUR = (255, 80, 80), (255, 255, 255)


def hounsfield_units(path: Path) -> np.ndarray:
    """The raw pixels of a CT slice, `(height, width, 1)`."""
    return read_slice(path).hu[..., np.newaxis]


def write_secondary_captures(
    study: StudyResult,
    folder: str | Path,
    *,
    model_name: str,
    model_version: str,
    label: str | None = None,
    read_pixels: Callable[[Path], np.ndarray] = hounsfield_units,
    to_picture: Callable[[np.ndarray], np.ndarray] = HEAD_CT.to_picture,
    crop_fraction: float | None = None,
) -> list[Path]:
    """Writes one series with a picture for each slice that has heat maps.

    Args:
        study: Findings; patient, study and identifiers are read from the slices' files.
        folder: Where to; made if absent.
        model_name: The model's name.
        model_version: Version of its export.
        label: Whose heat is shown; by default the one with the highest probability in the slice.
        read_pixels: Reads the raw pixels of a file.
        to_picture: See `Modality.to_picture`.
        crop_fraction: As that of `keras_medformers.explain.place_on_picture`.

    Returns:
        The files, in the order of the slices.

    Raises:
        UserError: If highdicom is not installed, or a slice's file is not fit to be referred to, as RSNA's
            public files are not.
    """
    folder = Path(folder)
    shown = [result for result in study.slices if result.heat_maps]
    paths = [
        folder / f"capture_{number:05d}.dcm" for number in range(1, len(shown) + 1)
    ]
    headers = read_headers([result.path for result in shown])
    highdicom = import_highdicom()
    series_uid = highdicom.UID()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    for number, (path, result, header) in enumerate(
        zip(paths, shown, headers, strict=True), start=1
    ):
        name, probability, heat = _shown(result, label)
        picture = to_picture(read_pixels(result.path))
        lines = (
            f"{name} {100 * probability:.1f}%",
            f"{model_name}, version {model_version}",
        )
        pixels = with_band(coloured(picture, heat, crop_fraction), lines)
        with allowed_by_dicom(path):
            capture = _capture(
                highdicom, header, pixels, series_uid, number, model_name, model_version
            )
            capture.DerivationDescription = (
                f"Heat map of {name} over the slice, and a band of text"
            )
            save(capture, path)

    return paths


def coloured(
    picture: np.ndarray, heat: np.ndarray, crop_fraction: float | None
) -> np.ndarray:
    """A picture with its heat map over it, uint8 `(height, width, 3)`."""
    return overlay(picture, place_on_picture(heat, *picture.shape[:2], crop_fraction))


def with_band(picture: np.ndarray, lines: tuple[str, ...]) -> np.ndarray:
    """A picture, made larger where it is small, over a black band with `NOT_FOR_CLINICAL_USE` and `lines`."""
    times = -(-SHORTEST_WIDTH_PX // picture.shape[1])
    if times > 1:
        picture = np.kron(picture, np.ones((times, times, 1), np.uint8))
    rows = (NOT_FOR_CLINICAL_USE, *lines)
    band = np.zeros(
        (BAND_ROW_PX * len(rows) + BAND_ROW_PX // 3, picture.shape[1], 3), np.uint8
    )
    for number, text in enumerate(rows):
        colour = TEXT_COLOUR if number else WARNING_COLOUR
        place = (6, BAND_ROW_PX * (number + 1) - 3)
        cv2.putText(band, text, place, FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)
    return np.concatenate([picture, band])


def _shown(result: SliceResult, label: str | None) -> tuple[str, float, np.ndarray]:
    """The label to show of a slice, its probability and its heat map."""
    found = [
        (name, probability, result.heat_maps[output][index])
        for output, of_output in result.probabilities.items()
        for index, (name, probability) in enumerate(of_output.items())
        if label in (None, name)
    ]
    if not found:
        known = ", ".join(
            name for of_output in result.probabilities.values() for name in of_output
        )
        raise UserError(f"the model has no label {label}; it has {known}")
    return max(found, key=lambda one: one[1])


def _capture(
    highdicom,
    header: pydicom.Dataset,
    pixels: np.ndarray,
    series_uid: str,
    number: int,
    model_name: str,
    model_version: str,
) -> pydicom.Dataset:
    orientation = _orientation(header)
    capture = highdicom.sc.SCImage.from_ref_dataset(
        header,
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=orientation or ("L", "P"),
        series_instance_uid=series_uid,
        series_number=CAPTURE_SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=number,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **equipment(model_name, model_version),
    )
    if orientation is None:
        capture.PatientOrientation = None
    source = pydicom.Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = (
        header.SOPClassUID,
        header.SOPInstanceUID,
    )
    capture.SourceImageSequence = [source]
    capture.BurnedInAnnotation = "NO"

    return capture


def _orientation(header: pydicom.Dataset) -> tuple[str, str] | None:
    """Where in the patient a row and a column lead, roughly (PS3.3 C.7.6.1.1.1); None if unknown."""
    if letters := header.get("PatientOrientation"):
        return letters[0][0], letters[1][0]
    if not header.get("ImageOrientationPatient"):
        return None
    row, column = np.asarray(header.ImageOrientationPatient, float).reshape(2, 3)
    return _nearest_axis(row), _nearest_axis(column)


def _nearest_axis(direction: np.ndarray) -> str:
    axis = int(np.argmax(np.abs(direction)))
    return (("L", "R"), ("P", "A"), ("H", "F"))[axis][int(direction[axis] < 0)]
