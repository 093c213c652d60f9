"""A study of head CT as a hospital's archive holds one: valid identifiers, and a patient's name."""

from pathlib import Path

import numpy as np
import pydicom
from ct_files import write_ct
from pydicom.uid import CTImageStorage, generate_uid

PATIENT = {
    "PatientID": "4711-secret",
    "PatientName": "Secret^Patient",
    "PatientBirthDate": "19400229",
    "PatientSex": "F",
    "AccessionNumber": "A-secret",
    "StudyDate": "20240131",
    "StudyTime": "093000",
    "StudyID": "S-secret",
    "ReferringPhysicianName": "Doctor^Secret",
}
"""What must not show up in messages and tables."""


def write_study(
    folder: Path, slices: int = 3, size_px: int = 64, seed: int = 0, **elements
) -> list[Path]:
    """Writes slices of one series, from the lowest to the highest; `elements` are as those of `write_ct`."""
    generator = np.random.default_rng(seed)
    study_uid, series_uid, frame_uid = (
        generate_uid(entropy_srcs=[str(seed), name]) for name in "abc"
    )
    paths = []
    for number in range(slices):
        y, x = np.mgrid[-1 : 1 : size_px * 1j, -1 : 1 : size_px * 1j]
        hu = np.where(np.hypot(x, y) < 0.8, 40, -1000) + generator.integers(
            -5, 5, (size_px, size_px)
        )
        values = {
            **PATIENT,
            "SOPClassUID": CTImageStorage,
            "SOPInstanceUID": generate_uid(entropy_srcs=[str(seed), str(number)]),
            "StudyInstanceUID": study_uid,
            "SeriesInstanceUID": series_uid,
            "FrameOfReferenceUID": frame_uid,
            "SeriesNumber": 2,
            "InstanceNumber": number + 1,
            "PixelSpacing": [0.5, 0.5],
            "SpecificCharacterSet": "ISO_IR 100",
        }
        path = write_ct(
            folder / f"{seed}_{number}.dcm",
            (hu + 1024).astype(np.uint16),
            position_mm=5.0 * number,
            **{**values, **elements},
        )
        dataset = pydicom.dcmread(path)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(path)
        paths.append(path)
    return paths
