"""The form of records: what an Example holds, how pixels are encoded, what `dataset_info.json` says.

Without TensorFlow, so that processes which only read images start fast; `examples` has the rest.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.modalities.reader import Image
from data_prep.records.splits import SPLITS
from keras_medformers.modalities import Modality
from keras_medformers.support.errors import UserError

SCHEMA_VERSION = 2
INFO_NAME = "dataset_info.json"
REJECTS_NAME = "rejects.csv"

JPEG_OR_PNG = "jpeg-or-png"
"""What `DatasetInfo` says of the image format of modalities that are files."""

ZLIB_LEVEL = 1


@dataclass(frozen=True)
class ImageRecord:
    """One slice, photograph or mammogram as it is written.

    Attributes:
        encoded: The image's bytes: bare pixels, see `encode_pixels`; of modalities that are
            files, a JPEG or PNG file.
        image_format: The modality's `record_format`, with "-zlib" where compressed; or `JPEG`
            or `PNG`.
        height: Height in pixels.
        width: Width in pixels.
        channels: Channels of the decoded image: 3 for photographs, else 1.
        source_id: Name of the image.
        patient_id: Name of the patient, or of what else must not be divided; records of one patient are all
            in one split, unless the split was asked for by image.
        study_id: Name of the study (of a mammogram, the exam); for photographs the same as `patient_id`.
        series_id: Name of the series; for photographs and mammograms the same as `study_id`.
        series_index: Place in the series, from 0, ordered by `position_mm`; 0 but for CT.
        position_mm: Position along the slice normal, NaN where unknown and but for CT.
        labels: Integer labels by name.
        boxes: Boxes around the findings of a mammogram, as (x, y, width, height) in pixels of the image.
    """

    encoded: bytes
    image_format: str
    height: int
    width: int
    channels: int
    source_id: str
    patient_id: str
    study_id: str
    series_id: str
    series_index: int
    position_mm: float
    labels: Mapping[str, int]
    boxes: tuple[tuple[int, int, int, int], ...] = ()


class EncodedImage(NamedTuple):
    """An image as records hold it; fields as in `ImageRecord`.

    Attributes:
        corrections: What was repaired, of the reader's `corrections`.
    """

    encoded: bytes
    image_format: str
    height: int
    width: int
    channels: int
    corrections: tuple[str, ...] = ()
    boxes: tuple[tuple[int, int, int, int], ...] = ()


def encode(image: Image, modality: Modality, compression: bool) -> EncodedImage:
    """An image as a record holds it: its file, or its bare pixels.

    Args:
        image: What a reader gives.
        modality: What it is.
        compression: Whether bare pixels are compressed.
    """
    height, width, channels = image.pixels.shape
    encoded, stored_as = image.file or (
        encode_pixels(image.pixels, compression),
        image_format(modality, compression),
    )
    return EncodedImage(
        encoded, stored_as, height, width, channels, image.corrections, image.boxes
    )


def encode_pixels(pixels: np.ndarray, compression: bool = True) -> bytes:
    """Little-endian values in rows, with or without zlib around them."""
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    return zlib.compress(data, ZLIB_LEVEL) if compression else data


def image_format(modality: Modality, compression: bool) -> str:
    """What `DatasetInfo` says of the format: that of bare pixels, or that files are either."""
    if modality.is_file:
        return JPEG_OR_PNG
    return zlib_format(modality) if compression else modality.record_format


def zlib_format(modality: Modality) -> str:
    """The image format of bare pixels with zlib around them."""
    return f"{modality.record_format}-zlib"


@dataclass(frozen=True)
class DatasetInfo:
    """What `dataset_info.json` says of a folder of records; see `load`.

    Attributes:
        records_dir: The folder.
        dataset: Name of the data set.
        label_names: Labels every record has, in order.
        extra_label_names: Further integer labels.
        image_format: How images are encoded.
        image_size: Height and width in pixels where they are equal; None where they are not, and where images
            have their original sizes.
        modality: Name of what they are images of, see `keras_medformers.modalities`.
        exclusive_labels: Whether every record has exactly one of the labels.
        splits: Per split: "records", "patients", "series"; "labels", the positives by label; and by further
            label "extra_labels", the records by its value, but for labels that are amounts.
        shards: Per file: "records" and "sha256".
        windows: Level and width in HU of windows fit for the data; for information.
        corrections: Images repaired, by kind: "twelve_bit" for CT; "reencoded" and "metadata_dropped" for
            photographs.
        listed: Images that the data set lists or holds.
        rejects: Images set aside; `rejects.csv` has them with their reasons.
        source_fingerprint: Digest of the data the records were made from.
        tool_version: Version of the package that made them.
        config: Arguments of the build that decide on its content.
        schema_version: Version of the records' form.
        image_height: Height of every image in pixels; None where they differ. See `image_shape`.
        image_width: Width likewise.
    """

    records_dir: Path
    dataset: str
    label_names: tuple[str, ...]
    extra_label_names: tuple[str, ...]
    image_format: str
    image_size: int | None
    modality: str
    exclusive_labels: bool
    splits: dict[str, dict[str, Any]]
    shards: dict[str, dict[str, Any]]
    windows: dict[str, list[int]]
    corrections: dict[str, int]
    listed: int
    rejects: int
    source_fingerprint: str
    tool_version: str
    config: dict[str, Any]
    schema_version: int = SCHEMA_VERSION
    image_height: int | None = None
    image_width: int | None = None

    @classmethod
    def load(cls, records_dir: str | Path) -> "DatasetInfo":
        """Reads the description of a finished folder of records.

        Raises:
            UserError: If there is none, it is damaged, of another version, or a shard
                it names is missing.
        """
        records_dir = Path(records_dir)
        path = records_dir / INFO_NAME
        make_them = "make the records with `python -m data_prep.tfrecords`"
        if not path.is_file():
            raise UserError(
                f"{path} does not exist: no finished records are there; {make_them}"
            )

        try:
            fields = json.loads(path.read_text())
            version = fields["schema_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged; {make_them} --overwrite") from error

        if version != SCHEMA_VERSION:
            raise UserError(
                f"{path} has schema_version {version}, this package reads {SCHEMA_VERSION}; "
                f"{make_them} --overwrite"
            )

        try:
            info = cls(
                records_dir=records_dir,
                **fields | {key: tuple(fields[key]) for key in _TUPLES},
            )
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path} lacks a field or has an unknown one ({error}); {make_them} --overwrite"
            ) from error

        missing = [name for name in info.shards if not (records_dir / name).is_file()]
        if missing:
            raise UserError(
                f"{records_dir} lacks {len(missing)} shards, first {missing[0]}; {make_them} --overwrite"
            )

        return info

    def to_json(self) -> str:
        """The content of `dataset_info.json`: the same for the same records."""
        fields = asdict(self)
        del fields["records_dir"]
        return json.dumps(fields, indent=2, sort_keys=True) + "\n"

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Height and width of every image in pixels; None where images have their original sizes."""
        # Records made before there were mammograms say only `image_size`.
        height = self.image_height or self.image_size
        return (height, self.image_width or self.image_size) if height else None

    def count(self, split: str) -> int:
        """Number of records of a split."""
        return self._split(split)["records"]

    def positives(self, split: str) -> dict[str, int]:
        """Number of positive records of a split, by label."""
        return dict(self._split(split)["labels"])

    def shard_files(self, split: str) -> list[Path]:
        """The files of a split, in order."""
        self._split(split)
        return [
            self.records_dir / name
            for name in sorted(self.shards)
            if name.startswith(f"{split}-")
        ]

    def _split(self, split: str) -> dict[str, Any]:
        if split not in SPLITS:
            raise UserError(
                f"unknown split {split!r}, expected one of {', '.join(SPLITS)}"
            )
        return self.splits[split]


_TUPLES = ("label_names", "extra_label_names")
