"""Records as serialized `tf.train.Example`s: written, parsed, their images decoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.labels import HEMORRHAGE_LABELS
from data_prep.modalities.reader import JPEG, PNG
from data_prep.records.schema import ImageRecord, zlib_format
from keras_medformers.modalities import HEAD_CT, Modality, get_modality
from keras_medformers.support.quiet_tensorflow import import_tensorflow

tf = import_tensorflow()


def open_writer(path: Path) -> tf.io.TFRecordWriter:
    """Opens a TFRecord file to write serialized records to."""
    return tf.io.TFRecordWriter(str(path))


def serialize(record: ImageRecord) -> bytes:
    """Encodes a record as a serialized `tf.train.Example`."""
    example = tf.train.Example()
    features = example.features.feature

    def put_bytes(key: str, value: bytes | str) -> None:
        features[key].bytes_list.value.append(
            value if isinstance(value, bytes) else value.encode()
        )

    def put_int(key: str, value: int) -> None:
        features[key].int64_list.value.append(value)

    put_bytes("image/encoded", record.encoded)
    put_bytes("image/format", record.image_format)
    put_int("image/height", record.height)
    put_int("image/width", record.width)
    put_int("image/channels", record.channels)
    put_bytes("image/source_id", record.source_id)
    put_bytes("patient/id", record.patient_id)
    put_bytes("study/id", record.study_id)
    put_bytes("series/id", record.series_id)
    put_int("series/index", record.series_index)
    features["series/position_mm"].float_list.value.append(record.position_mm)
    for name, value in record.labels.items():
        put_int(f"label/{name}", value)
    if record.boxes:
        features["image/boxes"].int64_list.value.extend(
            side for box in record.boxes for side in box
        )
    return example.SerializeToString(deterministic=True)


def parse_example(
    serialized: Any,
    label_names: Sequence[str] = HEMORRHAGE_LABELS,
    extra_labels: Sequence[str] = (),
    image_size: int | tuple[int | None, int | None] | None = None,
    modality: str = HEAD_CT.name,
) -> dict[str, Any]:
    """Parses one record; works eagerly and inside `tf.data.Dataset.map`.

    Args:
        serialized: Scalar string tensor, one serialized Example.
        label_names: Labels to put into "labels", in this order.
        extra_labels: Integer labels to give under their own names, such as "location".
        image_size: Static height and width of the image where known, so that it can be batched without loss
            of shape; one number where they are equal.
        modality: Name of what it is an image of, see `keras_medformers.modalities`.

    Returns:
        "image": int16 Hounsfield units `(height, width, 1)`, of photographs uint8 RGB `(height, width, 3)`,
        of mammograms uint16 grey values `(height, width, 1)`; "labels": float32 `(len(label_names),)`;
        "source_id", "patient_id", "study_id", "series_id": scalar strings; "series_index": int64;
        "position_mm": float32; and the extra labels: int64.

    Raises:
        ValueError: If the modality is unknown.
        tf.errors.InvalidArgumentError: If the record has another form, or its image
            another format or size.
    """
    of_modality = get_modality(modality)
    static_shape = (
        image_size if isinstance(image_size, tuple) else (image_size, image_size)
    )
    scalar = {
        "image/encoded": tf.string,
        "image/format": tf.string,
        "image/height": tf.int64,
        "image/width": tf.int64,
        "image/source_id": tf.string,
        "patient/id": tf.string,
        "study/id": tf.string,
        "series/id": tf.string,
        "series/index": tf.int64,
        "series/position_mm": tf.float32,
    }
    scalar |= {f"label/{name}": tf.int64 for name in (*label_names, *extra_labels)}
    parsed = tf.io.parse_single_example(
        serialized,
        {key: tf.io.FixedLenFeature([], kind) for key, kind in scalar.items()},
    )
    result = {
        "image": _decode(parsed, static_shape, of_modality),
        "labels": tf.stack(
            [tf.cast(parsed[f"label/{name}"], tf.float32) for name in label_names]
        ),
        "source_id": parsed["image/source_id"],
        "patient_id": parsed["patient/id"],
        "study_id": parsed["study/id"],
        "series_id": parsed["series/id"],
        "series_index": parsed["series/index"],
        "position_mm": parsed["series/position_mm"],
    }

    return result | {name: parsed[f"label/{name}"] for name in extra_labels}


def _decode(parsed: dict[str, Any], static_shape: tuple, modality: Modality) -> Any:
    image_format, encoded = parsed["image/format"], parsed["image/encoded"]
    if modality.is_file:
        with _only_formats(image_format, JPEG, PNG):
            encoded = tf.identity(encoded)
        # The operation decodes PNG, too. Its own choice of transform is fast and up to tens
        # of levels off.
        image = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")
        return tf.ensure_shape(image, (*static_shape, modality.channels))

    raw, compressed = modality.record_format, zlib_format(modality)
    with _only_formats(image_format, compressed, raw):
        data = tf.cond(
            tf.equal(image_format, compressed),
            lambda: tf.io.decode_compressed(encoded, "ZLIB"),
            lambda: tf.identity(encoded),
        )
    image = tf.io.decode_raw(data, modality.dtype, little_endian=True)
    sides = [parsed["image/height"], parsed["image/width"], modality.channels]
    image = tf.reshape(image, tf.stack(sides))
    return tf.ensure_shape(image, (*static_shape, modality.channels))


def _only_formats(image_format: Any, *known: str) -> Any:
    """A context in which operations wait for the check that the format is a known one."""
    check = tf.debugging.Assert(
        tf.reduce_any(tf.equal(image_format, known)),
        [
            "unknown image/format, expected",
            " or ".join(known),
            "received",
            image_format,
        ],
    )
    return tf.control_dependencies([check] if check is not None else [])
