"""Trains a model and leaves a run folder with everything about it.

    python -m training.train --model scopeformer
    python -m training.train --model scopeformer --dataset rsna_ich --data-dir DIR
    python -m training.train --model hifuse_tiny --dataset isic2018 --data-dir DIR
    python -m training.train --model hct --dataset mammography --data-dir DIR

Records are made first where they are not there yet, for the first command from phantoms. The run folder
holds the resolved configuration, metrics, checkpoints, TensorBoard events, the trained model, its
evaluation on the test split with a report, and the exported SavedModel. Networks for mammograms are trained
on patches first, in the run's folder `patches`. The same command again goes on where an interrupted run
stopped.
"""

import argparse
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from data_prep import tfrecords
from data_prep.datasets import get_dataset
from data_prep.records.schema import INFO_NAME, DatasetInfo
from keras_medformers import registry
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.papers import RECIPES, default_recipe, recipe_values
from training.runs import first_stage, session, summary
from training.runs.config import Config
from training.runs.recipes import recipe
from training.runs.resolve import only_what_applies, resolve, settings_of

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "scopeformer"


def main(argv: Sequence[str] | None = None) -> None:
    """The program behind `make train`."""
    arguments = make_parser().parse_args(argv)
    config = resolve_config(arguments)
    make_records_if_missing(config, arguments.data_dir)
    config = resolve(config, said_by(arguments))
    run_dir = Path(arguments.run or default_run(arguments, config))
    runs = {run_dir: config}

    if config.first_stage != "none":
        before = config_of_first_stage(config, arguments)
        patches = run_dir / first_stage.FOLDER
        config = dataclasses.replace(config, weights=str(patches / session.MODEL_FILE))
        runs = {patches: before, run_dir: config}

    for folder in reversed(runs):
        session.open_run(folder, runs[folder])
    for folder in runs:
        session.train(folder, arguments.devices)
        if not (folder / "evaluation.json").is_file():
            session.evaluate(folder)

    if not any((run_dir / "export").glob("*/[0-9]*")):
        session.export(run_dir)
    for folder in runs:
        for line in summary.summary(folder):
            logger.info("%s", line)


def config_of_first_stage(config: Config, arguments: argparse.Namespace) -> Config:
    """The `Config` of the training on patches that goes before, with records made where they are missing.

    Raises:
        UserError: If it or its records do not fit.
    """
    before = first_stage.first_stage_of(config, arguments.first_stage_overrides)
    images = DatasetInfo.load(config.records)
    make_records_if_missing(
        before,
        arguments.data_dir or _default_data_dir(config),
        first_stage.arguments_for_records(images),
    )
    first_stage.check_records(DatasetInfo.load(before.records), images)
    return resolve(before, settings_of(arguments.first_stage_overrides))


def said_by(arguments: argparse.Namespace) -> set[str]:
    """Names of the settings that the command line asks for."""
    own = {"backbone_weights"} if arguments.backbone_weights else set()
    return own | settings_of(arguments.overrides)


def default_run(arguments: argparse.Namespace, config: Config) -> str:
    """Folder of the run: model, backbone and data set as they were asked for."""
    model = arguments.model or (config.model if arguments.recipe else DEFAULT_MODEL)
    parts = [model, arguments.backbone, config.dataset]
    return f"runs/{'_'.join(part for part in parts if part)}"


