"""The reader of photographs: one picture file to upright RGB, or a reason why not.

It reads JPEG, PNG, BMP, TIFF, WebP and GIF, by content and not by name, with greyscale, palettes, CMYK,
transparency (dropped: the colours below stay), 16 bits (the upper eight stay, as in TensorFlow) and EXIF
orientation. It refuses files that are truncated or damaged as far as the format tells (JPEG has no checksums:
changed bytes inside its coded data can go unseen), pictures that move or have several pages, and pictures of
more than `PIL.Image.MAX_IMAGE_PIXELS` pixels.

`prepare_photograph` gives what records hold: the file's own JPEG or PNG coding wherever TensorFlow's decoders
show what `read_photograph` gives, else a PNG of it.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.modalities.photograph.picture_bytes import (
    HUFFMAN_DCT_SOFS,
    DamagedPicture,
    jpeg_frame_type,
    stripped_jpeg,
    stripped_png,
)
from data_prep.modalities.reader import JPEG, PNG
from keras_medformers.support.errors import UnreadableImage

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
JPEG_FORMATS = ("JPEG", "MPO")
"""MPO is JPEG with further pictures behind the first; cameras write it."""

SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
REFUSED_MODES = ("I", "F")
"""32 bits; but `I` with a PNG file is 16 bits to Pillow before version 11."""

ORIENTATION = 0x0112
UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientations other than upright, and what puts such a picture upright."""

_LONGEST_DETAIL = 160


class UnreadablePhotograph(UnreadableImage):
    """A file is not a usable picture."""


@dataclass(frozen=True)
class PreparedPhotograph:
    """A picture as records hold it.

    Attributes:
        rgb: The picture, upright, uint8 of shape `(height, width, 3)`.
        encoded: A JPEG or PNG file without metadata that could identify.
        image_format: `JPEG` or `PNG`.
        height: Height in pixels, upright.
        width: Width in pixels, upright.
        reencoded: Whether the file is a PNG made here in place of the original coding.
        metadata_dropped: Whether something was left out of the original file.
    """

    rgb: np.ndarray
    encoded: bytes
    image_format: str
    height: int
    width: int
    reencoded: bool
    metadata_dropped: bool


def check_photograph(path: str | Path) -> None:
    """Looks at a file's beginning, without decoding it.

    Raises:
        UnreadablePhotograph: If the file is not there, is empty or is no picture of a known format.
    """
    path = Path(path)
    with _damage_as_reason(path), path.open("rb") as file:
        _open(path, file)


def read_photograph(path: str | Path) -> np.ndarray:
    """Reads a picture, upright.

    Returns:
        RGB, uint8 of shape `(height, width, 3)`.

    Raises:
        UnreadablePhotograph: If the file is not there, is no picture, or is damaged.
    """
    path = Path(path)
    with _damage_as_reason(path):
        rgb, _, _ = _decode(path, path.read_bytes())
        return np.asarray(rgb)


def prepare_photograph(path: str | Path) -> PreparedPhotograph:
    """Reads a picture and gives the file that records hold; decodes it to see that it is whole.

    Raises:
        UnreadablePhotograph: If the file is not there, is no picture, or is damaged.
    """
    path = Path(path)
    with _damage_as_reason(path):
        data = path.read_bytes()
        rgb, stripped, image_format = _decode(path, data)
        encoded = stripped or _to_png(rgb)
    return PreparedPhotograph(
        rgb=np.asarray(rgb),
        encoded=encoded,
        image_format=image_format if stripped else PNG,
        height=rgb.height,
        width=rgb.width,
        reencoded=not stripped,
        metadata_dropped=bool(stripped) and len(stripped) < len(data),
    )


def _decode(path: Path, data: bytes) -> tuple[Image.Image, bytes, str]:
    """Decodes a file.

    Returns:
        The picture; the file without metadata, or b"" where TensorFlow would not show the picture from it;
        and the format.
    """
    image = _open(path, io.BytesIO(data))
    if image.format in JPEG_FORMATS:
        image_format, stripped = JPEG, stripped_jpeg(data)
        is_common = (
            image.mode in ("L", "RGB") and jpeg_frame_type(stripped) in HUFFMAN_DCT_SOFS
        )
    elif image.format == "PNG":
        image_format, stripped, is_common = PNG, stripped_png(data), True
    else:
        image_format, stripped, is_common = PNG, b"", False

    # Orientation is in the metadata: a file that had none is upright.
    if is_common and (len(stripped) == len(data) or _turn(image) is None):
        return _to_rgb(path, _open(path, io.BytesIO(stripped))), stripped, image_format

    rgb = _to_rgb(path, image)
    # Asked after decoding, which itself puts TIFF upright.
    turn = _turn(image)
    return rgb if turn is None else rgb.transpose(turn), b"", image_format


def _open(path: Path, file: io.BufferedIOBase) -> Image.Image:
    if not file.read(1):
        raise UnreadablePhotograph(path, "is empty (0 bytes)")

    file.seek(0)
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        raise UnreadablePhotograph(
            path, f"is no picture, expected one of {', '.join(FORMATS)}"
        ) from error

    if image.format not in JPEG_FORMATS and getattr(image, "n_frames", 1) > 1:
        raise UnreadablePhotograph(
            path, f"has {image.n_frames} frames or pages, expected one picture"
        )

    return image


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What puts the picture upright, None where it is."""
    try:
        return UPRIGHT_BY.get(image.getexif().get(ORIENTATION))
    except Exception:
        # EXIF that cannot be read says nothing.
        return None


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    image.load()
    if image.mode in SIXTEEN_BIT_MODES or (image.mode == "I" and image.format == "PNG"):
        image = Image.fromarray(
            (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        )
    if image.mode in REFUSED_MODES:
        raise UnreadablePhotograph(
            path, f"has pixels of mode {image.mode}, expected 8 or 16 bits each"
        )
    return image.convert("RGB")


def _to_png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return stripped_png(file.getvalue())


@contextlib.contextmanager
def _damage_as_reason(path: Path) -> Iterator[None]:
    """Turns what reading raises into reasons, and silences warnings of what is read all the same."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UnreadablePhotograph:
        raise
    except DamagedPicture as error:
        raise UnreadablePhotograph(path, str(error)) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadablePhotograph(
            path,
            f"has more than {Image.MAX_IMAGE_PIXELS} pixels, expected a photograph",
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UnreadablePhotograph(
                path, f"cannot be opened: {error.strerror}"
            ) from error
        detail = " ".join(str(error).split())[:_LONGEST_DETAIL]
        raise UnreadablePhotograph(
            path, f"is damaged ({detail or type(error).__name__})"
        ) from error
