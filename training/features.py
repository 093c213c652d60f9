"""Stores what a run's frozen backbones see, so that the rest can be trained on it.

    python -m training.features --run runs/NAME

A run does this by itself when nothing below the projections trains; this program does it beforehand, for
example on another machine. All models with the same backbones share the records, as do models with
some of them.
"""

import argparse
import logging

from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError
from training.runs.config import Config
from training.runs.workbench import Workbench

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """Stores the features of an existing run's configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m training.features",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--run", required=True, help="folder of a run, for its configuration"
    )
    arguments = parser.parse_args(argv)
    bench = Workbench(Config.load(arguments.run))
    if not bench.trains_on_features:
        raise UserError(
            f"the run in {arguments.run} trains on images: nothing to store"
        )

    logger.info("Feature records are in %s", bench.feature_store().folder)


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