def make_parser() -> argparse.ArgumentParser:
    """The program's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model",
        help=f"a model's name (default: the recipe's if one is named, else {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--dataset",
        help="name of the data set that the records were made from (default: the recipe's if one is named, "
        "else the phantoms for the model)",
    )
    parser.add_argument(
        "--data-dir",
        help="folder of the data set, to make records of (default: data/DATASET)",
    )
    parser.add_argument(
        "--records", help="folder of the records (default: records/DATASET)"
    )
    parser.add_argument("--run", help="folder of the run (default: runs/MODEL_DATASET)")
    parser.add_argument(
        "--recipe",
        help=f"settings to start from: {', '.join(RECIPES)} (default: the model's for the data set)",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="weights of the whole model to start from, .weights.h5 or .keras (default: random ones)",
    )
    parser.add_argument(
        "--first-stage",
        metavar="RUN",
        help="a finished run on patches to start from, for models that are trained in two stages; 'none' to "
        "start from random weights (default: such a run is made first)",
    )
    parser.add_argument(
        "--set-first-stage",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        dest="first_stage_overrides",
        help="as --set, for the run on patches",
    )
    parser.add_argument(
        "--backbone-weights",
        nargs="+",
        metavar="W",
        help="'imagenet', 'none' (untrained, for trying things out), or for each backbone in turn one of "
        "these or a weights file",
    )
    parser.add_argument(
        "--backbone",
        metavar="NAME",
        help="which backbone to train, for a model that is one backbone: a CNN of keras.applications "
        "(default: the model's)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="other values for keys of the recipe, for example --set epochs=3 batch_size=8",
    )
    parser.add_argument(
        "--devices",
        nargs="+",
        metavar="D",
        help="devices to mirror the model over, for example GPU:0 GPU:1 (default: all GPUs, else the CPU)",
    )

    return parser


def resolve_config(arguments: argparse.Namespace) -> Config:
    """The run's `Config` from recipe and command line.

    Raises:
        UserError: If a name is unknown or a value does not fit.
    """
    values = {}
    if arguments.model or not arguments.recipe:
        try:
            values["model"] = registry.resolve_name(arguments.model or DEFAULT_MODEL)
        except ValueError as error:
            raise UserError(str(error)) from error

    name = arguments.recipe or default_recipe(values["model"], arguments.dataset)
    values["dataset"] = arguments.dataset or recipe_values(name)["dataset"]
    modality = get_dataset(values["dataset"]).reader.modality.name
    values["records"] = arguments.records or f"records/{values['dataset']}"
    if arguments.weights:
        values["weights"] = arguments.weights
    if arguments.backbone_weights:
        values["backbone_weights"] = _backbone_weights(arguments.backbone_weights)
    config = recipe(name, **values)
    if arguments.backbone:
        config = dataclasses.replace(
            config, model_config=config.model_config | {"backbone": arguments.backbone}
        )

    config = config.with_overrides(arguments.overrides)
    if config.weights != "none" and not Path(config.weights).is_file():
        raise UserError(
            f"expected --weights to be a file; there is no {config.weights}"
        )

    if modality not in registry.model_entry(config.model).modalities:
        raise UserError(
            f"model {config.model!r} is not for images of modality {modality!r}, which those of "
            f"{config.dataset} are; choose another --model or --dataset"
        )
    config = only_what_applies(config, said_by(arguments))
    return only_what_applies(_with_start(config, arguments))


def _with_start(config, arguments):
    """The configuration with what the command line says of the weights to start from."""
    named = config.first_stage != "none"
    if not named and (arguments.first_stage or arguments.first_stage_overrides):
        raise UserError(
            f"the recipe for {config.model} on {config.dataset} has no first stage, received --first-stage "
            "or --set-first-stage"
        )
    config = first_stage.with_start(config, arguments.first_stage)
    if named and config.first_stage == "none" and arguments.first_stage_overrides:
        raise UserError(
            "there is no first stage to set anything for, received --set-first-stage"
        )
    return config


def make_records_if_missing(
    config: Config, data_dir: str | None = None, arguments: Sequence[str] = ()
) -> None:
    """Runs `data_prep.tfrecords`, with further arguments, unless the run's records are finished.

    Raises:
        UserError: If there is no data to make them of.
    """
    if not (Path(config.records) / INFO_NAME).is_file():
        data_dir = data_dir or _default_data_dir(config)
        logger.info("Making the records %s of %s", config.records, data_dir)
        tfrecords.main(
            [
                "--dataset",
                config.dataset,
                "--data-dir",
                data_dir,
                "--records",
                config.records,
                *arguments,
            ]
        )


def _default_data_dir(config: Config) -> str:
    return str(tfrecords.default_data_dir(get_dataset(config.dataset)))


def _backbone_weights(words):
    missing = [
        word
        for word in words
        if word not in ("imagenet", "none") and not Path(word).is_file()
    ]
    if missing:
        raise UserError(
            f"expected --backbone-weights imagenet, none or files; there is no {', '.join(missing)}"
        )
    return (
        words[0]
        if len(words) == 1 and words[0] in ("imagenet", "none")
        else tuple(words)
    )


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
