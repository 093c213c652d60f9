"""What the program draws of a run over its own records, without paths, and of several runs."""

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_records import SIZE_PX, small_config

import keras_medformers
from keras_medformers.support import command_line
from training.explain import __main__ as explain
from training.explain import insight
from training.explain.pictures import title
from training.input.pipeline import image_source, labels_and_ids
from training.runs.config import Config
from training.runs.workbench import Workbench

TWO_BACKBONES = {
    "backbones": ["mobilenet", "mobilenet"],
    "feature_size": 12,
    "num_layers": 3,
    "mlp_dim": 8,
    "num_heads": 2,
}
VIT = {"patch_size": 16, "num_layers": 2, "embed_dim": 8, "mlp_dim": 8, "num_heads": 2}
INSIDE = [
    "attention_first.png", "attention_last.png", "feature_maps_backbones.png", "feature_maps_projections.png",
    "redundancy.csv", "redundancy.png", "similarity.csv", "similarity.png",
]  # fmt: skip


def save_run(run_dir, info, model, settings):
    """An untrained run whose head is random, so that its answers differ."""
    run_dir.mkdir()
    small_config(info, model=model, model_config=settings).save(run_dir)
    keras.utils.set_random_seed(5)
    network = keras_medformers.create_model(
        model,
        num_classes=len(info.label_names),
        input_shape=(SIZE_PX, SIZE_PX, 3),
        **settings,
    )
    head = network.get_layer("head")
    head.kernel.assign(np.random.default_rng(0).normal(size=head.kernel.shape))
    network.save(run_dir / "model.keras")
    return run_dir


@pytest.fixture(scope="module")
def runs(tmp_path_factory, phantom_info):
    folder = tmp_path_factory.mktemp("runs")
    return {
        "two": save_run(
            folder / "two", phantom_info, "efficient_scopeformer", TWO_BACKBONES
        ),
        "vit": save_run(folder / "vit", phantom_info, "scopeformer_vit", VIT),
        "cnn": save_run(
            folder / "cnn",
            phantom_info,
            "scopeformer_backbone",
            {"backbone": "mobilenet"},
        ),
    }


def run(*arguments):
    return command_line.run(explain.main, [str(argument) for argument in arguments])


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_run_over_its_records(runs):
    assert run("--run", runs["two"], "--images", 5) == 0

    out = runs["two"] / "explain"
    assert names_in(out) == sorted([*INSIDE, "contact_sheet.png"])
    similarity = pd.read_csv(out / "similarity.csv")
    assert list(similarity["encoder"]) == [1, 2, 3]
    assert similarity["cosine_similarity_to_last"].iloc[-1] == pytest.approx(1)
    redundancy = pd.read_csv(out / "redundancy.csv")
    assert len(redundancy) == 6 and set(redundancy["positions"]) == {5 * 2 * 2}
    assert redundancy["mean_absolute_correlation"].between(0, 1).all()
    for path in out.glob("*.png"):
        picture = np.asarray(Image.open(path).convert("L"))
        assert picture.shape[1] > 600 and picture.std() > 5


def test_what_a_network_has_not_is_left_out(runs, tmp_path):
    assert run("--run", runs["vit"], "--images", 3, "--output", tmp_path / "vit") == 0
    assert run("--run", runs["cnn"], "--images", 3, "--output", tmp_path / "cnn") == 0
    assert names_in(tmp_path / "vit") == [
        "attention_first.png", "attention_last.png", "attention_slices.png", "contact_sheet.png",
        "similarity.csv", "similarity.png",
    ]  # fmt: skip
    assert names_in(tmp_path / "cnn") == [
        "contact_sheet.png",
        "feature_maps_backbones.png",
    ]


def test_several_runs_in_one_plot(runs):
    assert run("--run", runs["two"], "--run", runs["vit"], "--images", 3) == 0

    out = runs["two"].parent / "similarity"
    assert names_in(out) == ["similarity.csv", "similarity.png"]
    table = pd.read_csv(out / "similarity.csv")
    assert table.groupby("model", sort=False)["encoder"].max().to_dict() == {
        "two": 3,
        "vit": 2,
    }


@pytest.fixture(scope="module")
def look(runs, phantom_info):
    """Looks at the images of the test split through the run on two backbones."""
    bench = Workbench(small_config(phantom_info, model_config=TWO_BACKBONES))
    source = image_source(phantom_info, "test", bench.preprocessor)
    model = keras.models.load_model(runs["two"] / "model.keras", compile=False)
    return lambda **arguments: insight.look(model, bench, source, **arguments)


def test_shows_the_positive_that_was_found_most_surely(look, phantom_info):
    seen = look()
    labels, _ = labels_and_ids(
        image_source(phantom_info, "test", lambda pixels: pixels)
    )

    np.testing.assert_array_equal(seen.labels, labels)
    assert len(seen.records) == 6 and seen.label == 0
    positive = np.flatnonzero(labels[:, 0])
    assert seen.shown == positive[seen.probabilities[positive, 0].argmax()]
    of_label = look(label="subdural")
    column = phantom_info.label_names.index("subdural")
    candidates = np.flatnonzero(labels[:, column])
    candidates = candidates if len(candidates) else np.arange(6)
    assert of_label.label == column
    assert of_label.shown == candidates[seen.probabilities[candidates, column].argmax()]


def test_shows_the_image_asked_for_beside_the_first_ones(look):
    everything = look()
    wanted = everything.records[4]["source_id"].decode()

    seen = look(images=3, source_id=wanted)

    ids = [each["source_id"].decode() for each in seen.records]
    others = [each["source_id"].decode() for each in everything.records[:2]]
    assert seen.shown == 0 and ids == [wanted, *others]
    np.testing.assert_allclose(
        seen.probabilities[0], everything.probabilities[4], atol=1e-5
    )
    np.testing.assert_allclose(
        seen.maps[insight.PROJECTED]["mobilenet_2"][0],
        everything.maps[insight.PROJECTED]["mobilenet_2"][4],
        atol=1e-3,
    )
    assert [maps.shape for maps in seen.attention] == [(2, 12, 12), (2, 12, 12)]


def test_mistakes(runs, capsys):
    for arguments, message in (
        (
            ["--show", "ID_absent"],
            "there is no image 'ID_absent' among the 6 of this split",
        ),
        (["--images", 0], "expected --images of at least 1, received 0"),
        (
            ["--run", runs["vit"], "a.dcm"],
            "expected one --run to explain files with, or several --run",
        ),
        (["--run", runs["cnn"]], "scopeformer_backbone, has no encoders to compare"),
        (["--label", "fracture"], "expected --label to be one of any, epidural"),
        (["--records", "nowhere"], "nowhere"),
    ):
        assert run("--run", runs["two"], *arguments) == 2
        assert message in capsys.readouterr().err


def test_title_says_what_a_reader_has_to_know(runs):
    said = title("Heading", "what of", Config.load(runs["two"]))
    assert said.splitlines()[:2] == ["Heading", "what of"]
    assert "trained on phantoms" in said and "untrained backbones" in said
