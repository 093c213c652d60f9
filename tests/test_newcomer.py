"""A newcomer's model, data set and recipe, defined here alone, go all the way through the house.

Nothing else of the repository knows of them: a small network `foo`, a data set `chest` of chest
X-rays with several labels, and a recipe. They are trained, evaluated, reported, exported and
predicted by the programs as they are, and nothing that these say is about other people's
pictures: no slice, study, brain window, Hounsfield unit or label `any` (the English word may stand).
"""

import json
import re

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from data_prep import datasets
from data_prep.datasets.base import Dataset, Listing, fingerprint
from data_prep.modalities.radiograph.records import READER
from keras_medformers import registry
from keras_medformers.layers import AreaResize
from keras_medformers.registry import ModelLayers, register_model
from keras_medformers.support import command_line
from training import train
from training.papers import lookup
from training.predict import __main__ as predict

pytestmark = pytest.mark.slow

LABELS = ("Atelectasis", "Effusion", "Mass")
SIDE_PX = 48
CARD = "export/foo/1/assets/model_card.json"
OTHER_PEOPLES_WORDS = re.compile(
    r"\b(slices?|stud(y|ies)|series|brain|HU|hounsfield|any(?! size| height| other))\b",
    re.IGNORECASE,
)


def foo(num_classes, input_shape, classifier_activation=None, *, width=8):
    """Two convolutions, the mean over positions, a dense layer."""
    image = keras.Input(input_shape, name="image")
    x = keras.layers.Conv2D(width, 3, 2, "same", activation="relu", name="one")(image)
    x = keras.layers.Conv2D(width, 3, 2, "same", activation="relu", name="two")(x)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras.layers.Dense(num_classes, classifier_activation, name="answer")
    return keras.Model(image, logits(pooled), name="foo")


def foo_preprocessor(image_size):
    """Grey values to a square, from 0 to 1."""
    return keras.Sequential(
        [
            keras.Input((None, None, 1), dtype="uint16", name="pixels"),
            AreaResize(image_size, image_size, dtype="float32", name="resize"),
            keras.layers.Rescaling(1 / 65535, dtype="float32", name="to_one"),
        ],
        name="preprocessor",
    )


def list_images(data_dir):
    """The files that `chest.csv` names, with their labels and patients."""
    table = pd.read_csv(data_dir / "chest.csv", dtype={"patient": str})
    files = table["file"].tolist()
    sizes = [(name, (data_dir / name).stat().st_size) for name in files]
    return Listing(
        root=data_dir,
        files=files,
        source_ids=files,
        labels=table[list(LABELS)].to_numpy(np.int8),
        group_ids=table["patient"].tolist(),
        fingerprint=fingerprint([data_dir / "chest.csv"], sizes),
    )


CHEST = Dataset(
    name="chest",
    label_names=LABELS,
    fractions=(0.5, 0.25, 0.25),
    prepare=lambda data_dir: None,
    list_images=list_images,
    reader=READER,
)

