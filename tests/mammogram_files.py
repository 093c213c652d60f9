"""Writes small mammograms, DICOM and PNG, and manifests, for tests."""

import csv
from pathlib import Path

import cv2
import gdcm
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

JPEG_LOSSLESS = gdcm.TransferSyntax.JPEGLosslessProcess14_1
JPEG_2000 = gdcm.TransferSyntax.JPEG2000Lossless

HEIGHT_PX, WIDTH_PX = 104, 80
"""Of `breast` by default: a patch of such images has 16 pixels a side."""


def breast(
    side: str = "left",
    height: int = HEIGHT_PX,
    width: int = WIDTH_PX,
    level: float = 0.5,
    letters: bool = True,
) -> np.ndarray:
    """A half ellipse of tissue at an edge, with a texture, and letters in the far corner; from 0 to 1."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    inside = (x / (0.6 * width)) ** 2 + ((y - height / 2) / (0.4 * height)) ** 2 < 1
    image = inside * (level + 0.1 * np.sin(x / 3) * np.cos(y / 4))
    if letters:
        canvas = np.zeros((height, width), np.uint8)
        cv2.putText(
            canvas,
            "L",
            (round(0.85 * width), round(0.12 * height)),
            0,
            height / 300,
            255,
            1,
        )
        image = np.maximum(image, canvas / 255)
    return image if side == "left" else np.ascontiguousarray(image[:, ::-1])


def write_mammogram(
    path: Path,
    stored: np.ndarray,
    bits: int = 12,
    without: tuple[str, ...] = (),
    **elements: object,
) -> Path:
    """Writes one DICOM mammogram "for presentation".

    Args:
        path: Where to.
        stored: Stored values, of any integer type.
        bits: BitsStored; BitsAllocated is 8 for 8, else 16.
        without: Keywords of elements to leave out.
        **elements: Further elements, or other values, by keyword.
    """
    dataset = Dataset()
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PatientName, dataset.PatientID = "Secret^Name", "secret-id"
    dataset.ImageLaterality = "L"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i" and stored.min() < 0)
    dataset.PixelData = stored.astype(
        "<u1" if bits == 8 else "<i2" if stored.min() < 0 else "<u2"
    ).tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    for keyword in without:
        del dataset[keyword]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = (
        DigitalMammographyXRayImageStorageForPresentation
    )
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def voi_table(values: np.ndarray, first: int, bits: int) -> list[Dataset]:
    """A VOILUTSequence."""
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = np.asarray(values, "<u2").tobytes()
    item["LUTData"].VR = "OW"
    return [item]


def compress(path: Path, target: Path, syntax: int) -> Path:
    """Rewrites a DICOM file in another transfer syntax, as archives do."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return target


def write_png(path: Path, level: np.ndarray) -> Path:
    """Writes levels from 0 to 1 as 16-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.rint(level * 65535).astype(np.uint16))
    return path


def write_manifest(path: Path, rows: list[dict]) -> Path:
    """Writes rows; the columns are those of the first."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def manifest_row(
    file: str, patient: str, label: str = "non_malignant", **columns: object
) -> dict:
    """A row with all columns, as text."""
    row = {
        "file": file,
        "patient": patient,
        "exam": "1",
        "view": "LCC",
        "label": label,
        "finding_type": "",
    }
    row |= {
        "box_x": "",
        "box_y": "",
        "box_width": "",
        "box_height": "",
        "finding_label": "",
    }
    return (
        row
        | {"laterality": "", "split": ""}
        | {name: str(value) for name, value in columns.items()}
    )


def with_box(x: int, y: int, width: int, height: int) -> dict:
    """The columns of a box."""
    return {"box_x": x, "box_y": y, "box_width": width, "box_height": height}
