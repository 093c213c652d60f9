"""Mammograms by manifest, from files to records: content, splits, and everything that is set aside."""

import csv
import json
import os

import numpy as np
import pytest
import tensorflow as tf
from mammogram_files import (
    HEIGHT_PX,
    JPEG_2000,
    JPEG_LOSSLESS,
    WIDTH_PX,
    breast,
    compress,
    manifest_row,
    with_box,
    write_mammogram,
    write_manifest,
    write_png,
)

from data_prep import tfrecords
from data_prep.datasets import mammography, mammography_patches
from data_prep.datasets.mammography_manifest import list_mammograms, read_manifest
from data_prep.labels import FINDING_TYPES
from data_prep.records.examples import parse_example
from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError

PATIENTS = 20


def add_image(folder, name, side="left", suffix="png"):
    """Writes an image in one of the forms, named after it."""
    level = breast(side)
    if suffix == "png":
        write_png(folder / f"{name}.png", level)
        return f"{name}.png"
    stored = np.rint(level * 4095).astype(np.uint16)
    path = write_mammogram(
        folder / f"{name}.dcm", stored, WindowCenter="2047", WindowWidth="4096"
    )
    if suffix in ("ljpeg", "j2k"):
        compress(
            path,
            folder / f"{name}.{suffix}",
            JPEG_LOSSLESS if suffix == "ljpeg" else JPEG_2000,
        )
        path.unlink()
        return f"{name}.{suffix}"
    return f"{name}.dcm"


def make_data(folder, patients=PATIENTS):
    """Two images per patient; every other patient has a malignant left breast."""
    (folder / "files").mkdir(parents=True)
    rows = []
    for number in range(patients):
        suffix = ("png", "dcm", "ljpeg", "j2k")[number % 4]
        left, right = (
            f"files/{add_image(folder / 'files', f'p{number}{side}', side, suffix)}"
            for side in ("left", "right")
        )
        name = f"patient {number}"
        if number % 2:
            # The larger malignant finding counts, not the largest.
            malignant = dict(label="malignant", finding_label="malignant")
            first = (
                with_box(10, 40, 8, 8) | malignant | {"finding_type": "calcifications"}
            )
            second = with_box(20, 50, 12, 3) | malignant | {"finding_type": "mass"}
            third = (
                with_box(2, 30, 20, 20)
                | malignant
                | {"finding_label": "benign", "finding_type": "mass"}
            )
            rows += [
                manifest_row(left, name, **columns)
                for columns in (first, second, third)
            ]
        else:
            rows.append(manifest_row(left, name))
        found = with_box(50, 40, 9, 9) | {"finding_type": "focal_asymmetry"}
        rows.append(manifest_row(right, name, view="R-MLO", **found))
    write_manifest(folder / "manifest.csv", rows)
    return folder


def run(data_dir, records, *arguments, dataset="mammography"):
    options = [
        f"--dataset={dataset}",
        f"--data-dir={data_dir}",
        f"--records={records}",
        "--workers=1",
    ]
    options += ["--image-size=52", f"--source-height={HEIGHT_PX}", "--shards=2"]
    options += [f"--id-key-file={records.parent / 'key'}"]
    return command_line.run(tfrecords.main, [*options, *arguments])


def read_records(records):
    info = DatasetInfo.load(records)
    parsed = []
    for split in SPLITS:
        files = [str(path) for path in info.shard_files(split)]
        parse = lambda one: parse_example(
            one,
            info.label_names,
            info.extra_label_names,
            info.image_shape,
            info.modality,
        )
        parsed += [
            (split, example) for example in tf.data.TFRecordDataset(files).map(parse)
        ]
    return info, parsed


def rejects(records):
    with (records / "rejects.csv").open() as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("mammography") / "data")


