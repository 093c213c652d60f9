"""Photographs on their way into records: their own JPEG or PNG coding, without identifying metadata."""

from pathlib import Path

from data_prep.modalities.modality import EncodedImage, Header, Modality
from data_prep.modalities.photograph.pictures import (
    check_photograph,
    prepare_photograph,
)
from data_prep.records import schema
from data_prep.records.build_config import BuildConfig
from keras_medformers.modalities import PHOTOGRAPH

REENCODED = "reencoded"
METADATA_DROPPED = "metadata_dropped"


def header_of_photograph(path: Path) -> Header:
    """Checks that a file is a picture; pictures do not name patients, the data set's lists do.

    Raises:
        UnreadablePhotograph: See `photograph.check_photograph`.
    """
    check_photograph(path)
    return Header()


def encode_photograph(path: Path, config: BuildConfig) -> EncodedImage:
    """Reads a picture for its record.

    Raises:
        UnreadablePhotograph: See `photograph.prepare_photograph`.
    """
    prepared = prepare_photograph(path)
    done = {REENCODED: prepared.reencoded, METADATA_DROPPED: prepared.metadata_dropped}
    return EncodedImage(
        encoded=prepared.encoded,
        image_format=prepared.image_format,
        height=prepared.height,
        width=prepared.width,
        channels=3,
        corrections=tuple(kind for kind, was_done in done.items() if was_done),
    )


def format_of_records(config: BuildConfig) -> str:
    """What records say of the format: each is one of two."""
    return schema.JPEG_OR_PNG


def shape_of_records(config: BuildConfig) -> tuple[None, None]:
    """Height and width of every record: photographs keep their own."""
    return None, None


PHOTOGRAPHS = Modality(
    name=PHOTOGRAPH.name,
    noun="photograph",
    group_noun="group",
    image_format=format_of_records,
    image_shape=shape_of_records,
    windows={},
    corrections={
        REENCODED: "Stored as PNG in place of a coding that TensorFlow does not read",
        METADATA_DROPPED: "Stored without metadata that could identify",
    },
    read_header=header_of_photograph,
    encode=encode_photograph,
)
