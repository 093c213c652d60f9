"""Records come back from TensorFlow as they were written, eagerly and in a graph."""

import json

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data_prep.labels import HEMORRHAGE_LABELS
from data_prep.modalities.head_ct.records import resized
from data_prep.records import examples, schema
from keras_medformers.support.errors import UserError

HU = np.random.default_rng(0).integers(-1024, 3000, (32, 32)).astype(np.int16)


def make_record(image_format, image_size=16):
    return examples.serialize(
        schema.ImageRecord(
            encoded=schema.encode_pixels(
                resized(HU, image_size), image_format.endswith("zlib")
            ),
            image_format=image_format,
            height=image_size,
            width=image_size,
            channels=1,
            source_id="ID_1",
            patient_id="ID_2",
            study_id="ID_3",
            series_id="ID_4",
            series_index=5,
            position_mm=-12.5,
            labels=dict.fromkeys(HEMORRHAGE_LABELS, 0)
            | {"any": 1, "subdural": 1, "location": -1},
        )
    )


def parse(serialized):
    return examples.parse_example(serialized, extra_labels=("location",), image_size=16)


@pytest.mark.parametrize("image_format", ["hu-int16-zlib", "hu-int16"])
@pytest.mark.parametrize("how", ["eager", "map"])
def test_round_trip(image_format, how):
    serialized = make_record(image_format)
    if how == "eager":
        parsed = parse(tf.constant(serialized))
    else:
        dataset = tf.data.Dataset.from_tensors(serialized).map(parse)
        assert dataset.element_spec["image"].shape == (16, 16, 1)
        parsed = next(iter(dataset))
    expected = np.rint(
        cv2.resize(HU.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA)
    )
    np.testing.assert_array_equal(parsed["image"][..., 0], expected)
    assert parsed["image"].dtype == tf.int16
    np.testing.assert_array_equal(parsed["labels"], [1, 0, 0, 0, 0, 1])
    assert [parsed[key].numpy() for key in ("source_id", "patient_id", "study_id", "series_id")] == [
        b"ID_1", b"ID_2", b"ID_3", b"ID_4",
    ]  # fmt: skip
    assert (
        parsed["series_index"] == 5
        and parsed["position_mm"] == -12.5
        and parsed["location"] == -1
    )


GREY = np.random.default_rng(1).integers(0, 65536, (13, 10)).astype(np.uint16)
BOXES = ((1, 2, 3, 4), (0, 0, 10, 13))


def make_mammogram(image_format):
    return examples.serialize(
        schema.ImageRecord(
            encoded=schema.encode_pixels(GREY, image_format.endswith("zlib")),
            image_format=image_format,
            height=13,
            width=10,
            channels=1,
            source_id="ID_1",
            patient_id="ID_2",
            study_id="ID_3",
            series_id="ID_3",
            series_index=0,
            position_mm=float("nan"),
            labels={"non_malignant": 0, "malignant": 1, "finding_size": 256},
            boxes=BOXES,
        )
    )


def parse_mammogram(serialized, image_size=(13, 10)):
    names = ("non_malignant", "malignant")
    return examples.parse_example(
        serialized, names, ("finding_size",), image_size, "mammogram"
    )


@pytest.mark.parametrize("image_format", ["uint16-zlib", "uint16"])
def test_mammograms_come_back_with_a_shape_that_is_no_square(image_format):
    serialized = make_mammogram(image_format)
    dataset = tf.data.Dataset.from_tensors(serialized).map(parse_mammogram)
    assert dataset.element_spec["image"].shape == (13, 10, 1)
    for parsed in (parse_mammogram(tf.constant(serialized)), next(iter(dataset))):
        assert parsed["image"].dtype == tf.uint16 and parsed["finding_size"] == 256
        np.testing.assert_array_equal(parsed["image"][..., 0], GREY)
        np.testing.assert_array_equal(parsed["labels"], [0, 1])
    boxes = (
        tf.train.Example.FromString(serialized)
        .features.feature["image/boxes"]
        .int64_list.value
    )
    assert tuple(zip(*[iter(boxes)] * 4, strict=True)) == BOXES


def test_a_mammogram_is_no_slice_and_of_one_size():
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
        parse_mammogram(make_mammogram("uint16"), image_size=(13, 13))
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown image/format"):
        examples.parse_example(make_mammogram("uint16"), ("malignant",))


@pytest.mark.parametrize(
    "fields, shape",
    [
        ({"image_size": 256}, (256, 256)),  # as written before there were mammograms
        ({"image_size": None, "image_height": 416, "image_width": 320}, (416, 320)),
        ({"image_size": None}, None),
    ],
)
def test_info_says_the_shape_of_images_whatever_its_age(tmp_path, fields, shape):
    others = dict.fromkeys(
        ("dataset", "image_format", "modality", "exclusive_labels", "listed", "rejects", "source_fingerprint",
         "tool_version", "config", "windows", "corrections", "splits")
    )  # fmt: skip
    lists = {"label_names": [], "extra_label_names": [], "shards": {}}
    version = {"schema_version": schema.SCHEMA_VERSION}
    (tmp_path / schema.INFO_NAME).write_text(
        json.dumps(others | lists | version | fields)
    )
    assert schema.DatasetInfo.load(tmp_path).image_shape == shape


def test_resize_averages_areas_and_leaves_the_right_size_alone():
    hu = np.array(
        [[0, 2, 10, 10], [4, 6, 10, 10], [-8, -8, 1, 1], [-8, -8, 1, 2]], np.int16
    )
    np.testing.assert_array_equal(resized(hu, 2), [[3, 10], [-8, 1]])
    assert resized(hu, 4) is hu


def test_unknown_image_format_and_other_size_are_errors():
    example = tf.train.Example.FromString(make_record("hu-int16"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
        examples.parse_example(example.SerializeToString(), image_size=17)
    example.features.feature["image/format"].bytes_list.value[0] = b"tiff"
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown image/format"):
        list(tf.data.Dataset.from_tensors(example.SerializeToString()).map(parse))


def test_info_that_is_absent_damaged_or_of_another_version_is_an_error(tmp_path):
    path = tmp_path / schema.INFO_NAME
    with pytest.raises(UserError, match="no finished records"):
        schema.DatasetInfo.load(tmp_path)
    path.write_text("{")
    with pytest.raises(UserError, match="damaged"):
        schema.DatasetInfo.load(tmp_path)
    path.write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(UserError, match="schema_version 99"):
        schema.DatasetInfo.load(tmp_path)
    path.write_text(json.dumps({"schema_version": schema.SCHEMA_VERSION}))
    with pytest.raises(UserError, match="lacks a field"):
        schema.DatasetInfo.load(tmp_path)
