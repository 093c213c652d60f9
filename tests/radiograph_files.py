"""Writes small radiographs, DICOM and PNG, for tests."""

from pathlib import Path

import cv2
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

HEIGHT_PX, WIDTH_PX = 64, 48


def chest(spot: bool = False, height: int = HEIGHT_PX, width: int = WIDTH_PX):
    """Two dark fields in grey, with a bright spot if asked for; from 0 to 1."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lung = np.hypot((np.abs(x) - 0.42) / 0.33, y / 0.75) < 1
    level = np.where(lung, 0.25, 0.65) + 0.02 * np.sin(9 * x) * np.cos(11 * y)
    return np.where(spot & (np.hypot(x - 0.4, y - 0.1) < 0.25), 0.95, level)


def write_radiograph(
    path: Path,
    stored: np.ndarray,
    bits: int = 12,
    without: tuple[str, ...] = (),
    **elements: object,
) -> Path:
    """Writes one DX image "for presentation".

    Args:
        path: Where to.
        stored: Stored values, of any integer type.
        bits: BitsStored; BitsAllocated is 8 for 8, else 16.
        without: Keywords of elements to leave out.
        **elements: Further elements, or other values, by keyword.
    """
    dataset = Dataset()
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[path.stem, "study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[path.stem, "series"])
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PatientName, dataset.PatientID = "Secret^Name", "secret-id"
    dataset.ViewPosition = "PA"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    allocated = 8 if bits == 8 else 16
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (
        allocated,
        bits,
        bits - 1,
    )
    dataset.PixelRepresentation = 0
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    for keyword in without:
        delattr(dataset, keyword)
    kind = f"{'i' if dataset.PixelRepresentation else 'u'}{allocated // 8}"
    dataset.PixelData = stored.astype(f"<{kind}").tobytes()
    dataset["PixelData"].VR = "OW" if allocated == 16 else "OB"

    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_chest(path: Path, spot: bool = False, **elements: object) -> Path:
    """Writes a chest of 12 bits, as DX or as PNG by the path's name."""
    level = chest(spot)
    if path.suffix == ".png":
        return write_png(path, level)
    return write_radiograph(path, np.rint(level * 4095), **elements)


def write_png(path: Path, level: np.ndarray, bits: int = 16) -> Path:
    """Writes levels from 0 to 1 as a grey PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.rint(level * (2**bits - 1)).astype(f"u{bits // 8}")
    assert cv2.imwrite(str(path), values)
    return path


def voi_lut(descriptor: tuple[int, int, int], data: bytes) -> list[Dataset]:
    """A VOILUTSequence of one table."""
    table = Dataset()
    table.add_new("LUTDescriptor", "US", list(descriptor))
    table.add_new("LUTData", "OW", data)
    return [table]