RECIPE = dict(
    model="foo",
    dataset="chest",
    input_size=SIDE_PX,
    epochs=2,
    batch_size=8,
    learning_rate=1e-2,
)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """Makes the model, the data set and the recipe known, and takes them back."""
    folder = tmp_path_factory.mktemp("newcomer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
        register_model(
            "foo",
            foo,
            num_classes=len(LABELS),
            input_shape=(SIDE_PX, SIDE_PX, 1),
            preprocessor=foo_preprocessor,
            modality="radiograph",
            layers=ModelLayers(features="two", head="answer", normalise="to_one"),
        )
        known = datasets.list_datasets
        patch.setattr(datasets, "list_datasets", lambda: {**known(), "chest": CHEST})
        patch.setitem(lookup.RECIPES, "foo", RECIPE)
        yield folder


@pytest.fixture(scope="module")
def data_dir(newcomer):
    """Drawn chests of 24 patients, two each, 16-bit PNG files, and their list."""
    folder = newcomer / "chests"
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = []
    for number in range(48):
        labels = random.integers(0, 2, len(LABELS))
        y, x = np.mgrid[-1 : 1 : 90 * 1j, -1 : 1 : 80 * 1j]
        lungs = np.hypot((np.abs(x) - 0.42) / 0.33, y / 0.75) < 1
        grey = np.where(lungs, 14_000, 40_000) + random.normal(0, 800, lungs.shape)
        for index in np.flatnonzero(labels):
            grey += 20_000 * (np.hypot(x - 0.4, y - 0.4 * (index - 1)) < 0.12)
        name = f"{number}.png"
        cv2.imwrite(str(folder / name), np.clip(grey, 0, 65535).astype(np.uint16))
        rows.append([name, f"p{number // 2}", *labels])
    table = pd.DataFrame(rows, columns=["file", "patient", *LABELS])
    table.to_csv(folder / "chest.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run_dir(newcomer, data_dir):
    """What `make train MODEL=foo DATASET=chest` leaves behind."""
    run_dir = newcomer / "run"
    tfrecords_options = {
        "dataset": "chest",
        "data-dir": data_dir,
        "records": newcomer / "records",
        "id-key-file": newcomer / "key",
        "workers": 1,
        "shards": 1,
    }
    assert _run(train.tfrecords.main, tfrecords_options) == 0
    options = {
        "model": "foo",
        "dataset": "chest",
        "records": newcomer / "records",
        "run": run_dir,
    }
    assert _run(train.main, options) == 0
    return run_dir


def _run(main, options):
    return command_line.run(
        main, [f"--{name}={value}" for name, value in options.items()]
    )


def _texts(value):
    """All words of a JSON value, keys included."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield key.replace("_", " ")
            yield from _texts(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _texts(inside)
    elif isinstance(value, str):
        yield value


def _other_peoples_words(text):
    return sorted({found.group(0) for found in OTHER_PEOPLES_WORDS.finditer(text)})


def test_evaluation_speaks_of_these_images_alone(run_dir):
    scores = json.loads((run_dir / "evaluation.json").read_text())

    assert set(scores["images"]["labels"]) == set(LABELS)
    assert scores["images"]["count"] == 12
    assert _other_peoples_words(" ".join(_texts(scores))) == []


def test_report_and_model_card_speak_of_these_images_alone(run_dir):
    page = (run_dir / "report.html").read_text()
    text = re.sub(
        r"<style.*?</style>|<script.*?</script>|<[^>]+>", " ", page, flags=re.S
    )
    card = json.loads((run_dir / CARD).read_text())

    assert all(label in text for label in LABELS) and "radiograph" in text
    assert _other_peoples_words(text) == []
    assert card["modality"] == "radiograph" and card["task"] == "multilabel"
    assert _other_peoples_words(" ".join(_texts(card))) == []


def test_export_answers_raw_radiographs(run_dir, data_dir):
    export = tf.saved_model.load(str(run_dir / "export/foo/1"))
    pixels = cv2.imread(str(data_dir / "0.png"), cv2.IMREAD_UNCHANGED)

    answer = export.signatures["serving_default"](tf.constant(pixels[None, ..., None]))

    assert [name.decode() for name in answer["labels"].numpy().ravel()] == list(LABELS)
    assert answer["probabilities"].shape == (1, len(LABELS))


def test_predictions_of_files_are_the_exports(run_dir, data_dir, newcomer, caplog):
    output = newcomer / "predictions"
    files = [str(data_dir / f"{number}.png") for number in range(3)]

    code = command_line.run(
        predict.main, [f"--run={run_dir}", f"--output={output}", *files]
    )

    assert code == 0
    table = pd.read_csv(output / "predictions.csv")
    assert len(table) == 3 and set(LABELS) <= set(table)
    words = f"{' '.join(table.columns)} {caplog.text}".replace("_", " ")
    assert _other_peoples_words(words.replace(str(newcomer), "")) == []
