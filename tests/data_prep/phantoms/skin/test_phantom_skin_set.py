"""A whole phantom skin set on disk: layout, labels, lesions, determinism, resuming and refusals."""

import csv
import json
from collections import Counter

import cv2
import pytest

from data_prep.labels import SKIN_LESION_LABELS
from data_prep.phantoms.skin import PhantomSkinConfig, make
from data_prep.phantoms.skin.__main__ import main
from data_prep.phantoms.skin.config import count_images, plan_lesions
from data_prep.phantoms.skin.contact_sheet import COLUMNS
from keras_medformers.support.command_line import run
from keras_medformers.support.errors import UserError

CONFIG = PhantomSkinConfig(images=30, several_views=0.4, seed=5)
IMAGES = "ISIC2018_Task3_Training_Input"
LABELS = "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"


def _files(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    make(folder, CONFIG, workers=2)
    return folder


def test_layout_is_isic2018s(phantoms):
    assert sorted(p.name for p in phantoms.iterdir()) == [
        "ISIC2018_Task3_Training_GroundTruth",
        IMAGES,
        LESIONS,
        "contact_sheet.png",
        "phantom.json",
    ]
    names = sorted(p.name for p in (phantoms / IMAGES).iterdir())
    assert len(names) == 30 and {name.rpartition(".")[2] for name in names} == {
        "jpg",
        "png",
    }
    assert not list(phantoms.rglob("*partial*"))


def test_labels_are_one_hot_and_as_many_as_planned(phantoms):
    rows = _rows(phantoms / LABELS)
    assert tuple(rows[0]) == ("image", *SKIN_LESION_LABELS)
    assert {path.stem for path in (phantoms / IMAGES).iterdir()} == {
        row["image"] for row in rows
    }
    counts = Counter()
    for row in rows:
        assert sorted(row[label] for label in SKIN_LESION_LABELS) == ["0.0"] * 6 + [
            "1.0"
        ]
        counts.update(label for label in SKIN_LESION_LABELS if row[label] == "1.0")
    assert counts == count_images(CONFIG)
    assert json.loads((phantoms / "phantom.json").read_text())["classes"] == counts


def test_images_of_a_lesion_have_one_class(phantoms):
    rows = _rows(phantoms / LESIONS)
    assert list(rows[0]) == ["image", "lesion_id", "diagnosis_confirm_type"]
    labels = {
        row["image"]: next(label for label in SKIN_LESION_LABELS if row[label] == "1.0")
        for row in _rows(phantoms / LABELS)
    }
    lesions = {}
    for row in rows:
        lesions.setdefault(row["lesion_id"], set()).add(labels[row["image"]])
    assert all(len(classes) == 1 for classes in lesions.values())
    assert 1 < max(Counter(row["lesion_id"] for row in rows).values()) <= 4


def test_every_picture_decodes_with_its_size(phantoms):
    for plan in plan_lesions(CONFIG):
        for name, (width, height) in zip(plan.files, plan.sizes_px, strict=True):
            picture = cv2.imread(str(phantoms / IMAGES / name), cv2.IMREAD_UNCHANGED)
            assert picture.shape == (height, width, 3), name


def test_contact_sheet_has_a_line_per_class(phantoms):
    sheet = cv2.imread(str(phantoms / "contact_sheet.png"))
    height, width = sheet.shape[:2]
    assert height % len(SKIN_LESION_LABELS) == 0 and width % COLUMNS == 0
    tile = width // COLUMNS
    for line in range(len(SKIN_LESION_LABELS)):
        bottom = (line + 1) * height // len(SKIN_LESION_LABELS)
        assert sheet[bottom - tile : bottom, :tile].std() > 5


def test_the_same_seed_gives_the_same_bytes_at_any_worker_count(phantoms, tmp_path):
    make(tmp_path / "again", CONFIG, workers=1)
    assert _files(tmp_path / "again") == _files(phantoms)


def test_a_finished_set_is_left_alone(phantoms):
    before = {path: path.stat().st_mtime_ns for path in phantoms.rglob("*")}
    assert make(phantoms, CONFIG) == json.loads((phantoms / "phantom.json").read_text())
    assert {path: path.stat().st_mtime_ns for path in phantoms.rglob("*")} == before


def test_an_interrupted_run_goes_on(phantoms, tmp_path):
    config = PhantomSkinConfig(images=14, seed=5)
    make(tmp_path, config, workers=1)
    whole = _files(tmp_path)
    # What an interruption leaves: the settings, some pictures, a picture half written, no lists.
    pictures = sorted((tmp_path / IMAGES).iterdir())
    kept = {path: path.stat().st_mtime_ns for path in pictures[:5]}
    for path in pictures[5:]:
        path.unlink()
    pictures[5].with_name(f".partial-{pictures[5].name}").write_bytes(b"half")
    for name in (LABELS, LESIONS, "contact_sheet.png"):
        (tmp_path / name).unlink()
    (tmp_path / "phantom.json").replace(tmp_path / "phantom_unfinished.json")
    make(tmp_path, config, workers=1)
    assert _files(tmp_path) == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_other_settings_need_overwrite(tmp_path, capsys):
    arguments = ["--output", str(tmp_path), "--images", "14", "--workers", "1"]
    assert run(main, arguments) == 0
    old = _files(tmp_path)
    assert run(main, [*arguments, "--seed", "1"]) == 2
    assert "seed=0, now 1); give --overwrite" in capsys.readouterr().err
    assert _files(tmp_path) == old
    assert run(main, [*arguments, "--seed", "1", "--overwrite"]) == 0
    new = _files(tmp_path)
    assert json.loads(new["phantom.json"])["config"]["seed"] == 1
    assert len([name for name in new if name.startswith(IMAGES)]) == 14
    assert not set(old.values()) & set(new.values())


def test_a_folder_of_something_else_is_never_touched(tmp_path):
    (tmp_path / IMAGES).mkdir()
    (tmp_path / IMAGES / "ISIC_0000001.jpg").write_bytes(b"somebody's data")
    with pytest.raises(UserError, match="other files"):
        make(tmp_path, CONFIG, overwrite=True)
    assert (tmp_path / IMAGES / "ISIC_0000001.jpg").read_bytes() == b"somebody's data"
    with pytest.raises(UserError, match="must be a folder"):
        make(tmp_path / IMAGES / "ISIC_0000001.jpg", CONFIG)


def test_a_damaged_mark_is_an_error(tmp_path):
    (tmp_path / "phantom.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        make(tmp_path, CONFIG)


def test_workers_must_be_positive(tmp_path):
    assert run(main, ["--output", str(tmp_path / "set"), "--workers", "0"]) == 2
    assert not (tmp_path / "set").exists()
