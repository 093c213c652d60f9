"""A set of phantom mammograms on disk: files, manifest, determinism, resuming and refusals."""

import csv
import dataclasses
import json
from collections import Counter

import cv2
import numpy as np
import pydicom
import pytest

from data_prep.modalities.mammogram.dicom import read_mammogram
from data_prep.phantoms.mammography import (
    PhantomMammographyConfig,
    findings,
    make,
    phantom_set,
)
from data_prep.phantoms.mammography.__main__ import main
from data_prep.phantoms.mammography.anatomy import draw_breast
from data_prep.phantoms.mammography.config import BreastPlan, plan_patients
from data_prep.phantoms.mammography.exam import draw_view
from keras_medformers.support.command_line import run
from keras_medformers.support.errors import UserError

CONFIG = PhantomMammographyConfig(
    patients=6, image_height_px=208, monochrome1=0.5, seed=4
)


def _files(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def _rows(folder):
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    make(folder, CONFIG, workers=1)
    return folder


def test_four_views_per_patient_with_the_planned_findings(phantoms):
    assert sorted(path.name for path in phantoms.iterdir()) == [
        "contact_sheet.png", "images", "manifest.csv", "phantom.json",
    ]  # fmt: skip
    rows = _rows(phantoms)
    planned = {
        (plan.name, breast.laterality[0].upper()): breast
        for plan in plan_patients(CONFIG)
        for breast in plan.breasts
    }
    assert Counter(row["view"] for row in rows) == dict.fromkeys(
        ("LCC", "RCC", "LMLO", "RMLO"), 6
    )
    for row in rows:
        breast = planned[row["patient"], row["laterality"]]
        assert row["finding_type"] == breast.finding_type
        assert row["label"] == ("malignant" if breast.malignant else "non_malignant")
        assert row["view"].startswith(row["laterality"])
    summary = json.loads((phantoms / "phantom.json").read_text())
    assert (
        summary["images"] == 24
        and summary["labels"]["malignant"] == round(0.4 * 12) * 2
    )


def test_files_are_mammograms_for_presentation_of_many_storages(phantoms):
    kinds = set()
    for row in _rows(phantoms):
        dataset = pydicom.dcmread(phantoms / row["file"])
        assert (
            dataset.Modality == "MG"
            and dataset.PresentationIntentType == "FOR PRESENTATION"
        )
        assert (dataset.Rows, dataset.Columns) == (
            208,
            160,
        ) and dataset.PatientID == row["patient"]
        assert float(dataset.ImagerPixelSpacing[0]) == pytest.approx(0.07 * 3328 / 208)
        kinds.add(
            (
                dataset.BitsStored,
                dataset.PhotometricInterpretation,
                dataset.get("VOILUTFunction"),
            )
        )
        grey = read_mammogram(phantoms / row["file"]).grey
        assert grey.max() > 50000 and grey.min() < 9000
    assert len(kinds) >= 4 and len({photometric for _, photometric, _ in kinds}) == 2


def _nothing(tile):
    return findings.Tile(np.zeros_like(tile.added), np.zeros_like(tile.smoothed))


@pytest.mark.parametrize("laterality", ["left", "right"])
@pytest.mark.parametrize(
    "finding_type, malignant",
    [
        ("mass", True),
        ("mass", False),
        ("calcifications", True),
        ("architectural_distortion", True),
    ],
)
def test_boxes_hold_what_was_drawn(monkeypatch, laterality, finding_type, malignant):
    """The same view with a finding of no brightness differs from it inside the box, hardly outside."""
    shape, spacing = CONFIG.shape_px, CONFIG.spacing_mm
    breast = draw_breast(np.random.default_rng(1))
    plan = BreastPlan(laterality, finding_type, malignant)

    def view():
        return draw_view(
            breast, "MLO", plan, 9.0, shape, spacing, np.random.default_rng(2)
        )

    level, (x, y, width, height) = view()
    with monkeypatch.context() as patch:
        drawn = findings.draw
        patch.setattr(findings, "box_of", lambda added: (0, 0, 1, 1))
        patch.setattr(findings, "draw", lambda *arguments: _nothing(drawn(*arguments)))
        without, _ = view()
    change = np.abs(level - without)
    assert 0 <= x < x + width <= shape[1] and 0 <= y < y + height <= shape[0]
    inside = change[y : y + height, x : x + width].copy()
    change[y : y + height, x : x + width] = 0
    assert (
        inside.max() > 0.1 and change.max() < 0.1 and change.sum() < 0.3 * inside.sum()
    )
    assert 5 < np.sqrt(width * height) * spacing < 50  # in mm


def test_the_same_settings_make_the_same_files_at_any_number_of_processes(
    phantoms, tmp_path
):
    make(tmp_path / "again", CONFIG, workers=2)
    assert _files(tmp_path / "again") == _files(phantoms)


def test_an_interrupted_set_is_completed(phantoms, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            phantom_set,
            "write_contact_sheet",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, CONFIG, workers=1)
    assert not (tmp_path / "phantom.json").exists()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.dcm")}
    make(tmp_path, CONFIG, workers=1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.dcm")} == times
    assert _files(tmp_path) == _files(phantoms)


def test_other_settings_need_overwrite_and_other_files_are_left_alone(
    phantoms, tmp_path
):
    before = _files(phantoms)
    make(phantoms, CONFIG)
    with pytest.raises(UserError, match="patients=6, now 7"):
        make(phantoms, dataclasses.replace(CONFIG, patients=7))
    assert _files(phantoms) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        make(tmp_path / "other", CONFIG)


def test_the_contact_sheet_shows_something(phantoms):
    sheet = cv2.imread(str(phantoms / "contact_sheet.png"), cv2.IMREAD_UNCHANGED)
    assert sheet.shape[1] == 8 * 240 and 5 < sheet.mean() < 128


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--patients=0"], "patients must be at least 1"),
        (
            ["--image-height=417"],
            "image_height_px must be a multiple of 13 from 208 to 3328",
        ),
        (["--malignant=0.7", "--benign=0.4"], "malignant + benign must be at most 1"),
        (["--workers=0"], "--workers must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_errors(tmp_path, capsys, arguments, message):
    assert run(main, [f"--output={tmp_path / 'set'}", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_shares_of_types_and_of_malignancy_hold():
    plans = plan_patients(PhantomMammographyConfig(patients=500))
    breasts = [breast for plan in plans for breast in plan.breasts]
    assert sum(breast.malignant for breast in breasts) == 400
    counts = Counter((breast.finding_type, breast.malignant) for breast in breasts)
    assert counts[("mass", True)] == 200 and counts[("", False)] == 350
    distortions = [
        counts[("architectural_distortion", malignant)] for malignant in (True, False)
    ]
    assert distortions == [56, 0]
