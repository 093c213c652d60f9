"""What readers of DICOM files share: parsing, single values and stored pixels, with reasons for refusal."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pydicom
from pydicom import config as pydicom_config
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from keras_medformers.support.errors import UnreadableImage

_LONGEST_CODE = 40
_LONGEST_DETAIL = 160


@contextlib.contextmanager
def tolerant_pydicom() -> Iterator[None]:
    """Keeps pydicom from complaining of harmless values against the standard, such as RSNA's UIDs."""
    before = pydicom_config.settings.reading_validation_mode
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        pydicom_config.settings.reading_validation_mode = before


class DicomFile:
    """Some elements of one DICOM image.

    Args:
        path: The file.
        keywords: The elements to read.
        error: What is raised of the file; its reasons hold no identifier.
        stop_before_pixels: Whether to leave the pixels on disk.

    Raises:
        error: If the file cannot be opened, or is no DICOM image.
    """

    def __init__(
        self,
        path: Path,
        keywords: tuple[str, ...],
        error: type[UnreadableImage],
        stop_before_pixels: bool,
    ):
        self.path = path
        self._error = error
        options = {
            "specific_tags": list(keywords),
            "stop_before_pixels": stop_before_pixels,
        }

        try:
            try:
                self.dataset = pydicom.dcmread(path, **options)
            except InvalidDicomError:
                self.dataset = pydicom.dcmread(path, force=True, **options)
        except OSError as failure:
            self.refuse(
                f"cannot be opened: {failure.strerror or type(failure).__name__}",
                failure,
            )
        except Exception as failure:
            self.refuse(
                f"is not DICOM, or is damaged ({type(failure).__name__} while parsing)",
                failure,
            )

        if "Rows" not in self.dataset or "Columns" not in self.dataset:
            self.refuse(
                "is not a DICOM image: Rows (0028,0010) and Columns (0028,0011) are missing"
            )

        if "TransferSyntaxUID" not in self.dataset.file_meta:
            self.dataset.file_meta.TransferSyntaxUID = _native_syntax(
                *self.dataset.original_encoding
            )

    def refuse(self, reason: str, cause: Exception | None = None) -> NoReturn:
        """Raises the file's error."""
        raise self._error(self.path, reason) from cause

    def refuse_unless_one_grey_frame(self) -> None:
        """Refuses colour, and files of several frames."""
        frames = self.text("NumberOfFrames") or "1"
        if frames != "1":
            self.refuse(
                f"NumberOfFrames (0028,0008) is {code(frames)}, expected a single frame"
            )
        samples = self.text("SamplesPerPixel") or "1"
        photometric = self.text("PhotometricInterpretation")
        if samples != "1" or photometric not in ("MONOCHROME1", "MONOCHROME2"):
            self.refuse(
                f"PhotometricInterpretation (0028,0004) is {code(photometric) or 'missing'} with "
                f"{code(samples)} samples per pixel, expected MONOCHROME2 or MONOCHROME1 with 1"
            )

    def named(self, keyword: str) -> str:
        """An element's keyword with its tag."""
        tag = f"{tag_for_keyword(keyword):08X}"
        return f"{keyword} ({tag[:4]},{tag[4:]})"

    def text(self, keyword: str) -> str:
        """An element's value as text, several values joined by backslashes, "" where missing."""
        try:
            value = self.dataset.get(keyword)
            if value is None:
                return ""
            if isinstance(value, str | int | float):
                return str(value).strip()
            return "\\".join(str(part) for part in value)
        except Exception as failure:
            self.refuse(f"{keyword} cannot be read ({type(failure).__name__})", failure)

    def number(
        self, keyword: str, default: float | None = None, without: str = ""
    ) -> float:
        """A finite number from an element with a single value.

        Args:
            keyword: The element.
            default: Its value where it is missing or empty.
            without: What cannot be done without it where there is no default.
        """
        try:
            value = self.dataset.get(keyword)
            number = default if value is None or value == "" else float(value)
        except Exception as failure:
            self.refuse(f"{self.named(keyword)} is not a number", failure)
        if number is None:
            self.refuse(f"{self.named(keyword)} is missing: {without}")
        if not np.isfinite(number):
            self.refuse(f"{self.named(keyword)} is not finite")
        return number

    def padding_range(self) -> tuple[int, int] | None:
        """Lowest and highest stored value that mean "outside the image" (PS3.3 C.7.5.1.1.2), or None."""
        dataset = self.dataset
        try:
            values = [int(dataset.PixelPaddingValue)]
            if dataset.get("PixelPaddingRangeLimit") is not None:
                values.append(int(dataset.PixelPaddingRangeLimit))
        except Exception:
            return None
        if dataset.get("PixelRepresentation") == 1:
            # Written as unsigned by some scanners although the pixels are signed.
            values = [value - 65536 if value > 32767 else value for value in values]
        return min(values), max(values)

    def stored_values(self) -> np.ndarray:
        """The pixels as they are stored, of shape `(rows, columns)`."""
        if "PixelData" not in self.dataset:
            self.refuse("PixelData (7FE0,0010) is missing")
        try:
            stored = self.dataset.pixel_array
        except Exception as failure:
            detail = code(" ".join(str(failure).split()), _LONGEST_DETAIL)
            self.refuse(f"PixelData (7FE0,0010) cannot be decoded: {detail}", failure)
        expected = (int(self.dataset.Rows), int(self.dataset.Columns))
        if stored.shape != expected:
            self.refuse(
                f"PixelData (7FE0,0010) has shape {stored.shape}, the header says {expected}"
            )
        return stored


def code(value: object, longest: int = _LONGEST_CODE) -> str:
    """A coded value shortened for a message."""
    return str(value)[:longest]


def _native_syntax(is_implicit: bool, is_little_endian: bool) -> UID:
    """The transfer syntax of a file without meta information, by how its elements parsed (PS3.5 A)."""
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian
