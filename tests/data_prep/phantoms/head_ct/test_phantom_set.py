"""A whole phantom set on disk: layout, labels, identifiers, storage, determinism and resuming."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections import Counter

import cv2
import numpy as np
import pydicom
import pytest

from data_prep.labels import HEMORRHAGE_LABELS
from data_prep.phantoms.head_ct import PhantomConfig, make
from data_prep.phantoms.head_ct.__main__ import main
from data_prep.phantoms.head_ct.contact_sheet import read_hu
from data_prep.phantoms.head_ct.patient import VISIBLE_AREA_MM2
from data_prep.phantoms.head_ct.tissues import TRUTH
from keras_medformers.support.command_line import run
from keras_medformers.support.errors import UserError

PREVALENCE = {
    "any": 1.0,
    "epidural": 0.34,
    "intraparenchymal": 0.67,
    "intraventricular": 0.67,
    "subarachnoid": 0.34,
    "subdural": 0.34,
}
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")

CONFIG = PhantomConfig(
    patients=3,
    slices_per_series=4,
    second_series=0.34,
    image_size_px=256,
    seed=7,
    prevalence=PREVALENCE,
    with_truth=True,
)


def _files(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def _labels(folder):
    with open(folder / "stage_2_train.csv", newline="") as file:
        return list(csv.DictReader(file))


def _datasets(folder):
    return {
        path.stem: pydicom.dcmread(path)
        for path in sorted((folder / "stage_2_train").iterdir())
    }


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    make(folder, CONFIG, workers=2)
    return folder


def test_layout_is_rsnas(phantoms):
    assert sorted(p.name for p in phantoms.iterdir()) == [
        "contact_sheet.png",
        "locations.csv",
        "phantom.json",
        "stage_2_train",
        "stage_2_train.csv",
        "truth",
    ]
    assert len(list((phantoms / "stage_2_train").glob("ID_?????????.dcm"))) == 16
    assert not list(phantoms.rglob("*partial*"))


def test_label_table_has_six_rows_per_slice_and_duplicates(phantoms):
    rows = _labels(phantoms)
    assert list(rows[0]) == ["ID", "Label"]
    counts = Counter(row["ID"] for row in rows)
    assert len(counts) == 16 * 6
    assert sum(n == 2 for n in counts.values()) == 4 * 6
    values = {}
    for row in rows:
        assert values.setdefault(row["ID"], row["Label"]) == row["Label"]
    for slice_id in _datasets(phantoms):
        kinds = [values[f"{slice_id}_{kind}"] for kind in HEMORRHAGE_LABELS[1:]]
        assert values[f"{slice_id}_any"] == max(kinds)


def test_labels_and_locations_agree_with_truth(phantoms):
    values = {row["ID"]: int(row["Label"]) for row in _labels(phantoms)}
    with open(phantoms / "locations.csv", newline="") as file:
        locations = {row["ID"]: row["location"] for row in csv.DictReader(file)}
    seen = Counter()
    for slice_id, dataset in _datasets(phantoms).items():
        truth = cv2.imread(
            str(phantoms / "truth" / f"{slice_id}.png"), cv2.IMREAD_UNCHANGED
        )
        pixel_mm2 = float(dataset.PixelSpacing[0]) ** 2
        assert (locations[slice_id] == "normal") == (values[f"{slice_id}_any"] == 0)
        for kind in HEMORRHAGE_LABELS[1:]:
            area_mm2 = (truth == TRUTH[kind]).sum() * pixel_mm2
            # Where three tissues share a pixel the largest share may be below half: the truth shows it, the
            # label does not count it.
            if values[f"{slice_id}_{kind}"]:
                assert area_mm2 >= VISIBLE_AREA_MM2 - 0.01
                seen[kind] += 1
            else:
                assert area_mm2 < 40.0
    assert set(seen) == set(HEMORRHAGE_LABELS[1:])


def test_elements_are_rsnas(phantoms):
    for slice_id, dataset in _datasets(phantoms).items():
        assert len(dataset) == 22
        assert dataset.SOPInstanceUID == slice_id
        assert dataset.PatientID.startswith("ID_") and len(dataset.PatientID) == 11
        for absent in (
            "InstanceNumber",
            "SOPClassUID",
            "SliceThickness",
            "FrameOfReferenceUID",
        ):
            assert absent not in dataset
        assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        row, column = np.reshape(
            np.array(dataset.ImageOrientationPatient, float), (2, 3)
        )
        assert row == pytest.approx([1, 0, 0])
        assert np.linalg.norm(column) == pytest.approx(1.0, abs=1e-5)


def test_patients_have_their_series_and_slices_are_apart(phantoms):
    patients = {}
    for dataset in _datasets(phantoms).values():
        series = patients.setdefault(dataset.PatientID, {})
        series.setdefault(
            (dataset.StudyInstanceUID, dataset.SeriesInstanceUID), []
        ).append(dataset)
    assert sorted(len(series) for series in patients.values()) == [1, 1, 2]
    for series in patients.values():
        assert len({study for study, _ in series}) == len(series)
        for slices in series.values():
            levels = sorted(float(d.ImagePositionPatient[2]) for d in slices)
            assert len(levels) == 4 and min(np.diff(levels)) > 5.0


def test_every_storage_gives_hounsfield_units(phantoms):
    storages = set()
    for slice_id, dataset in _datasets(phantoms).items():
        storages.add(
            (
                dataset.BitsStored,
                dataset.PixelRepresentation,
                int(dataset.RescaleIntercept),
            )
        )
        hu = read_hu(phantoms / "stage_2_train" / f"{slice_id}.dcm")
        truth = cv2.imread(
            str(phantoms / "truth" / f"{slice_id}.png"), cv2.IMREAD_UNCHANGED
        )
        tissue = np.isin(truth, [TRUTH["white"], TRUTH["grey"]])
        if tissue.sum() > 500:
            assert 20.0 < np.median(hu[tissue]) < 45.0
        air = hu[(truth == TRUTH["air"]) & (hu > -1500)]
        assert -1030 < np.median(air) < -970
    assert storages == {(12, 0, -1024), (16, 1, 0), (12, 0, 0)}


def test_signed_slices_are_padded_outside_the_field_of_view(phantoms):
    for dataset in _datasets(phantoms).values():
        pixels = dataset.pixel_array
        if dataset.PixelRepresentation == 1:
            assert pixels[0, 0] == pixels[-1, -1] == -2000
            assert pixels[128, 1] > -2000


def test_the_same_seed_gives_the_same_bytes_at_any_worker_count(phantoms, tmp_path):
    make(tmp_path / "again", CONFIG, workers=1)
    assert _files(tmp_path / "again") == _files(phantoms)


def test_a_finished_set_is_left_alone(phantoms):
    before = {path: path.stat().st_mtime_ns for path in phantoms.rglob("*")}
    summary = make(phantoms, CONFIG)
    assert summary == json.loads((phantoms / "phantom.json").read_text())
    assert {path: path.stat().st_mtime_ns for path in phantoms.rglob("*")} == before


def test_an_interrupted_run_goes_on(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    arguments = [
        "--patients",
        "20",
        "--slices-per-series",
        "3",
        "--image-size",
        "128",
        "--workers",
        "1",
    ]
    program = [
        sys.executable,
        "-m",
        "data_prep.phantom_head_ct",
        *arguments,
        "--output",
    ]
    # Where the tests run in the background, SIGINT is ignored, and programs they start inherit that.
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [*program, str(broken)], stderr=subprocess.PIPE, text=True, preexec_fn=listen
    )
    while not (broken / ".progress" / "0.json").exists() and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert (
        not (broken / "phantom.json").exists()
        and not (broken / "stage_2_train.csv").exists()
    )
    kept = {p.stat().st_mtime_ns for p in (broken / "stage_2_train").iterdir()}
    assert run(main, [*arguments, "--output", str(broken)]) == 0
    assert (
        len(kept & {p.stat().st_mtime_ns for p in (broken / "stage_2_train").iterdir()})
        >= 3
    )
    assert run(main, [*arguments, "--output", str(whole)]) == 0
    assert _files(broken) == _files(whole)


def test_other_settings_need_overwrite(tmp_path):
    small = {
        "patients": 1,
        "slices_per_series": 2,
        "image_size_px": 64,
        "second_series": 0.0,
    }
    make(tmp_path, PhantomConfig(**small), workers=1)
    old = _files(tmp_path)
    with pytest.raises(UserError, match="seed=0, now 1.*--overwrite"):
        make(tmp_path, PhantomConfig(**small, seed=1), workers=1)
    assert _files(tmp_path) == old
    make(tmp_path, PhantomConfig(**small, seed=1), workers=1, overwrite=True)
    new = _files(tmp_path)
    assert json.loads(new["phantom.json"])["config"]["seed"] == 1
    assert not set(old) & set(new) & {name for name in old if name.endswith(".dcm")}


def test_a_folder_of_something_else_is_never_touched(tmp_path):
    (tmp_path / "stage_2_train").mkdir()
    (tmp_path / "stage_2_train" / "ID_000000000.dcm").write_bytes(b"somebody's data")
    with pytest.raises(UserError, match="other files"):
        make(tmp_path, PhantomConfig(patients=1), overwrite=True)
    assert (
        tmp_path / "stage_2_train" / "ID_000000000.dcm"
    ).read_bytes() == b"somebody's data"
