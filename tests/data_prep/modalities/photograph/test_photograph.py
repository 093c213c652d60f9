"""Pictures are read right or refused with a reason, and TensorFlow shows the same from a record."""

import io

import numpy as np
import pytest
import tensorflow as tf
from photograph_files import (
    encode,
    identifying,
    insert_chunk,
    kinds,
    orientation,
    scene,
    unreadable,
)
from PIL import Image

from data_prep.modalities.photograph.pictures import (
    UnreadablePhotograph,
    check_photograph,
    prepare_photograph,
    read_photograph,
)
from data_prep.modalities.reader import JPEG, PNG
from data_prep.records import examples, schema

KINDS, UNREADABLE, IDENTIFYING = kinds(), unreadable(), identifying()


@pytest.fixture
def write(tmp_path):
    def write(data):
        path = tmp_path / "picture.jpg"
        path.write_bytes(data)
        return path

    return write


def from_record(prepared):
    """The image as training gets it."""
    record = schema.ImageRecord(
        encoded=prepared.encoded,
        image_format=prepared.image_format,
        height=prepared.height,
        width=prepared.width,
        channels=3,
        source_id="a",
        patient_id="a",
        study_id="a",
        series_id="a",
        series_index=0,
        position_mm=float("nan"),
        labels={"x": 1},
    )
    return examples.parse_example(
        examples.serialize(record), ("x",), modality="photograph"
    )["image"].numpy()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_read_right_and_shown_the_same_from_a_record(name, write):
    data, expected, is_kept = KINDS[name]
    path = write(data)
    check_photograph(path)
    rgb = read_photograph(path)
    if expected is None:
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert rgb.dtype == np.uint8 and rgb.shape == expected.shape
    np.testing.assert_allclose(
        rgb.astype(int), expected, atol=6 if name == "jpeg cmyk" else 0
    )
    prepared = prepare_photograph(path)
    assert (prepared.height, prepared.width) == rgb.shape[:2]
    assert prepared.reencoded != is_kept
    if is_kept:
        assert prepared.encoded == data
    else:
        assert prepared.image_format == PNG
    np.testing.assert_allclose(
        from_record(prepared).astype(int),
        rgb,
        atol=2 if prepared.image_format == JPEG else 0,
    )


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_whole_picture_is_refused_with_the_reason(name, write):
    data, words = UNREADABLE[name]
    path = write(data)
    for read in (read_photograph, prepare_photograph):
        with pytest.raises(UnreadablePhotograph, match=words) as caught:
            read(path)
        assert caught.value.path == path and "\n" not in caught.value.reason


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for read in (check_photograph, read_photograph, prepare_photograph):
        with pytest.raises(
            UnreadablePhotograph, match="cannot be opened: No such file"
        ):
            read(tmp_path / "absent.jpg")
        with pytest.raises(
            UnreadablePhotograph, match="cannot be opened: Is a directory"
        ):
            read(tmp_path)


@pytest.mark.parametrize("kind", IDENTIFYING)
def test_metadata_is_dropped_and_the_coded_image_is_not_touched(kind, write):
    plain, full = IDENTIFYING[kind]
    assert full.count(b"Doe, Jane") >= 5 and b"a profile" in (
        full if kind == "jpeg" else b"a profile"
    )
    prepared = prepare_photograph(write(full))
    assert (
        prepared.metadata_dropped
        and not prepared.reencoded
        and prepared.image_format == kind
    )
    assert b"Doe" not in prepared.encoded and b"Exif" not in prepared.encoded
    with Image.open(io.BytesIO(prepared.encoded)) as image:
        assert image.info["icc_profile"] == b"a profile"
        assert (
            not image.getexif()
            and not {"comment", "Patient", "Zipped"} & image.info.keys()
        )
    start = {"jpeg": b"\xff\xda", "png": b"IDAT"}[kind]
    assert (
        prepared.encoded[prepared.encoded.index(start) :] == plain[plain.index(start) :]
    )
    np.testing.assert_array_equal(from_record(prepared), read_photograph(write(plain)))


