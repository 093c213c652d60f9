"""Photographs on their way into records and to a model.

Records keep their own JPEG or PNG coding, without identifying metadata.
"""

from dataclasses import dataclass
from pathlib import Path

from data_prep.modalities.photograph.pictures import (
    UnreadablePhotograph,
    check_photograph,
    prepare_photograph,
)
from data_prep.modalities.reader import Header, Image, Place, Reader, Settings
from keras_medformers.modalities import PHOTOGRAPH

REENCODED = "reencoded"
METADATA_DROPPED = "metadata_dropped"


@dataclass(frozen=True)
class PhotographSettings(Settings):
    """Photographs keep their size and their coding: there is nothing to set."""


def header_of_photograph(path: Path) -> Header:
    """Checks that a file is a picture; pictures do not name patients, the data set's lists do.

    Raises:
        UnreadablePhotograph: See `pictures.check_photograph`.
    """
    check_photograph(path)
    return Header()


def place_of_photograph(path: Path) -> Place:
    """Pictures do not say where they belong."""
    return Place()


def read(path: Path, settings: PhotographSettings) -> Image:
    """Reads a picture as RGB, and the file that a record holds of it.

    Raises:
        UnreadablePhotograph: See `pictures.prepare_photograph`.
    """
    prepared = prepare_photograph(path)
    done = {REENCODED: prepared.reencoded, METADATA_DROPPED: prepared.metadata_dropped}
    return Image(
        prepared.rgb,
        corrections=tuple(kind for kind, was_done in done.items() if was_done),
        file=(prepared.encoded, prepared.image_format),
    )


def shape_of_records(settings: PhotographSettings) -> tuple[None, None]:
    """Height and width of every record: photographs keep their own."""
    return None, None


READER = Reader(
    modality=PHOTOGRAPH,
    words="photographs",
    settings=PhotographSettings,
    image_shape=shape_of_records,
    windows={},
    corrections={
        REENCODED: "Stored as PNG in place of a coding that TensorFlow does not read",
        METADATA_DROPPED: "Stored without metadata that could identify",
    },
    read_header=header_of_photograph,
    read_place=place_of_photograph,
    read=read,
    unreadable=UnreadablePhotograph,
)
