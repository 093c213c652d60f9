"""Scores a trained run on a split, with intervals and a report: CT per slice and per study.

    python -m training.evaluate --run runs/NAME

Writes `evaluation.json`, `predictions.csv` and `report.html` into the run's folder.
"""

import argparse
import logging

from keras_medformers.support import command_line
from training.runs import session, summary

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """The program behind `make evaluate`."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, help="folder of a trained run")
    parser.add_argument(
        "--split",
        default="test",
        choices=("train", "validation", "test"),
        help="split to score (default: %(default)s)",
    )
    parser.add_argument(
        "--records", help="folder of the records (default: those of the run)"
    )
    arguments = parser.parse_args(argv)
    session.evaluate(arguments.run, arguments.split, arguments.records)
    for line in summary.summary(arguments.run):
        logger.info("%s", line)


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
