"""HiFuse's speed and memory, against its official code: `python -m benchmarks.hifuse --original FOLDER`.

Forward pass and training step (cross-entropy, AdamW) of each size and batch: ours eager, compiled
(`tf.function`) and compiled by XLA. With a folder that holds the official `main_model.py`, each mode
alternates with it on the same input, each side in a process of its own with all cores, and both must first
give the same logits from the same weights. Medians, warm. Peak memory is that of a fresh process that does
just this; the weights are drawn there, not read. "Net" is the ratio of what both hold beyond their libraries.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.hifuse_sides import FORWARD, MODES, ORIGINAL, STEP, Side
from benchmarks.sides import COMPARISON_HEADER, compared
from data_prep import command_line
from data_prep.errors import UserError

SIZES = ("tiny", "small", "base")
FEWEST_REPEATS = 5
LARGEST_DIFFERENCE = 1e-4
"""Of logits, relative to the largest one."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its table and writes it as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hifuse",
        description="Forward pass, training step and memory of HiFuse against its official code.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/hifuse.json"))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 8))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--original", type=Path, help="folder of the official code, with main_model.py")
    parser.add_argument("--repeats", type=int, default=FEWEST_REPEATS)
    arguments = parser.parse_args(argv)
    if arguments.repeats < FEWEST_REPEATS:
        raise UserError(f"--repeats is {arguments.repeats}, expected at least {FEWEST_REPEATS}")
    if min(arguments.batches) < 1:
        raise UserError(f"--batches is {arguments.batches}, expected at least 1 each")
    if arguments.original and not (arguments.original / "main_model.py").is_file():
        raise UserError(f"--original {arguments.original} has no main_model.py, HiFuse's official code")

    rows = []
    sys.stdout.write(COMPARISON_HEADER)
    for size in arguments.sizes:
        for batch in arguments.batches:
            of_setting = measure(size, batch, arguments.modes, arguments.original, arguments.repeats)
            rows += of_setting
            sys.stdout.write(table(of_setting))
            sys.stdout.flush()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    result = {"rows": rows, "repeats": arguments.repeats}
    arguments.output.write_text(json.dumps(result, indent=2) + "\n")


def measure(size: str, batch: int, modes: Sequence[str], original: Path | None, repeats: int) -> list[dict]:
    """Figures of one size and batch.

    Returns:
        Per pass (`FORWARD`, `STEP`) and mode: `size`, `batch`, `what`, `mode`, `milliseconds`, `memory_mib`
        (the peak, and that of the imported libraries alone); and the last two of the official code, measured
        beside it, as `original_...`, or None.
    """
    milliseconds = {mode: _paired_medians(mode, size, batch, original, repeats) for mode in modes}
    rows = []
    for what in (FORWARD, STEP):
        original_memory_mib = _memory_mib(ORIGINAL, what, size, batch, original) if original else None
        for mode in modes:
            ours, theirs = milliseconds[mode][what]
            rows.append({
                "size": size,
                "batch": batch,
                "what": what,
                "mode": mode,
                "milliseconds": ours,
                "original_milliseconds": theirs,
                "memory_mib": _memory_mib(mode, what, size, batch, original),
                "original_memory_mib": original_memory_mib,
            })
    return rows


def _paired_medians(mode, size, batch, original, repeats):
    """Per pass: median milliseconds of ours, and of the official code or None."""
    if original is None:
        with Side(mode, size, batch, None, None) as ours:
            return {what: (_medians([ours], what, repeats)[0], None) for what in (FORWARD, STEP)}
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "official.npz"
        with Side(ORIGINAL, size, batch, original, weights) as theirs:
            with Side(mode, size, batch, original, weights) as ours:
                _check_equal(ours.logits(), theirs.logits(), f"hifuse_{size}, {mode}")
                return {what: _medians([ours, theirs], what, repeats) for what in (FORWARD, STEP)}


def _medians(sides, what, repeats):
    rounds = [[side.milliseconds(what) for side in sides] for _ in range(repeats)]
    return [statistics.median(of_side) for of_side in zip(*rounds, strict=True)]


def _memory_mib(mode, what, size, batch, original):
    with Side(mode, size, batch, original, None) as side:
        side.milliseconds(what)
        return side.memory_mib()


def _check_equal(ours, theirs, name):
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    if not difference <= LARGEST_DIFFERENCE:
        raise RuntimeError(
            f"The logits of {name} differ from the official code's on the same weights by {difference:.1e} "
            f"of the largest; expected at most {LARGEST_DIFFERENCE:.0e}"
        )


def table(rows: Sequence[dict]) -> str:
    """The rows as lines of text, below `COMPARISON_HEADER`."""
    lines = []
    for row in rows:
        what = f"{row['size']}, batch {row['batch']}, {row['what']}, {row['mode']}"
        lines.append(compared(what, row))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(command_line.run(main))
