"""A run from its configuration to its results: trains, evaluates, reports and exports."""

import dataclasses
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from keras_medformers.modalities import get_modality
from keras_medformers.models.backbones import save_backbone_weights
from keras_medformers.serving.export import export_saved_model
from keras_medformers.serving.optimize import optimize_saved_model
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import whole_file
from training.explain.pictures import report_pictures
from training.fit import callbacks
from training.fit.distribution import make_strategy
from training.fit.optimizers import exclude_vectors_from_decay, make_optimizer
from training.fit.stepwise import stepwise
from training.input.pipeline import (
    evaluation_batches,
    labels_and_ids,
    steps_per_epoch,
    stored_images,
    training_batches,
)
from training.runs import run_folder
from training.runs.config import CONFIG_FILE, MODEL_FILE, Config, changed_settings
from training.runs.model_card import make_model_card
from training.runs.resolve import only_what_applies
from training.runs.summary import notes
from training.runs.trained_model import load_model
from training.runs.workbench import Workbench
from training.statistics.predictions import predictions_frame, write_evaluation

logger = logging.getLogger(__name__)

BACKBONES_FOLDER = "backbones"
EXPORT_SAMPLES = 4


def open_run(run_dir: str | Path, config: Config) -> None:
    """Makes the run's folder, or goes on with the one there if it is of the same configuration.

    Raises:
        UserError: If the folder holds another run, or something else.
    """
    run_dir, config = Path(run_dir), only_what_applies(config)
    if (run_dir / CONFIG_FILE).is_file():
        existing = only_what_applies(Config.load(run_dir))
        if existing.treatment is None:  # earlier versions did not write it
            existing = dataclasses.replace(existing, treatment=config.treatment)
        changed = changed_settings(existing, config)
        if changed:
            raise UserError(
                f"{run_dir} holds a run with other settings of {', '.join(changed)}; name another "
                "folder by --run, or remove that one"
            )
    elif run_dir.exists() and any(run_dir.iterdir()):
        raise UserError(
            f"{run_dir} is not empty and holds no run; name another folder by --run"
        )

    run_dir.mkdir(parents=True, exist_ok=True)
    config.save(run_dir)


def train(run_dir: str | Path, devices: Sequence[str] | None = None) -> None:
    """Trains the run in `run_dir` up to `model.keras`, going on from its last checkpoint.

    Pre-training of a backbone leaves its weights of the best epoch in `backbones/`, too.

    Raises:
        UserError: If records or weights are missing, or there are too few images for one batch.
        TrainingDiverged: If the loss is no longer finite.
    """
    run_dir = Path(run_dir)
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
    _check_that_scores_can_be_had(bench)

    with bench.strategy.scope():
        model = _with_steps_in_parts(model, config, bench.registered.layers.blocks)
        optimizer = make_optimizer(config, steps)
        exclude_vectors_from_decay(optimizer, model.trainable_variables)
        model.compile(
            optimizer=optimizer, loss=bench.task.loss(), metrics=bench.task.metrics()
        )
        checkpoints = callbacks.Checkpoints(
            run_dir, bench.task.monitor, bench.task.higher_is_better
        )
        checkpoints.restore(model)
    first_epoch = checkpoints.finished_epochs()
    callbacks.drop_later_rows(run_dir, first_epoch)
    if first_epoch < config.epochs:
        logger.info(
            "Training %s (%.1f M parameters) on %d images, epochs %d to %d",
            config.model,
            count_parameters(model.trainable_variables) / 1e6,
            source.count,
            first_epoch + 1,
            config.epochs,
        )
        keras.utils.set_random_seed(config.seed)
        model.fit(
            training_batches(
                source,
                config.batch_size,
                config.seed,
                first_epoch,
                config.epochs,
                config.shuffle_buffer,
            ),
            steps_per_epoch=steps,
            initial_epoch=first_epoch,
            epochs=config.epochs,
            shuffle=False,  # the batches are shuffled already
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                callbacks.Validation(validation, config.batch_size, bench.task),
                callbacks.MetricsFile(run_dir, steps, config.batch_size),
                keras.callbacks.TensorBoard(run_dir / "tensorboard", write_graph=False),
                checkpoints,
            ],
        )
    model.load_weights(checkpoints.best_file)
    bench.keep_weights()
    # The model's file says that the run is trained, so that it comes last.
    with whole_file(run_dir / MODEL_FILE) as temporary:
        bench.model.save(temporary)
        if "backbone" in bench.registered.settings:
            _save_backbone(bench, run_dir / BACKBONES_FOLDER)


def _check_that_scores_can_be_had(bench):
    """Raises UserError if no epoch could be called the best."""
    if bench.task.monitor == "val_auc":
        absent = [
            name
            for name, count in bench.info.positives("validation").items()
            if not count
        ]
        if absent:
            raise UserError(
                f"the validation split of {bench.info.records_dir} has no images that are {absent[0]}, so "
                "epochs cannot be compared; make records of more images, or with other --fractions or --seed"
            )


