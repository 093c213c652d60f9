"""How files of a modality are read: its settings, and the one reader of records and answers."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from keras_medformers.modalities import Modality
from keras_medformers.support.errors import UnreadableImage, UserError

JPEG, PNG = "jpeg", "png"
"""Image formats of records of modalities that are files: the file as it is."""


class Header(NamedTuple):
    """What a file says of its place among others; "", NaN and 0 where it does not say."""

    patient_id: str = ""
    study_id: str = ""
    series_id: str = ""
    position_mm: float = float("nan")
    height: int = 0
    width: int = 0


class Place(NamedTuple):
    """Where an image belongs, by identifiers that stay in memory; "" and NaN if not known."""

    study_id: str = ""
    series_id: str = ""
    position_mm: float = float("nan")


class Image(NamedTuple):
    """What a file holds.

    Attributes:
        pixels: Raw pixels `(height, width, channels)`, as the modality has them.
        corrections: What was repaired, of the reader's `corrections`.
        columns: What tables of answers say of it.
        place: Where it belongs.
        boxes: See `schema.ImageRecord`.
        file: For modalities that are files: the JPEG or PNG file that records hold, and its
            image format.
    """

    pixels: np.ndarray
    corrections: tuple[str, ...] = ()
    columns: Mapping[str, Any] = {}
    place: Place = Place()
    boxes: tuple[tuple[int, int, int, int], ...] = ()
    file: tuple[bytes, str] | None = None


class Flag(NamedTuple):
    """An option of the command line that sets one of a modality's settings.

    Attributes:
        setting: Name of the setting.
        option: The option, such as `--image-size`.
        help: What it does.
        arguments: What `ArgumentParser.add_argument` takes beside.
        least: Smallest number; None for what is no number.
    """

    setting: str
    option: str
    help: str
    arguments: Mapping[str, Any]
    least: int | None = None


SMALLEST_IMAGE_PX = 8
COMPRESSION = Flag(
    "compression",
    "--no-compression",
    "larger records that decode faster",
    {"action": "store_const", "const": False},
)


@dataclass(frozen=True)
class Settings:
    """How files of a modality are read; each modality has fields of its own.

    Attributes:
        FLAGS: The options that set them.
        OF_ANSWERS: Names of the settings that decide what of a file a model sees, so that
            they go into its model card.
        NEEDED: By the name of a setting that cannot be guessed where nothing says it, what
            is not known without it.
    """

    FLAGS: ClassVar[tuple[Flag, ...]] = ()
    OF_ANSWERS: ClassVar[tuple[str, ...]] = ()
    NEEDED: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def completed(
        cls, given: Mapping[str, Any], of_dataset: Mapping[str, Any]
    ) -> "Settings":
        """Settings of a build: what was asked for, else the data set's, else the modality's.

        Args:
            given: By name.
            of_dataset: By name.

        Raises:
            UserError: If a value is not known.
        """
        return cls(**{**of_dataset, **given})

    def in_folder(self, data_dir: Path, of_folder: Mapping[str, Any]) -> "Settings":
        """The same, filled in with what the data folder decides.

        Args:
            data_dir: The data folder, for messages.
            of_folder: What the data set reads from it, by name.

        Raises:
            UserError: If the settings do not fit the data.
        """
        return replace(self, **of_folder)

    def to_json(self) -> dict[str, Any]:
        """All of them, for `dataset_info.json`."""
        return asdict(self)

    def of_answers(self) -> dict[str, Any]:
        """Those of `OF_ANSWERS`, for a model card."""
        return {name: getattr(self, name) for name in self.OF_ANSWERS}

    @classmethod
    def from_answers(cls, values: Mapping[str, Any]) -> "Settings":
        """Those of `OF_ANSWERS` among `values`; None stands for the modality's own."""
        known = {name: values.get(name) for name in cls.OF_ANSWERS}
        return cls(
            **{name: value for name, value in known.items() if value is not None}
        )

    @classmethod
    def names(cls) -> list[str]:
        """Names of the settings."""
        return [field.name for field in fields(cls)]


@dataclass(frozen=True)
class Reader:
    """How files of a modality are read.

    Attributes:
        modality: What they are.
        words: What they are called in lists of kinds, such as "CT".
        settings: The class of their settings.
        image_shape: From the settings, the height and width of every record; None where they
            differ.
        corrections: Kinds of repair that are counted, with the words for them in the summary.
        read_header: Looks at a file without decoding it; raises `unreadable`.
        read_place: Reads only where a file belongs; raises `unreadable`.
        read: Reads a file by the settings, and where the data set has parts, by the `region`
            of one; raises `unreadable`. All are functions of a module, as they are sent to
            other processes by name.
        unreadable: What is raised of files that cannot be used.
        windows: `DatasetInfo.windows`.
        nouns_of_parts: What several records are called where they are parts of images.
    """

    modality: Modality
    words: str
    settings: type[Settings]
    image_shape: Callable[[Any], tuple[int | None, int | None]]
    read_header: Callable[[Path], Header]
    read_place: Callable[[Path], Place]
    read: Callable[..., Image]
    unreadable: type[UnreadableImage]
    corrections: Mapping[str, str]
    windows: Mapping[str, list[int]]
    nouns_of_parts: str = ""


def check_choice(option: str, value: str | None, choices: tuple[str, ...]) -> None:
    """Refuses a value that is not among the choices.

    Raises:
        UserError: If it is not.
    """
    if value is not None and value not in choices:
        raise UserError(f"{option} is {value!r}, expected one of {', '.join(choices)}")
