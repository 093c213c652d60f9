"""The program from folders of pictures to records: content, splits, determinism, resumption, rejects."""

import csv
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from photograph_files import (
    COVID_NAMES,
    encode,
    kinds,
    orientation,
    scene,
    unreadable,
    write_covid19_ct,
    write_isic2018,
    write_kvasir,
)

from data_prep import tfrecords
from data_prep.modalities.photograph.pictures import read_photograph
from data_prep.records.examples import parse_example
from data_prep.records.identifiers import Pseudonymizer
from data_prep.records.schema import DatasetInfo
from data_prep.records.splits import SPLITS
from keras_medformers.support import command_line


def run(dataset, data_dir, records, *arguments):
    options = [
        f"--dataset={dataset}",
        f"--data-dir={data_dir}",
        f"--records={records}",
        "--workers=2",
    ]
    options += ["--shards=2", f"--id-key-file={records.parent / 'key'}"]
    return command_line.run(tfrecords.main, [*options, *arguments])


def read_records(records):
    info = DatasetInfo.load(records)

    def parse(serialized):
        return parse_example(
            serialized,
            info.label_names,
            image_size=info.image_size,
            modality=info.modality,
        ) | {
            "encoded": tf.io.parse_single_example(serialized, ENCODED)["image/encoded"]
        }

    parsed = {}
    for split in SPLITS:
        files = [str(path) for path in info.shard_files(split)]
        for example in tf.data.TFRecordDataset(files).map(parse):
            parsed[example["source_id"].numpy().decode()] = (split, example)
    return info, parsed


ENCODED = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def covid_dir(tmp_path_factory):
    return write_covid19_ct(tmp_path_factory.mktemp("covid") / "data")


@pytest.fixture(scope="module")
def covid_records(covid_dir, tmp_path_factory):
    records = tmp_path_factory.mktemp("made") / "records"
    assert run("covid19_ct", covid_dir, records) == 0
    return records


def test_every_picture_is_there_as_published_with_its_own_bytes(
    covid_dir, covid_records
):
    info, parsed = read_records(covid_records)
    assert (info.modality, info.exclusive_labels, info.image_size) == (
        "photograph",
        True,
        None,
    )
    assert (
        info.label_names == ("NonCOVID", "COVID") and info.image_format == "jpeg-or-png"
    )
    assert info.config["split"] == "published" and info.windows == {}
    pseudonymize = Pseudonymizer(covid_records.parent / "key")
    count = 0
    for label, lists in COVID_NAMES.items():
        for prefix, names in lists.items():
            for name in names:
                split, example = parsed[pseudonymize(f"CT_{label}/{name}")]
                path = covid_dir / f"CT_{label}" / name
                assert (
                    split.startswith(prefix) and example["encoded"] == path.read_bytes()
                )
                np.testing.assert_array_equal(
                    example["labels"], [label != "COVID", label == "COVID"]
                )
                np.testing.assert_allclose(
                    example["image"], read_photograph(path), atol=2
                )
                ids = {
                    example[key].numpy()
                    for key in ("source_id", "patient_id", "study_id", "series_id")
                }
                assert (
                    len(ids) == 1
                    and example["series_index"] == 0
                    and np.isnan(example["position_mm"])
                )
                count += 1
    assert count == len(parsed) == info.listed and info.rejects == 0
    assert info.positives("train") == {"NonCOVID": 3, "COVID": 2}


def test_same_bytes_at_any_number_of_processes(covid_dir, covid_records, tmp_path):
    shutil.copy(covid_records.parent / "key", tmp_path / "key")
    assert run("covid19_ct", covid_dir, tmp_path / "records", "--workers=1") == 0
    assert contents(tmp_path / "records") == contents(covid_records)