def _with_steps_in_parts(model, config, block_ends):
    """The model as one that steps as the configuration says; itself where that is nothing special."""
    parts = (
        tf.distribute.get_strategy().num_replicas_in_sync * config.accumulation_steps
    )
    if config.accumulation_steps > 1 and config.batch_size % parts:
        raise UserError(
            f"expected batch_size to be a multiple of {parts}, for accumulation_steps="
            f"{config.accumulation_steps} on each device; received {config.batch_size}"
        )
    if (
        config.accumulation_steps == 1
        and config.sharpness == "none"
        and not config.recompute
    ):
        return model

    return stepwise(
        model,
        accumulation_steps=config.accumulation_steps,
        sharpness=config.sharpness,
        recompute=bool(config.recompute),
        block_ends=block_ends,
        **{
            name: value
            for name in ("rho", "eta")
            if (value := getattr(config, name)) is not None
        },
    )


def _save_backbone(bench, folder):
    """Writes what `--backbone-weights` of another run takes."""
    (name,) = bench.backbones
    folder.mkdir(exist_ok=True)
    with whole_file(folder / f"{name}.weights.h5") as temporary:
        save_backbone_weights(bench.model, temporary)
    logger.info("The backbone's weights are in %s", folder / f"{name}.weights.h5")


def evaluate(
    run_dir: str | Path, split: str = "test", records: str | Path | None = None
) -> dict:
    """Scores `model.keras` on a split's images: `evaluation.json`, `predictions.csv`, `report.html`.

    The whole network runs on the images here, also where it was trained on stored features.

    Returns:
        The content of `evaluation.json`.

    Raises:
        UserError: If the run is not trained or the records are not there.
    """
    config = Config.load(run_dir)
    model = load_model(run_dir)
    bench = Workbench(
        dataclasses.replace(config, records=str(records or config.records))
    )
    source = bench.images(split)
    labels, ids = labels_and_ids(source)
    logger.info("Evaluating on %d images of the %s split", source.count, split)
    model = bench.task.with_one_output(model)
    logits = model.predict(
        evaluation_batches(source, config.batch_size),
        verbose=1 if sys.stdout.isatty() else 2,
    )[: source.count]
    probabilities = bench.task.probabilities(logits)
    ids = pd.DataFrame(ids)
    result = {
        "model": config.model,
        "parameters": model.count_params(),
        "trainable_parameters": count_parameters(model.trainable_variables),
        **bench.task.evaluate(
            labels,
            probabilities,
            ids,
            bench.task.prevalence(bench.info).tolist(),
            dataset=config.dataset,
            split=split,
            records=bench.config.records,
            notes=notes(config),
        ),
    }
    predictions = predictions_frame(ids, labels, probabilities, config.label_names)
    with whole_file(Path(run_dir) / "predictions.csv") as temporary:
        predictions.to_csv(temporary, index=False)
    write_evaluation(run_dir, result)
    examples = bench.task.choose_examples(predictions)
    shown = {name for ids in examples.values() for name in ids}
    seen = report_pictures(model, bench, source, split)
    to_picture = get_modality(config.modality).to_picture
    images = {
        name: to_picture(image) for name, image in stored_images(source, shown).items()
    }
    run_folder.write_report(run_dir, bench.task, images, seen)

    return result


def export(run_dir: str | Path, variant: str | None = None) -> Path:
    """Writes the next version of the run's SavedModel, checked on images of its validation split.

    Args:
        run_dir: Folder of the run.
        variant: Key of `keras_medformers.serving.optimize.VARIANTS`, which is then written from the new
            version, beside it, and checked on the same images.

    Returns:
        The version's folder, the variant's if there is one.

    Raises:
        UserError: If the run is not trained, or the export differs from the model, or the variant from it.
    """
    config = Config.load(run_dir)
    bench = Workbench(config)
    model = load_model(run_dir)
    images = stored_images(bench.images("validation"), count=EXPORT_SAMPLES)
    samples = [image[np.newaxis] for image in images.values()]
    modality = get_modality(config.modality)
    try:
        version = export_saved_model(
            model,
            bench.preprocessor,
            bench.task.exported_labels,
            Path(run_dir) / "export" / config.model,
            bench.registered.layers.features,
            activation=bench.task.activation,
            modality=modality,
            encoded=modality.is_file,
            samples=samples,
            model_card=make_model_card(run_dir, config, bench.info, bench.preprocessor),
        )
        return (
            optimize_saved_model(version, variant, samples=samples)
            if variant
            else version
        )
    except (ValueError, RuntimeError) as error:
        raise UserError(str(error)) from error


def count_parameters(variables: Iterable[keras.Variable]) -> int:
    """How many numbers these variables hold."""
    return sum(int(np.prod(variable.shape)) for variable in variables)
