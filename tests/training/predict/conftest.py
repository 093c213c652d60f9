"""Slices to classify."""

import cv2
import numpy as np
import pytest
from ct_files import write_ct

SIZE_PX = 48


def head_hu(seed, size_px=SIZE_PX):
    """A noisy head in air, with a bright spot somewhere, and a table of metal under it."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size_px * 1j, -1 : 1 : size_px * 1j]
    hu = np.where(np.hypot(x, y) < 0.7, 35, -1000) + generator.integers(-5, 5, x.shape)
    spot = generator.uniform(-0.4, 0.4, 2)
    hu[np.hypot(x - spot[0], y - spot[1]) < 0.2] = 75
    hu[-size_px // 7 : -size_px // 10] = 1500
    return hu.astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    """Two studies of three slices each, with identifiers that must not get out, and two other files."""
    folder = tmp_path / "files"
    for patient in range(2):
        for place in range(3):
            number = 3 * patient + place
            write_ct(
                folder / f"{number}.dcm",
                (head_hu(number, SIZE_PX + 16 * patient) + 1024).astype(np.uint16),
                patient=f"ID_secret{patient}",
                position_mm=-5.0 * place,
                PatientName="Secret^Patient",
            )
    (folder / "letter.txt").write_text("not a slice")
    write_ct(
        folder / "scout.dcm",
        np.zeros((8, 8), np.uint16),
        Modality="MR",
        patient="ID_secret0",
    )
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A folder of four pictures of several sizes, and a broken one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number, shape in enumerate(
        [(40, 60, 3), (50, 50, 3), (40, 60, 3), (70, 30, 3)]
    ):
        cv2.imwrite(
            str(folder / f"{number}.png"),
            generator.integers(0, 256, shape).astype(np.uint8),
        )
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return folder
