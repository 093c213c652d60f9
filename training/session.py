"""A run from its configuration to its results: trains, evaluates, reports and exports."""

import dataclasses
import json
import logging
import os
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from data_prep.errors import UserError
from data_prep.schema import DatasetInfo
from keras_medformers.serving.export import export_saved_model
from training import callbacks, evaluation, report
from training.config import CONFIG_FILE, Config
from training.distribution import make_strategy
from training.input_pipeline import (
    evaluation_batches,
    image_source,
    labels_and_ids,
    steps_per_epoch,
    training_batches,
)
from training.losses import WeightedMultiLabelLogLoss, constant_prevalence_score
from training.metrics import WeightedLogLoss
from training.optimizers import exclude_vectors_from_decay, make_optimizer
from training.workbench import Workbench

logger = logging.getLogger(__name__)

MODEL_FILE = "model.keras"
EXPORT_SAMPLE_SLICES = 4


def with_labels_of_records(config):
    """A copy of the configuration with the labels of its records.

    Raises:
        UserError: If the records are not there, or are of another data set.
    """
    info = DatasetInfo.load(config.records)
    if info.dataset != config.dataset:
        raise UserError(
            f"expected records of {config.dataset} in {config.records}, found those of {info.dataset}; "
            "name another folder by --records"
        )
    return dataclasses.replace(config, label_names=tuple(info.label_names))


def open_run(run_dir, config):
    """Makes the run's folder, or goes on with the one there if it is of the same configuration.

    Raises:
        UserError: If the folder holds another run, or something else.
    """
    run_dir = pathlib.Path(run_dir)
    if (run_dir / CONFIG_FILE).is_file():
        existing = Config.load(run_dir)
        changed = [key for key, value in existing.to_json().items() if value != config.to_json()[key]]
        if changed:
            raise UserError(
                f"{run_dir} holds a run with other settings of {', '.join(changed)}; name another "
                "folder by --run, or remove that one"
            )
    elif run_dir.exists() and any(run_dir.iterdir()):
        raise UserError(f"{run_dir} is not empty and holds no run; name another folder by --run")
    run_dir.mkdir(parents=True, exist_ok=True)
    config.save(run_dir)


def train(run_dir, devices=None):
    """Trains the run in `run_dir` up to `model.keras`, going on from its last checkpoint.

    Raises:
        UserError: If records or weights are missing, or there are too few slices for one batch.
        TrainingDiverged: If the loss is no longer finite.
    """
    run_dir = pathlib.Path(run_dir)
    config = Config.load(run_dir)
    if (run_dir / MODEL_FILE).is_file():
        logger.info("%s is trained already", run_dir)
        return
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    bench = Workbench(config, make_strategy(devices))
    model = bench.trained_part
    source, validation = bench.source("train"), bench.source("validation")
    try:
        steps = steps_per_epoch(source, config.batch_size)
    except ValueError as error:
        raise UserError(f"{error} Use a smaller batch: --set batch_size=...") from error

    with bench.strategy.scope():
        optimizer = make_optimizer(config, steps)
        exclude_vectors_from_decay(optimizer, model.trainable_variables)
        model.compile(
            optimizer=optimizer,
            loss=WeightedMultiLabelLogLoss(config.label_weights),
            metrics=[WeightedLogLoss(config.label_weights)],
        )
        checkpoints = callbacks.Checkpoints(run_dir)
        checkpoints.restore(model)
    first_epoch = checkpoints.finished_epochs()
    callbacks.drop_later_rows(run_dir, first_epoch)
    if first_epoch < config.epochs:
        logger.info(
            "Training %s (%.1f M parameters) on %d slices, epochs %d to %d",
            config.model, _trainable_millions(model), source.count, first_epoch + 1, config.epochs,
        )
        keras.utils.set_random_seed(config.seed)
        model.fit(
            training_batches(source, config.batch_size, config.seed, first_epoch, config.epochs,
                             config.shuffle_buffer),
            steps_per_epoch=steps,
            initial_epoch=first_epoch,
            epochs=config.epochs,
            shuffle=False,  # the batches are shuffled already
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                callbacks.Validation(validation, config.batch_size, config.label_names,
                                     config.label_weights),
                callbacks.MetricsFile(run_dir, steps, config.batch_size),
                keras.callbacks.TensorBoard(run_dir / "tensorboard", write_graph=False),
                checkpoints,
            ],
        )
    model.load_weights(checkpoints.best_file)
    bench.keep_weights()
    temporary = run_dir / f"tmp-{MODEL_FILE}"
    bench.model.save(temporary)
    os.replace(temporary, run_dir / MODEL_FILE)


