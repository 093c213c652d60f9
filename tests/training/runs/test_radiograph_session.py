"""A run on radiographs with several labels, from files to a report, an export and answers."""

import csv
import json
import re

import cv2
import numpy as np
import pandas as pd
import pytest
from radiograph_files import chest, write_chest

from data_prep.records.build import build
from data_prep.records.build_config import BuildConfig
from training.explain.explainer import Explainer
from training.predict.__main__ import main as predict
from training.runs import session
from training.runs.config import Config
from training.runs.recipes import recipe
from training.runs.resolve import resolve

LABELS = ("Mass", "Effusion")


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    """`DatasetInfo` of 32 chests, half of them with a spot."""
    data_dir, rows = tmp_path_factory.mktemp("radiographs") / "data", []
    for number in range(32):
        name = f"{number}.{'png' if number % 3 else 'dcm'}"
        write_chest(data_dir / name, spot=number % 2 == 0)
        rows.append([name, f"p{number}", int(number % 2 == 0), int(number % 4 < 2)])
    with (data_dir / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "patient", *LABELS), *rows])
    config = BuildConfig("radiograph_csv", shards=1, fractions=(0.5, 0.25, 0.25))
    return build(
        config,
        data_dir,
        data_dir.parent / "records",
        workers=1,
        id_key_file=data_dir.parent / "key",
    )


@pytest.fixture(scope="module")
def run_dir(info, tmp_path_factory):
    """A run of one epoch, evaluated and exported."""
    run_dir = tmp_path_factory.mktemp("runs") / "radiographs"
    config = recipe(
        "radiograph_backbone",
        records=str(info.records_dir),
        model_config={"backbone": "mobilenet"},
        backbone_weights="none",
        input_size=32,
        batch_size=8,
        epochs=1,
        learning_rate=1e-3,
    )
    session.open_run(run_dir, resolve(config))
    session.train(run_dir)
    session.evaluate(run_dir)
    session.export(run_dir)
    return run_dir


@pytest.fixture(scope="module")
def card(run_dir):
    (path,) = run_dir.glob("export/*/1/assets/model_card.json")
    return json.loads(path.read_text())


def test_records_decide_on_modality_and_task(run_dir):
    config = Config.load(run_dir)
    assert (config.modality, config.task) == ("radiograph", "multilabel")
    assert config.label_names == LABELS


def test_evaluation_and_report_are_there(run_dir):
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    assert evaluation["split"] == "test"
    assert len(pd.read_csv(run_dir / "predictions.csv")) == 8
    html = (run_dir / "report.html").read_text()
    assert all(label in html for label in LABELS)
    assert not re.search(r"\b(slices?|brain|HU)\b", html, re.IGNORECASE)
    sheet = cv2.imread(str(run_dir / "figures" / "examples.png"))
    assert sheet is not None


def test_the_export_says_what_it_takes(card):
    assert (card["modality"], card["task"]) == ("radiograph", "multilabel")
    assert (card["pixel_dtype"], card["channels"]) == ("uint16", 1)
    assert card["preparation"] == {"image_size": 512}
    assert "radiographs" in card["intended_use"]
    assert "grey_to_rgb" in card["preprocessing"]


def test_predict_answers_for_dicom_and_png_alike(run_dir, tmp_path):
    write_chest(tmp_path / "in" / "a.dcm", spot=True)
    write_chest(tmp_path / "in" / "b.png", spot=True)
    (tmp_path / "in" / "c.png").write_bytes(b"nothing")
    output = tmp_path / "out"
    predict(["--run", str(run_dir), str(tmp_path / "in"), "--output", str(output)])

    table = pd.read_csv(output / "predictions.csv")
    assert len(table) == 2
    assert table["view"].tolist()[:1] == ["PA"]
    first, second = table[list(LABELS)].to_numpy()
    # One has 12 bits, the other 16.
    np.testing.assert_allclose(first, second, atol=0.02)
    studies = pd.read_csv(output / "studies.csv")
    assert studies.columns[:3].tolist() == ["study", "images", "rule"]
    (rejected,) = pd.read_csv(output / "rejects.csv")["reason"]
    assert rejected == "is not a PNG file, or is damaged"


def test_predict_draws_heat_maps_over_the_picture(run_dir, tmp_path):
    write_chest(tmp_path / "a.dcm")
    predict(
        [
            "--run",
            str(run_dir),
            str(tmp_path / "a.dcm"),
            "--output",
            str(tmp_path / "out"),
            "--overlays",
        ]
    )
    (overlay,) = (tmp_path / "out" / "overlays").iterdir()
    assert cv2.imread(str(overlay)).shape == (*chest().shape, 3)


def test_explain_reads_the_same_pixels(run_dir, tmp_path):
    explainer = Explainer(run_dir, None, "Mass")
    image = explainer.read(write_chest(tmp_path / "a.dcm", spot=True))
    assert (image.dtype, image.shape) == (np.uint16, (*chest().shape, 1))
    ((found, picture, _),) = explainer.explain([image])
    assert found["label"] == "Mass"
    assert picture.shape == (*chest().shape, 3)