def test_a_file_without_metadata_stays_as_it_is(write):
    for plain, _ in IDENTIFYING.values():
        prepared = prepare_photograph(write(plain))
        assert prepared.encoded == plain and not prepared.metadata_dropped


def test_a_thumbnail_in_the_header_is_dropped(write):
    jpeg = encode(scene(), "JPEG")
    assert jpeg[2:4] == b"\xff\xe0" and jpeg[18:20] == b"\0\0"
    thumbnail = bytes(range(12))
    full = (
        jpeg[:4]
        + (16 + 12).to_bytes(2, "big")
        + jpeg[6:18]
        + b"\2\2"
        + thumbnail
        + jpeg[20:]
    )
    prepared = prepare_photograph(write(full))
    assert prepared.encoded == jpeg and prepared.metadata_dropped


@pytest.mark.parametrize("value", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_turned_picture_is_put_upright(kind, value, write):
    rgb = scene(24, 40)
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    upright = {
        2: rgb[:, ::-1],
        3: rgb[::-1, ::-1],
        4: rgb[::-1],
        5: rgb.transpose(1, 0, 2),
        6: np.rot90(rgb, -1),
        7: rgb[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(rgb),
    }[value]
    path = write(encode(rgb, kind, exif=orientation(value), **options))
    read = read_photograph(path)
    np.testing.assert_allclose(
        read.astype(int), upright, atol=8 if kind == "JPEG" else 0
    )
    prepared = prepare_photograph(path)
    assert prepared.reencoded and (prepared.height, prepared.width) == upright.shape[:2]
    np.testing.assert_array_equal(from_record(prepared), read)


@pytest.mark.parametrize("value", [0, 1, 9])
def test_orientations_that_turn_nothing_leave_the_coding(value, write):
    prepared = prepare_photograph(
        write(encode(scene(), "JPEG", exif=orientation(value)))
    )
    assert not prepared.reencoded and prepared.encoded == encode(scene(), "JPEG")


def test_exif_that_is_damaged_says_nothing(write):
    png = insert_chunk(encode(scene(), "PNG"), b"eXIf", b"MM\0*\0\0\0\xff")
    prepared = prepare_photograph(write(png))
    assert prepared.encoded == encode(scene(), "PNG")


def test_sixteen_bits_fill_eight(write):
    values = np.array([[0, 255, 256, 32_768, 65_535]], np.uint16)
    path = write(encode(values, "PNG"))
    np.testing.assert_array_equal(read_photograph(path)[0, :, 0], [0, 0, 1, 128, 255])
    np.testing.assert_array_equal(
        from_record(prepare_photograph(path)), read_photograph(path)
    )


def test_a_photograph_parses_in_a_graph_with_what_is_known_of_its_shape(write):
    serialized = examples.serialize(
        schema.ImageRecord(
            encode(scene(), "PNG"),
            "png",
            30,
            45,
            3,
            "a",
            "b",
            "b",
            "b",
            0,
            float("nan"),
            {"x": 0, "y": 1},
        )
    )

    def parse(serialized, **options):
        return examples.parse_example(
            serialized, ("y", "x"), modality="photograph", **options
        )

    dataset = tf.data.Dataset.from_tensors(serialized).map(parse)
    assert dataset.element_spec["image"].shape.as_list() == [None, None, 3]
    assert dataset.element_spec["image"].dtype == tf.uint8
    parsed = next(iter(dataset))
    np.testing.assert_array_equal(parsed["image"], scene())
    np.testing.assert_array_equal(parsed["labels"], [1, 0])
    assert parsed["patient_id"] == b"b" and np.isnan(parsed["position_mm"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
        parse(serialized, image_size=30)
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown image/format"):
        examples.parse_example(serialized, ("x",))
    with pytest.raises(ValueError, match="modality='mri'"):
        examples.parse_example(serialized, ("x",), modality="mri")