@pytest.fixture(scope="module")
def records(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mammography_records") / "records"
    assert run(data_dir, folder) == 0
    return folder


@pytest.fixture(scope="module")
def patches(data_dir, records, tmp_path_factory):
    folder = records.parent / "patches"
    assert (
        run(data_dir, folder, "--negatives-per-image=3", dataset="mammography_patches")
        == 0
    )
    return folder


def test_every_image_is_there_once_with_its_labels(records):
    info, parsed = read_records(records)
    assert (
        len(parsed) == 2 * PATIENTS
        and info.rejects == 0
        and info.listed == 2 * PATIENTS
    )
    assert (info.image_shape, info.image_size) == ((52, 40), None)
    assert (
        info.modality == "mammogram"
        and info.exclusive_labels
        and info.image_format == "uint16-zlib"
    )
    assert info.label_names == ("non_malignant", "malignant")
    assert [info.count(split) for split in SPLITS] == [32, 4, 4]
    counts = {"malignant": 0, "-1": 0}
    for _, example in parsed:
        image = example["image"].numpy()
        assert image.shape == (52, 40, 1) and image.dtype == np.uint16
        # The chest wall is at the left, letters are gone.
        assert np.count_nonzero(image[:, 0]) > 15 and not image[:, 30:].any()
        malignant = bool(example["labels"][1])
        counts["malignant"] += malignant
        finding = (
            int(example["finding_type"]),
            int(example["finding_size"]),
            int(example["laterality"]),
        )
        if malignant:
            assert finding == (
                FINDING_TYPES.index("calcifications"),
                256,
                0,
            )  # 8 of 104 pixels
        elif finding[2] == 1:
            assert finding == (FINDING_TYPES.index("focal_asymmetry"), 288, 1)
        else:
            assert finding == (-1, -1, 0)
            counts["-1"] += 1
    assert counts == {"malignant": PATIENTS // 2, "-1": PATIENTS // 2}
    assert "finding_size" not in info.splits["train"]["extra_labels"]


def test_images_of_every_coding_are_equal(records):
    _, parsed = read_records(records)
    left = {
        example["image"].numpy().tobytes()
        for _, example in parsed
        if int(example["laterality"]) == 0
    }
    # PNG has 16 bits, DICOM 12 behind a window: these differ, the three codings of DICOM do not.
    assert len(left) == 2


def test_patches_are_of_the_same_splits_and_as_many_as_asked_for(records, patches):
    info, parsed = read_records(patches)
    assert (
        info.image_shape == (8, 8)
        and info.image_size == 8
        and info.listed == 2 * PATIENTS
    )
    positive = [example for _, example in parsed if example["labels"][1] == 1]
    negative = [example for _, example in parsed if example["labels"][1] == 0]
    assert len(positive) == 2 * PATIENTS // 2 and len(negative) == 3 * PATIENTS * 3 // 2
    sizes = {(int(one["finding_type"]), int(one["finding_size"])) for one in positive}
    assert sizes == {
        (FINDING_TYPES.index("calcifications"), 256),
        (FINDING_TYPES.index("mass"), 192),
    }
    assert all(int(one["finding_type"]) == -1 for one in negative)
    assert len({example["source_id"].numpy() for _, example in parsed}) == len(parsed)

    def patients(folder):
        return {
            (example["patient_id"].numpy(), split)
            for split, example in read_records(folder)[1]
        }

    assert patients(patches) == patients(records)


def test_records_hold_no_names(records):
    everything = b"".join(path.read_bytes() for path in records.iterdir())
    for name in (b"patient ", b"secret", b"p1left", b"files/"):
        assert name not in everything


def test_an_interrupted_build_goes_on_to_the_same_bytes_at_any_number_of_processes(
    data_dir, patches, tmp_path, monkeypatch
):
    arguments = (
        "--negatives-per-image=3",
        "--workers=2",
        f"--id-key-file={patches.parent / 'key'}",
    )
    shards = []

    def replace(temporary, path):
        # The build's own description, then a shard and what is said of it, then no more.
        if len(shards) == 3:
            raise KeyboardInterrupt
        shards.append(path.name)
        os.rename(temporary, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        assert (
            run(data_dir, tmp_path / "again", *arguments, dataset="mammography_patches")
            == 130
        )
    made = tmp_path / "again"
    first = {path.name: path.stat().st_mtime_ns for path in made.glob("*.tfrecord")}
    assert len(first) == 1
    assert (
        run(data_dir, tmp_path / "again", *arguments, dataset="mammography_patches")
        == 0
    )
    assert all(
        (made / name).stat().st_mtime_ns == time_ns for name, time_ns in first.items()
    )
    whole = {path.name: path.read_bytes() for path in patches.iterdir()}
    assert {
        path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()
    } == whole


def test_other_settings_do_not_pass_for_finished(data_dir, records, capsys):
    assert run(data_dir, records, "--keep-laterality") == 2
    assert "flip (True, now False)" in capsys.readouterr().err


def test_laterality_can_be_kept(data_dir, records, tmp_path):
    assert run(data_dir, tmp_path / "kept", "--keep-laterality") == 0
    for _, example in read_records(tmp_path / "kept")[1]:
        chest = -1 if int(example["laterality"]) == 1 else 0
        assert np.count_nonzero(example["image"].numpy()[:, chest]) > 15


@pytest.mark.parametrize(
    "columns, reason",
    [
        (with_box(10, 10, 0, 5), "its box has no area"),
        ({"box_x": 3}, "its box is not four numbers: box_x=3 box_y= "),
        (with_box("a", 1, 1, 1), "its box is not four numbers"),
        (
            {"label": "cancer"},
            "its label is 'cancer', expected one of non_malignant, malignant",
        ),
        ({"finding_type": "lump"}, "its finding_type is 'lump', expected one of mass"),
        (
            {"finding_label": "bad", "finding_type": "mass"},
            "its finding_label is 'bad'",
        ),
        (
            {"finding_label": "malignant", "finding_type": "mass"},
            "its label is non_malignant, and a find",
        ),
        ({"laterality": "up"}, "its laterality is 'UP'"),
        (
            {"split": "dev"},
            "its split is 'dev', expected one of train, validation, test",
        ),
        ({"patient": ""}, "its patient is empty"),
        ({"exam": ""}, "its exam is empty"),
        ({"file": "absent.png"}, "is not on disk"),
        ({"file": "../good.png"}, "its path leads out of the data folder"),
    ],
)
def test_bad_rows_are_set_aside_with_file_and_reason(tmp_path, columns, reason):
    for name in ("good", "odd"):
        write_png(tmp_path / f"{name}.png", breast())
    row = manifest_row("odd.png", "patient odd") | {
        name: str(value) for name, value in columns.items()
    }
    write_manifest(tmp_path / "manifest.csv", [manifest_row("good.png", "good"), row])
    listing = list_mammograms(tmp_path)
    (reject,) = listing.rejects
    assert listing.files == ["good.png"]
    assert (
        reject.file == row["file"]
        and reason in reject.reason
        and "patient odd" not in reject.reason
    )


@pytest.mark.parametrize("dataset", ["mammography", "mammography_patches"])
def test_bad_files_are_set_aside_with_file_and_reason(tmp_path, dataset):
    folder = make_data(tmp_path / "data", patients=4)
    stored = np.rint(breast() * 4095).astype(np.uint16)
    for number in range(3):
        write_png(folder / f"box{number}.png", breast())
    write_png(folder / "small.png", breast(height=40, width=15))
    write_png(folder / "empty.png", np.zeros((HEIGHT_PX, WIDTH_PX)))
    write_mammogram(
        folder / "bright.dcm", stored, PhotometricInterpretation="MONOCHROME1"
    )
    write_mammogram(folder / "colour.dcm", stored, PhotometricInterpretation="RGB")
    (folder / "text.dcm").write_text("text " * 99)
    boxes = [with_box(75, 40, 9, 9), with_box(-1, 40, 9, 9), with_box(10, 100, 5, 5)]
    beyond = "reaches beyond the image of 80 x 104"
    bad = {f"box{number}.png": (beyond, box) for number, box in enumerate(boxes)}
    bad |= {
        "small.png": ("has 15 x 40 pixels, less than the 16 of a patch", {}),
        "empty.png": ("shows no breast", {}),
        "bright.dcm": ("PhotometricInterpretation (0028,0004) is MONOCHROME1", {}),
        "colour.dcm": ("PhotometricInterpretation (0028,0004) is RGB", {}),
        "text.dcm": ("is not a DICOM image", {}),
    }
    with (folder / "manifest.csv").open() as good:
        rows = list(csv.DictReader(good))
    rows += [
        manifest_row(file, f"odd {file}", **columns)
        for file, (_, columns) in bad.items()
    ]
    write_manifest(folder / "manifest.csv", rows)
    assert (
        run(folder, tmp_path / "records", "--max-reject-share=0.5", dataset=dataset)
        == 0
    )
    found = rejects(tmp_path / "records")
    assert set(found) == set(bad)
    for file, (reason, _) in bad.items():
        assert (
            reason in found[file]
            and "odd" not in found[file]
            and "secret" not in found[file]
        )
    info, parsed = read_records(tmp_path / "records")
    assert (info.rejects, info.listed) == (8, 16)
    assert sum(info.count(split) for split in SPLITS) == len(parsed)
    assert len(parsed) == (8 if dataset == "mammography" else 10)


def test_rows_that_contradict_each_other_are_set_aside(tmp_path):
    rows = [
        manifest_row("a.png", "one"),
        manifest_row("a.png", "two"),
        manifest_row("b.png", "one"),
    ]
    rows += [manifest_row("b.png", "one", view="LMLO"), manifest_row("c.png", "one")]
    images, rejected = read_manifest(write_manifest(tmp_path / "manifest.csv", rows))
    assert list(images) == ["c.png"]
    assert dict(rejected) == {
        "a.png": "its rows contradict each other in the column patient",
        "b.png": "its rows contradict each other in the column view: 'LCC', 'LMLO'",
    }


@pytest.mark.parametrize(
    "view, laterality, side",
    [
        ("LCC", "", "left"),
        ("R-MLO", "", "right"),
        ("CC", "R", "right"),
        ("CC", "left", "left"),
        ("MLO", "", ""),
    ],
)
def test_laterality_is_the_columns_or_the_views(tmp_path, view, laterality, side):
    row = manifest_row("a.png", "one", view=view, laterality=laterality)
    images, _ = read_manifest(write_manifest(tmp_path / "manifest.csv", [row]))
    assert images["a.png"].laterality == side


def test_missing_columns_and_empty_manifests_are_errors(tmp_path):
    path = tmp_path / "manifest.csv"
    with pytest.raises(
        UserError,
        match="manifest.csv does not exist; expected the columns file,patient",
    ):
        read_manifest(path)
    row = manifest_row("a.png", "one")
    del row["label"], row["box_x"]
    with pytest.raises(
        UserError,
        match="lacks the column label and box_x; expected file,.*received file,",
    ):
        read_manifest(write_manifest(path, [row]))
    path.write_text(",".join(manifest_row("", "")) + "\n")
    with pytest.raises(UserError, match="has no row"):
        read_manifest(path)
    with pytest.raises(UserError, match="line 3: file is empty"):
        read_manifest(
            write_manifest(
                path, [manifest_row("a.png", "one"), manifest_row("", "two")]
            )
        )


def test_a_manifest_of_nothing_usable_is_an_error(tmp_path):
    write_manifest(tmp_path / "manifest.csv", [manifest_row("a.png", "one")])
    with pytest.raises(
        UserError, match="names no usable image; the first, a.png, is not on disk"
    ):
        list_mammograms(tmp_path)


def given_split(folder, splits):
    """Images of patients named after the letters, in these splits."""
    rows = []
    for number, (patient, split) in enumerate(splits):
        write_png(folder / f"{number}.png", breast())
        rows.append(manifest_row(f"{number}.png", patient, split=split))
    write_manifest(folder / "manifest.csv", rows)


def test_a_given_split_is_kept_and_the_rest_divided(tmp_path):
    splits = [
        ("a", "test"),
        ("b", "train"),
        ("a", "test"),
        ("c", ""),
        ("d", "validation"),
    ]
    given_split(tmp_path / "data", splits)
    assert run(tmp_path / "data", tmp_path / "records", "--fractions=1,0,0") == 0
    info, _ = read_records(tmp_path / "records")
    assert [info.count(split) for split in SPLITS] == [2, 1, 2]


@pytest.mark.parametrize("other", ["test", ""])
def test_a_patient_on_both_sides_of_a_given_split_is_refused(tmp_path, capsys, other):
    given_split(tmp_path / "data", [("a", "train"), ("b", "train"), ("a", other)])
    assert run(tmp_path / "data", tmp_path / "records") == 2
    said = capsys.readouterr().err
    assert (
        "manifest.csv has one patient on both sides of its split: 0.png is in train, 2.png in"
        in said
    )


@pytest.mark.parametrize(
    "dataset, argument, message",
    [
        (
            "mammography",
            "--negatives-per-image=2",
            "--negatives-per-image is for patches of mammograms",
        ),
        (
            "mammography",
            "--image-size=105",
            "--image-size is 105, expected at most the 104 pixels",
        ),
        (
            "mammography",
            "--treatment=mask",
            "--treatment is for CT; mammography has mammograms",
        ),
        (
            "mammography_patches",
            "--negatives-per-image=-1",
            "is -1, expected at least 0",
        ),
    ],
)
def test_options_that_do_not_apply_are_errors(
    data_dir, tmp_path, capsys, dataset, argument, message
):
    assert run(data_dir, tmp_path / "records", argument, dataset=dataset) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["--keep-laterality", "--source-height=3328"])
def test_options_of_mammograms_are_errors_for_photographs(tmp_path, capsys, argument):
    program = [
        "--dataset=kvasir",
        f"--data-dir={tmp_path}",
        f"--records={tmp_path / 'r'}",
        argument,
    ]
    assert command_line.run(tfrecords.main, program) == 2
    assert (
        f"{argument.split('=')[0]} is for mammograms; kvasir has photographs"
        in capsys.readouterr().err
    )


def test_the_data_sets_are_the_papers():
    for dataset in (mammography.DATASET, mammography_patches.DATASET):
        assert dataset.fractions == (0.8, 0.1, 0.1) and dataset.exclusive_labels
    assert tfrecords.default_data_dir(mammography_patches.DATASET).name == "mammography"


def test_dataset_info_says_what_was_asked_for(records, patches):
    config = json.loads((patches / "dataset_info.json").read_text())["config"]
    wanted = {
        "image_size": 52,
        "source_height": HEIGHT_PX,
        "flip": True,
        "negatives_per_image": 3,
    }
    assert wanted.items() <= config.items()
    whole = json.loads((records / "dataset_info.json").read_text())["config"]
    assert "negatives_per_image" not in whole