def test_interrupted_build_goes_on_and_a_finished_one_is_left_alone(
    covid_dir, covid_records, tmp_path
):
    shutil.copy(covid_records.parent / "key", tmp_path / "key")
    finished = contents(covid_records)
    info = json.loads(finished["dataset_info.json"])
    work = tmp_path / "records" / ".build"
    work.mkdir(parents=True)
    identity = {
        key: info[key] for key in ("config", "source_fingerprint", "schema_version")
    }
    (work / "build.json").write_text(json.dumps(identity))
    (work.parent / ".partial-train-00001-of-00002.tfrecord").write_bytes(b"half")
    assert run("covid19_ct", covid_dir, tmp_path / "records") == 0
    assert contents(tmp_path / "records") == finished
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}
    assert run("covid19_ct", covid_dir, tmp_path / "records") == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_odd_files_are_read_right_or_set_aside_with_the_reason(tmp_path, capsys):
    """Every kind of picture, under names that do not fit, through the whole program."""
    data_dir = write_kvasir(tmp_path / "kvasir", per_class=12)
    good = {
        f"polyps/{number}.jpg": data
        for number, (data, _, _) in enumerate(kinds().values())
    }
    good["polyps/turned.png"] = encode(scene(8, 20), "JPEG", exif=orientation(6))
    bad = {
        f"esophagitis/{number}.png": case
        for number, case in enumerate(unreadable().values())
    }
    for name, data in {
        **good,
        **{name: data for name, (data, _) in bad.items()},
    }.items():
        (data_dir / name).write_bytes(data)
    records = tmp_path / "records"
    assert run("kvasir", data_dir, records) == 2
    assert (
        f"{len(bad)} of {96 + len(good) + len(bad)} photographs were set aside"
        in capsys.readouterr().err
    )
    assert run("kvasir", data_dir, records, "--max-reject-share=0.5") == 0
    info, parsed = read_records(records)
    pseudonymize = Pseudonymizer(tmp_path / "key")
    for name in good:
        _, example = parsed[pseudonymize(name)]
        np.testing.assert_allclose(
            example["image"], read_photograph(data_dir / name), atol=2
        )
    assert parsed[pseudonymize("polyps/turned.png")][1]["image"].shape == (20, 8, 3)
    not_kept = sum(not is_kept for _, _, is_kept in kinds().values())
    assert info.corrections == {"reencoded": not_kept + 1, "metadata_dropped": 0}
    with (records / "rejects.csv").open() as file:
        reasons = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert reasons.keys() == bad.keys()
    for name, (_, words) in bad.items():
        assert words in reasons[name]


def test_lesions_stay_together_and_public_names_stay(tmp_path):
    data_dir = write_isic2018(tmp_path / "isic", lesions=42)
    records = tmp_path / "records"
    assert run("isic2018", data_dir, records) == 0
    info, parsed = read_records(records)
    assert not (tmp_path / "key").exists()
    assert len(parsed) == 84 and "ISIC_0024306" in parsed
    split_of = {}
    for split, example in parsed.values():
        split_of.setdefault(example["patient_id"].numpy().decode(), set()).add(split)
    assert len(split_of) == 42 and all(len(splits) == 1 for splits in split_of.values())
    assert split_of.keys() == {f"HAM_{lesion:07d}" for lesion in range(42)}
    assert (
        all(info.positives("test").values()) and info.splits["train"]["patients"] > 20
    )


def test_the_papers_split_warns_and_another_split_needs_overwrite(tmp_path, capsys):
    data_dir = write_isic2018(tmp_path / "isic", lesions=42)
    records = tmp_path / "records"
    assert run("isic2018", data_dir, records, "--split=paper") == 0
    message = capsys.readouterr().err
    info, parsed = read_records(records)
    groups = {}
    for split, example in parsed.values():
        groups.setdefault(example["patient_id"].numpy(), set()).add(split == "test")
    divided = sum(len(sides) == 2 for sides in groups.values())
    assert divided and f"Images of {divided} of 42 groups" in message
    assert info.config["split"] == "paper"
    assert run("isic2018", data_dir, records) == 2
    assert (
        "split (paper, now lesion) differ; give --overwrite" in capsys.readouterr().err
    )
    assert run("isic2018", data_dir, records, "--overwrite") == 0


def test_folds_are_complements_and_the_same_under_every_key(tmp_path, capsys):
    data_dir = write_kvasir(tmp_path / "kvasir", per_class=20)
    tested = []
    for fold in (0, 1):
        records = tmp_path / f"key-{fold}" / "records"
        records.parent.mkdir()
        assert run("kvasir", data_dir, records, f"--fold={fold}") == 0
        info, parsed = read_records(records)
        assert [info.positives(split)["polyps"] for split in SPLITS] == [9, 1, 10]
        tested.append(
            {
                example["encoded"].numpy()
                for split, example in parsed.values()
                if split == "test"
            }
        )
    assert len(tested[0]) == len(tested[1]) == 80 and not tested[0] & tested[1]
    assert run("kvasir", data_dir, records, "--fold=0") == 2
    assert "fold (1, now 0) differ" in capsys.readouterr().err


def test_help_tells_what_each_data_set_takes(capsys):
    with pytest.raises(SystemExit):
        tfrecords.main(["--help"])
    text = capsys.readouterr().out
    for words in (
        "covid19_ct",
        "--split lesion",
        "--split paper",
        "--split published",
        "CT only",
        "--fold",
    ):
        assert words in text
