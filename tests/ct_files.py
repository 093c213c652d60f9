"""Writes small CT DICOM files with as few elements as RSNA's, for tests."""

import contextlib
from pathlib import Path

import numpy as np
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from data_prep.labels import HEMORRHAGE_LABELS


@contextlib.contextmanager
def _unchecked():
    """Lets RSNA's kind of UIDs be written."""
    settings = config.settings
    before = settings.reading_validation_mode, settings.writing_validation_mode
    settings.reading_validation_mode = settings.writing_validation_mode = config.IGNORE
    try:
        yield
    finally:
        settings.reading_validation_mode, settings.writing_validation_mode = before


@_unchecked()
def write_ct(
    path: Path,
    stored: np.ndarray,
    intercept: float | None = -1024,
    slope: float | None = 1,
    patient: str = "ID_0a",
    position_mm: float = 0.0,
    without: tuple[str, ...] = (),
    preamble: bool = True,
    **elements: object,
) -> Path:
    """Writes one slice.

    Args:
        path: Where to.
        stored: Stored values, uint16 (written as 12-bit unsigned) or int16 (16-bit signed).
        intercept: RescaleIntercept; None leaves it out.
        slope: RescaleSlope; None leaves it out.
        patient: PatientID; study and series are named after it.
        position_mm: Third coordinate of ImagePositionPatient.
        without: Keywords of elements to leave out.
        preamble: Whether to write the 128 bytes, "DICM" and file meta information.
        **elements: Further elements, or other values, by keyword.
    """
    signed = stored.dtype == np.int16
    dataset = Dataset()
    dataset.SOPInstanceUID = path.stem
    dataset.Modality = "CT"
    dataset.PatientID = patient
    dataset.StudyInstanceUID = patient.replace("ID_", "ID_1")
    dataset.SeriesInstanceUID = patient.replace("ID_", "ID_2")
    dataset.ImagePositionPatient = [-125.0, -125.0, position_mm]
    dataset.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16 if signed else 12
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(signed)
    if intercept is not None:
        dataset.RescaleIntercept = str(intercept)
    if slope is not None:
        dataset.RescaleSlope = str(slope)
    dataset.PixelData = stored.astype("<u2" if not signed else "<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    for keyword in without:
        del dataset[keyword]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not preamble:
        dataset.save_as(path, implicit_vr=False, little_endian=True)
        return path
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get(
        "SOPClassUID", CTImageStorage
    )
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_rsna(
    data_dir: Path, patients: int = 6, slices_per_patient: int = 4, size_px: int = 32
) -> Path:
    """Writes a small data set in RSNA's layout: noise, some slices with the 12-bit fault, made-up labels.

    The third patient of every four has the fault: intercept 0 and values of Hounsfield units modulo 4096.
    """
    generator = np.random.default_rng(0)
    rows = ["ID,Label"]
    for patient in range(patients):
        for place in range(slices_per_patient):
            source_id = f"ID_{patient:03x}{place:03x}"
            hu = generator.integers(-1000, 1000, (size_px, size_px))
            fault = patient % 4 == 2
            stored = (hu % 4096 if fault else hu + 1024).astype(np.uint16)
            write_ct(
                data_dir / "stage_2_train" / f"{source_id}.dcm",
                stored,
                intercept=0 if fault else -1024,
                patient=f"ID_{patient:03x}",
                position_mm=5.0 * (slices_per_patient - place),
            )
            values = dict.fromkeys(HEMORRHAGE_LABELS, 0)
            if patient % 2:
                values |= {"any": 1, HEMORRHAGE_LABELS[1 + place % 5]: 1}
            rows += [f"{source_id}_{label},{value}" for label, value in values.items()]
    (data_dir / "stage_2_train.csv").write_text("\n".join(rows) + "\n")
    return data_dir
