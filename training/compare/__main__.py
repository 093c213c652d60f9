"""Prints the papers' tables beside the scores of our runs.

    python -m training.compare --models scopeformer_small efficient_scopeformer
    python -m training.compare --models scopeformer_small --dataset rsna_ich --data-dir DIR
    python -m training.compare --runs runs/A runs/B

A model that has no finished run in runs/MODEL_DATASET is trained first, as by `training.train`. One that
cannot be trained is listed at the end with the reason, and the others are compared. Of each paper, those
tables are shown in which one of the models occurs. Of runs with two classes on the same images, at whatever
size, the areas under the ROC curve are compared with the first run's, also in auc_differences.png.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from keras_medformers import registry
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_text
from training.compare.runs import Run, read_run, run_of_model
from training.compare.tables import compare
from training.figures import to_png

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """The program behind `make compare`."""
    arguments = _parser().parse_args(argv)
    if not arguments.models and not arguments.runs:
        raise UserError("expected --models or --runs, or both; received neither")

    models = _different_models(arguments.models)
    output = Path(arguments.output)
    runs, failures = _collect(
        models, _training_options(arguments), _folders(arguments.runs, output)
    )
    if not runs:
        raise UserError(
            f"nothing to compare: the reasons for {', '.join(failures)} are above"
        )

    comparison = compare(runs, failures)
    text = comparison.as_markdown()
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "compare.md", text)
    write_text(output / "compare.csv", comparison.as_frame().to_csv(index=False))
    for name, figure in comparison.pictures.items():
        (output / name).write_bytes(to_png(figure))

    sys.stdout.write(text)
    logger.info(
        "The same is in %s, and as numbers in %s",
        output / "compare.md",
        output / "compare.csv",
    )
    if failures:
        raise UserError(
            f"not compared: {', '.join(failures)}; the reasons are at the end of the tables"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models",
        nargs="*",
        default=[],
        metavar="MODEL",
        help="models to compare, trained where needed",
    )
    parser.add_argument(
        "--runs",
        nargs="+",
        default=[],
        metavar="RUN",
        help="folders of evaluated runs to compare as they are",
    )
    parser.add_argument(
        "--dataset", help="data set to train on (default: the phantoms for each model)"
    )
    parser.add_argument(
        "--data-dir", help="folder of the data set (default: data/DATASET)"
    )
    parser.add_argument(
        "--records", help="folder of the records (default: records/DATASET)"
    )
    parser.add_argument(
        "--backbone-weights",
        nargs="+",
        metavar="W",
        help="weights of the backbones, see training.train",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="other values for keys of the recipes, for all models, for example --set epochs=3",
    )
    parser.add_argument(
        "--output",
        default="runs/compare",
        metavar="DIR",
        help="folder for compare.md, compare.csv and pictures (default: %(default)s)",
    )

    return parser


def _training_options(arguments: argparse.Namespace) -> list[str]:
    """What the command line says to `training.train`."""
    options = []
    for option in ("--dataset", "--data-dir", "--records"):
        value = getattr(arguments, option.removeprefix("--").replace("-", "_"))
        options += [option, value] if value else []
    if arguments.backbone_weights:
        options += ["--backbone-weights", *arguments.backbone_weights]
    return options + (["--set", *arguments.overrides] if arguments.overrides else [])


def _different_models(names: list[str]) -> list[str]:
    """The names without those that mean the same model.

    Raises:
        UserError: If one is unknown: a slip of the pen should not show after hours of training.
    """
    try:
        by_model = {registry.resolve_name(name): name for name in reversed(names)}
    except ValueError as error:
        raise UserError(str(error)) from error
    return [name for name in dict.fromkeys(names) if name in by_model.values()]


def _folders(paths: list[str], output: Path) -> list[Path]:
    """The runs' folders, each once; the one of the tables may be among `runs/*`."""
    folders = {Path(path).resolve(): Path(path) for path in paths}
    folders.pop(output.resolve(), None)
    return list(folders.values())


def _collect(
    models: list[str], options: list[str], folders: list[Path]
) -> tuple[list[Run], dict[str, str]]:
    """Runs of the models, then those in the folders, and the reasons why others are not among them."""
    runs, failures = {}, {}

    def take(name: str, function: Callable[..., Run], *arguments: object) -> None:
        try:
            run = function(*arguments)
            runs.setdefault(run.folder.resolve(), run)
        except UserError as error:
            failures[name] = " ".join(str(error).split())
            logger.warning("Not compared: %s: %s", name, failures[name])
        except (
            Exception
        ) as error:  # a defect met by one model must not cost the others their tables
            logger.exception("%s stopped", name)
            failures[name] = f"stopped by {type(error).__name__}, see the log"

    for model in models:
        take(model, run_of_model, model, options)
    for folder in folders:
        take(str(folder), read_run, folder)
    return list(runs.values()), failures


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
