"""What the benchmarks have in common: options, rows that alternate, and medians."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from keras_medformers.support.errors import UserError

FEWEST_ROUNDS = 5


def make_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has: `--output` and `--rounds`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(f"benchmarks/results/{name}.json"),
        help="where the figures go",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=FEWEST_ROUNDS,
        help="times that each row is run, warm",
    )

    return parser


def check_rounds(rounds: int) -> None:
    """Raises `UserError` if there are too few rounds for a median."""
    if rounds < FEWEST_ROUNDS:
        raise UserError(f"--rounds is {rounds}, expected at least {FEWEST_ROUNDS}")


def median_seconds(
    rows: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, float]:
    """Median duration of each row; all run once before, then alternate."""
    return medians({name: _seconds_of(row) for name, row in rows.items()}, rounds)


def medians(rows: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median of the figures that each row gives; all run once before, then alternate."""
    for row in rows.values():
        row()
    figures = {name: [] for name in rows}
    for _ in range(rounds):
        for name, row in rows.items():
            figures[name].append(row())
    return {name: statistics.median(values) for name, values in figures.items()}


def write_result(path: Path, result: Mapping) -> None:
    """Writes the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _seconds_of(row: Callable[[], object]) -> Callable[[], float]:
    def timed():
        started_s = time.perf_counter()
        row()
        return time.perf_counter() - started_s

    return timed
