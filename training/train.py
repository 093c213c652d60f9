"""Trains a model and leaves a run folder with everything about it.

    python -m training.train --model scopeformer
    python -m training.train --model scopeformer --dataset rsna_ich --data-dir DIR

Records are made first where they are not there yet, for the first command from phantoms. The run folder
holds the resolved configuration, metrics, checkpoints, TensorBoard events, the trained model, its
evaluation on the test split with a report, and the exported SavedModel. The same command again goes on
where an interrupted run stopped.
"""

import argparse
import logging
import pathlib

from data_prep import command_line, tfrecords
from data_prep.datasets import get_dataset
from data_prep.errors import UserError
from data_prep.quiet_tensorflow import import_tensorflow
from data_prep.schema import INFO_NAME
from training.recipes import RECIPES, default_recipe, recipe

logger = logging.getLogger(__name__)


def main(argv=None):
    """The program behind `make train`."""
    arguments = make_parser().parse_args(argv)
    import_tensorflow()
    from training import session  # after TensorFlow came in quietly

    config = resolve_config(arguments)
    make_records_if_missing(config, arguments.data_dir)
    config = session.with_labels_of_records(config)
    run_dir = pathlib.Path(arguments.run or f"runs/{arguments.model}_{config.dataset}")
    session.open_run(run_dir, config)
    session.train(run_dir, arguments.devices)
    if not (run_dir / "evaluation.json").is_file():
        session.evaluate(run_dir)
    if not any((run_dir / "export").glob("*/[0-9]*")):
        session.export(run_dir)
    for line in session.summary(run_dir):
        logger.info("%s", line)


def make_parser():
    """The program's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="scopeformer", help="a model's name (default: %(default)s)")
    parser.add_argument(
        "--dataset", default="phantom_head_ct",
        help="name of the data set that the records were made from (default: %(default)s)",
    )
    parser.add_argument(
        "--data-dir", help="folder of the data set, to make records of (default: data/DATASET)"
    )
    parser.add_argument("--records", help="folder of the records (default: records/DATASET)")
    parser.add_argument("--run", help="folder of the run (default: runs/MODEL_DATASET)")
    parser.add_argument(
        "--recipe",
        help=f"settings to start from: {', '.join(RECIPES)} (default: the model's for the data set)",
    )
    parser.add_argument(
        "--backbone-weights", nargs="+", metavar="W",
        help="'imagenet', 'none' (untrained, for trying things out), or one weights file per backbone",
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="overrides",
        help="other values for keys of the recipe, for example --set epochs=3 batch_size=8",
    )
    parser.add_argument(
        "--devices", nargs="+", metavar="D",
        help="devices to mirror the model over, for example GPU:0 GPU:1 (default: all GPUs, else the CPU)",
    )
    return parser


def resolve_config(arguments):
    """The run's `Config` from recipe and command line.

    Raises:
        UserError: If a name is unknown or a value does not fit.
    """
    import keras_medformers

    try:
        model = keras_medformers.registry.resolve_name(arguments.model)
    except ValueError as error:
        raise UserError(str(error)) from error
    get_dataset(arguments.dataset)
    records = arguments.records or f"records/{arguments.dataset}"
    name = arguments.recipe or default_recipe(model, arguments.dataset)
    values = {"model": model, "dataset": arguments.dataset, "records": records}
    if arguments.backbone_weights:
        values["backbone_weights"] = _backbone_weights(arguments.backbone_weights)
    return recipe(name, **values).with_overrides(arguments.overrides)


def make_records_if_missing(config, data_dir=None):
    """Runs `data_prep.tfrecords` unless the run's records are finished.

    Raises:
        UserError: If there is no data to make them of.
    """
    if not (pathlib.Path(config.records) / INFO_NAME).is_file():
        data_dir = data_dir or f"data/{config.dataset}"
        logger.info("Making the records %s of %s", config.records, data_dir)
        tfrecords.main(["--dataset", config.dataset, "--data-dir", data_dir,
                        "--records", config.records])


def _backbone_weights(words):
    if len(words) == 1 and words[0] in ("imagenet", "none"):
        return words[0]
    missing = [word for word in words if not pathlib.Path(word).is_file()]
    if missing:
        raise UserError(
            f"expected --backbone-weights imagenet, none or files; there is no {', '.join(missing)}"
        )
    return tuple(words)


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