def evaluate(run_dir, split="test", records=None):
    """Scores `model.keras` on a split's slices: `evaluation.json`, `predictions.csv`, `report.html`.

    The whole network runs on the slices here, also where it was trained on stored features.

    Returns:
        The content of `evaluation.json`.

    Raises:
        UserError: If the run is not trained or the records are not there.
    """
    config = Config.load(run_dir)
    model = load_model(run_dir)
    bench = Workbench(dataclasses.replace(config, records=str(records or config.records)))
    source = image_source(bench.info, split, bench.preprocessor)
    labels, ids = labels_and_ids(source)
    logger.info("Evaluating on %d slices of the %s split", source.count, split)
    logits = model.predict(
        evaluation_batches(source, config.batch_size), verbose=1 if sys.stdout.isatty() else 2
    )[: source.count]
    probabilities = 1.0 / (1.0 + np.exp(-logits.astype("float64")))
    ids = evaluation.pd.DataFrame(ids)
    result = evaluation.evaluate_predictions(
        labels, probabilities, ids, config.label_names, train_prevalence(bench.info),
        dataset=config.dataset, split=split, records=bench.config.records,
        label_weights=config.label_weights, notes=notes(config),
    )
    predictions = evaluation.predictions_frame(ids, labels, probabilities, config.label_names)
    predictions.to_csv(pathlib.Path(run_dir) / "predictions.csv", index=False)
    evaluation.write_evaluation(run_dir, result)
    examples = report.choose_examples(predictions, config.label_names)
    report.write_report(run_dir, _slices_hu(source, {name for ids in examples.values() for name in ids}))
    return result


def export(run_dir):
    """Writes the next version of the run's SavedModel, checked on slices of its validation split.

    Returns:
        The version's folder.

    Raises:
        UserError: If the run is not trained, or the export differs from the model.
    """
    config = Config.load(run_dir)
    bench = Workbench(config)
    try:
        return export_saved_model(
            load_model(run_dir),
            bench.preprocessor,
            config.label_names,
            pathlib.Path(run_dir) / "export" / config.model,
            activation="sigmoid",
            samples=[next(iter(_slices_of(bench, "validation")))],
        )
    except (ValueError, RuntimeError) as error:
        raise UserError(str(error)) from error


def load_model(run_dir):
    """The run's whole network, giving logits.

    Raises:
        UserError: If the run is not trained yet.
    """
    path = pathlib.Path(run_dir) / MODEL_FILE
    if not path.is_file():
        raise UserError(f"{run_dir} has no {MODEL_FILE} yet; train it first: make train")
    return keras.models.load_model(path, compile=False)


def train_prevalence(info):
    """Share of positive slices per label in the training split."""
    positives = info.positives("train")
    return [positives[name] / info.count("train") for name in info.label_names]


def constant_score_of_validation(info, label_weights):
    """Validation log loss of always predicting the training split's prevalences."""
    positives, count = info.positives("validation"), info.count("validation")
    observed = [positives[name] / count for name in info.label_names]
    return constant_prevalence_score(train_prevalence(info), label_weights, observed=observed)


def summary(run_dir):
    """Lines that say how good the run is and where its results are."""
    run_dir = pathlib.Path(run_dir)
    config, info = Config.load(run_dir), DatasetInfo.load(Config.load(run_dir).records)
    scores = json.loads((run_dir / "evaluation.json").read_text(encoding="utf-8"))
    epochs = report.read_epochs(run_dir / callbacks.METRICS_FILE)
    best = min(epochs, key=lambda row: row["val_log_loss"])
    constant = constant_score_of_validation(info, config.label_weights)
    lines = [
        f"validation: log loss {best['val_log_loss']:.4f} (epoch {best['epoch']}), "
        f"{1 - best['val_log_loss'] / constant:.1%} below the constant prevalence's {constant:.4f}",
        f"{scores['split']}: log loss {scores['slices']['log_loss']:.4f}, constant prevalence "
        f"{scores['constant_prevalence_score']:.4f}, accuracy {scores['slices']['accuracy']:.1%}",
        *(f"note: {note}" for note in scores["notes"]),
        f"report:     {run_dir / 'report.html'}",
        f"model:      {run_dir / MODEL_FILE}",
    ]
    exports = run_dir / "export" / config.model
    return [*lines, f"SavedModel: {exports}"] if exports.is_dir() else lines


def notes(config):
    """What a reader of this run's results has to know."""
    said = []
    if config.dataset.startswith("phantom"):
        said.append("trained on phantoms: says nothing about patients")
    if config.backbone_weights == "none":
        said.append("untrained backbones")
    return said


def _slices_of(bench, split):
    source = image_source(bench.info, split, bench.preprocessor)
    records = tf.data.TFRecordDataset([str(path) for path in source.copies[0]]).map(source.parse)
    return records.map(lambda record: record["inputs"]).batch(EXPORT_SAMPLE_SLICES).as_numpy_iterator()


def _slices_hu(source, source_ids):
    found = {}
    for path in map(str, source.copies[0]):
        for record in tf.data.TFRecordDataset(path).map(source.parse):
            name = record["source_id"].numpy().decode()
            if name in source_ids:
                found[name] = record["inputs"].numpy()[:, :, 0]
    return found


def _trainable_millions(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) / 1e6
