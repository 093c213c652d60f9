"""After each epoch: scores, rows and checkpoints from which a run goes on as if nothing had been."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from data_prep.labels import HEMORRHAGE_LABELS
from training.fit.callbacks import (
    Checkpoints,
    MetricsFile,
    TrainingDiverged,
    Validation,
    drop_later_rows,
)
from training.fit.optimizers import exclude_vectors_from_decay, make_optimizer
from training.input.pipeline import (
    evaluation_batches,
    image_source,
    labels_and_ids,
    training_batches,
)
from training.papers.scopeformer import RSNA_LABEL_WEIGHTS
from training.runs.config import Config
from training.statistics.several_labels import multilabel_metrics
from training.tasks.losses import WeightedMultiLabelLogLoss
from training.tasks.tasks import task_of

BATCH_SIZE, STEPS = 4, 4
EPOCHS = 4


def scaled(pixels):
    return tf.cast(pixels, tf.float32)[:, ::4, ::4] / 1000


@pytest.fixture(scope="module")
def source(noise_info):
    return image_source(noise_info, "train", scaled)


def make_model(learning_rate=1e-2):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="gelu"),
            keras.layers.Dense(6),
        ]
    )
    config = Config(
        model="scopeformer",
        dataset="rsna_ich",
        records="records",
        epochs=EPOCHS,
        learning_rate=learning_rate,
    )
    optimizer = make_optimizer(config, STEPS)
    exclude_vectors_from_decay(optimizer, model.trainable_variables)
    model.compile(
        optimizer=optimizer, loss=WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS)
    )
    return model


def fit(model, source, callbacks, first_epoch=0, epochs=EPOCHS):
    batches = training_batches(source, BATCH_SIZE, 0, first_epoch, EPOCHS, 100)
    return model.fit(
        batches,
        steps_per_epoch=STEPS,
        initial_epoch=first_epoch,
        epochs=epochs,
        verbose=0,
        callbacks=callbacks,
    ).history


def state(model):
    return [
        variable.numpy() for variable in (*model.variables, *model.optimizer.variables)
    ]


def test_restored_run_goes_on_bit_for_bit(source, tmp_path):
    whole = make_model()
    losses = fit(whole, source, [])["loss"]

    fit(make_model(), source, [Checkpoints(tmp_path, monitor="loss")], epochs=2)
    checkpoints = Checkpoints(tmp_path, monitor="loss")
    resumed = make_model()
    checkpoints.restore(resumed)
    assert checkpoints.finished_epochs() == 2
    assert int(resumed.optimizer.iterations) == 2 * STEPS
    assert fit(resumed, source, [checkpoints], first_epoch=2)["loss"] == losses[2:]
    for expected, found in zip(state(whole), state(resumed), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert checkpoints.finished_epochs() == 4
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == [
        "best.weights.h5",
        "epoch-0004",
    ]


def test_new_run_starts_from_nothing(source, tmp_path):
    model = make_model()
    before = [variable.numpy() for variable in model.variables]
    checkpoints = Checkpoints(tmp_path)
    checkpoints.restore(model)
    assert checkpoints.finished_epochs() == 0
    for expected, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(variable, expected)


def marked(model, value):
    model.layers[-1].bias.assign(np.full(6, value))
    return model


def mark_of(path):
    model = make_model()
    model.load_weights(path)
    return float(model.layers[-1].bias.numpy()[0])


def test_best_epoch_is_kept_also_over_a_resumption(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for epoch, loss in enumerate((0.6, 0.4, 0.5)):
        checkpoints.set_model(marked(make_model(), epoch))
        checkpoints.on_epoch_end(epoch, {"val_log_loss": loss})
    assert mark_of(checkpoints.best_file) == 1

    resumed = Checkpoints(tmp_path)
    model = make_model()
    resumed.restore(model)
    assert float(model.layers[-1].bias.numpy()[0]) == 2
    resumed.set_model(marked(model, 3))
    resumed.on_epoch_end(3, {"val_log_loss": 0.45})
    assert mark_of(resumed.best_file) == 1
    resumed.set_model(marked(model, 4))
    resumed.on_epoch_end(4, {"val_log_loss": 0.3})
    assert mark_of(resumed.best_file) == 4


def test_best_epoch_is_the_first_of_the_highest_where_higher_is_better(tmp_path):
    checkpoints = Checkpoints(tmp_path, "val_accuracy", higher_is_better=True)
    for epoch, accuracy in enumerate((0.4, 0.6, 0.5, 0.6)):
        checkpoints.set_model(marked(make_model(), epoch))
        checkpoints.on_epoch_end(epoch, {"val_accuracy": accuracy})
    assert mark_of(checkpoints.best_file) == 1

    resumed = Checkpoints(tmp_path, "val_accuracy", higher_is_better=True)
    model = make_model()
    resumed.restore(model)
    for epoch, accuracy, best in ((4, 0.55, 1), (5, 0.7, 5)):
        resumed.set_model(marked(model, epoch))
        resumed.on_epoch_end(epoch, {"val_accuracy": accuracy})
        assert mark_of(resumed.best_file) == best


def test_half_written_checkpoint_is_ignored(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.set_model(marked(make_model(), 1))
    checkpoints.on_epoch_end(0, {"val_log_loss": 0.5})
    half = checkpoints.folder / ".partial-epoch-0002"
    half.mkdir()
    (half / "state.weights.h5").write_bytes(b"half")
    (checkpoints.folder / ".partial-best.weights.h5").write_bytes(b"half")

    resumed = Checkpoints(tmp_path)
    model = make_model()
    resumed.restore(model)
    assert (
        resumed.finished_epochs() == 1 and float(model.layers[-1].bias.numpy()[0]) == 1
    )
    resumed.set_model(model)
    resumed.on_epoch_end(1, {"val_log_loss": 0.4})
    assert resumed.finished_epochs() == 2
    assert sorted(path.name for path in resumed.folder.iterdir()) == [
        "best.weights.h5",
        "epoch-0002",
    ]


def test_validation_scores_are_those_of_the_whole_split(source, noise_info):
    validation = image_source(noise_info, "validation", scaled)
    model = make_model()
    # 8 slices in batches of 3: the last one is padded.
    config = Config(
        model="scopeformer",
        dataset="rsna_ich",
        records="records",
        label_names=HEMORRHAGE_LABELS,
        label_weights=RSNA_LABEL_WEIGHTS,
        task="multilabel",
        modality="ct",
    )
    history = fit(model, source, [Validation(validation, 3, task_of(config))], epochs=1)
    labels, _ = labels_and_ids(validation)
    logits = model.predict(
        np.concatenate(list(evaluation_batches(validation, 8))), verbose=0
    )
    probabilities = 1 / (1 + np.exp(-logits.astype("float64")))
    scores = multilabel_metrics(
        labels, probabilities, HEMORRHAGE_LABELS, RSNA_LABEL_WEIGHTS, draws=1
    )
    for name in ("log_loss", "accuracy", "weighted_accuracy", "recall"):
        assert history[f"val_{name}"] == [pytest.approx(scores[name], abs=1e-6)]
    for label, of_label in scores["labels"].items():
        for name in ("auroc", "accuracy", "recall"):
            if of_label[name] is None:
                assert f"val_{name}_{label}" not in history
            else:
                assert history[f"val_{name}_{label}"] == [
                    pytest.approx(of_label[name], abs=1e-6)
                ]
    # The split has no subdural: its AUROC and recall cannot be had.
    assert (
        scores["labels"]["subdural"]["auroc"] is None
        and scores["labels"]["epidural"]["auroc"] is not None
    )


def rows_of(run_dir):
    return [
        json.loads(line)
        for line in (run_dir / "metrics.jsonl").read_text().splitlines()
    ]


def test_metrics_file_has_a_row_per_epoch(source, tmp_path):
    history = fit(
        make_model(), source, [MetricsFile(tmp_path, STEPS, BATCH_SIZE)], epochs=3
    )
    rows = rows_of(tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["steps"] for row in rows] == [4, 8, 12]
    assert [row["loss"] for row in rows] == history["loss"]
    assert rows[0]["learning_rate"] == pytest.approx(1e-2)  # the warm-up's end
    assert (
        rows[0]["learning_rate"]
        > rows[1]["learning_rate"]
        > rows[2]["learning_rate"]
        > 0
    )
    for row in rows[1:]:
        images = row["images_per_second"] * row["seconds"]
        assert row["seconds"] >= 0 and images == pytest.approx(
            16, abs=0.006 * row["images_per_second"]
        )


def test_rows_of_epochs_to_run_again_are_dropped(source, tmp_path):
    drop_later_rows(tmp_path, 2)  # nothing there yet
    assert not list(tmp_path.iterdir())
    table = tmp_path / "metrics.csv"
    fit(make_model(), source, [MetricsFile(tmp_path, STEPS, BATCH_SIZE)], epochs=3)
    before, lines = rows_of(tmp_path), table.read_text().splitlines()
    # As a power cut in the middle of a row leaves it.
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "lo')
    drop_later_rows(tmp_path, 3)
    assert rows_of(tmp_path) == before and table.read_text().splitlines() == lines
    drop_later_rows(tmp_path, 2)
    assert (
        rows_of(tmp_path) == before[:2] and table.read_text().splitlines() == lines[:3]
    )
    drop_later_rows(tmp_path, 0)
    assert rows_of(tmp_path) == [] and table.read_text().strip() == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "metrics.csv",
        "metrics.jsonl",
    ]


def test_loss_that_is_no_number_stops_the_run(source, tmp_path):
    model = make_model()
    model.layers[-1].bias.assign(np.full(6, np.nan))
    with pytest.raises(
        TrainingDiverged,
        match="became nan in epoch 1, step 1; try a lower learning_rate",
    ):
        fit(
            model,
            source,
            [
                MetricsFile(tmp_path, STEPS, BATCH_SIZE),
                Checkpoints(tmp_path, monitor="loss"),
            ],
        )
    assert not (tmp_path / "metrics.jsonl").exists()
    assert Checkpoints(tmp_path).finished_epochs() == 0
