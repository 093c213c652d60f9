"""What kinds of images differ in on their way into records: how a file is looked at and how it is encoded."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data_prep.records.build_config import BuildConfig


class Header(NamedTuple):
    """What a file says of its place among others; "", NaN and 0 where it does not say."""

    patient_id: str = ""
    study_id: str = ""
    series_id: str = ""
    position_mm: float = float("nan")
    height: int = 0
    width: int = 0


class EncodedImage(NamedTuple):
    """An image as records hold it; fields as in `schema.ImageRecord`.

    Attributes:
        corrections: What was repaired, of the modality's `corrections`.
        boxes: See `schema.ImageRecord`.
    """

    encoded: bytes
    image_format: str
    height: int
    width: int
    channels: int
    corrections: tuple[str, ...] = ()
    boxes: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True)
class Modality:
    """A kind of images.

    Attributes:
        name: That of its `keras_medformers.modalities.Modality`.
        noun: What one image is called in messages.
        group_noun: What a patient is called in messages.
        image_format: From the build's settings, `DatasetInfo.image_format`.
        image_shape: From the build's settings, the height and width of every record; None where they differ.
        windows: `DatasetInfo.windows`.
        corrections: Kinds of repair that are counted, with the words for them in the summary.
        read_header: Looks at a file without decoding it; raises `errors.UnreadableImage`.
        encode: Reads and encodes a file by the build's settings, and where the data set has parts, by the
            `region` of one; raises `errors.UnreadableImage`. Both are functions of a module, as they are sent
            to other processes by name.
        nouns_of_parts: What several records are called where they are parts of images.
    """

    name: str
    noun: str
    group_noun: str
    image_format: Callable[[BuildConfig], str]
    image_shape: Callable[[BuildConfig], tuple[int | None, int | None]]
    windows: dict[str, list[int]]
    corrections: dict[str, str]
    read_header: Callable[[Path], Header]
    encode: Callable[..., EncodedImage]
    nouns_of_parts: str = ""
