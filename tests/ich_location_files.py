"""Phantom slices in the layout of ich_location, for tests."""

import shutil
from pathlib import Path

import pydicom

from data_prep.labels import LOCATION_LABELS
from data_prep.phantoms import head_ct as phantom_head_ct

CLASSES = ("normal", *LOCATION_LABELS)


def make_phantoms(
    folder: Path, image_size_px: int, patients: int, seed: int = 3
) -> Path:
    """Phantoms with their truth."""
    config = phantom_head_ct.PhantomConfig(
        patients=patients,
        slices_per_series=4,
        image_size_px=image_size_px,
        seed=seed,
        with_truth=True,
    )
    phantom_head_ct.make(folder, config, workers=2)
    return folder


def lay_out(phantoms: Path, data_dir: Path) -> Path:
    """Copies phantom slices into patients' folders, these by turns into the class folders."""
    patients = {}
    for path in sorted((phantoms / "stage_2_train").iterdir()):
        patient = pydicom.dcmread(
            path, specific_tags=["PatientID"], stop_before_pixels=True
        ).PatientID
        patients.setdefault(patient, []).append(path)
    for index, (patient, paths) in enumerate(sorted(patients.items())):
        folder = data_dir / CLASSES[index % len(CLASSES)] / patient
        folder.mkdir(parents=True)
        for path in paths:
            shutil.copy(path, folder)
    return data_dir
