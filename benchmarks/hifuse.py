"""HiFuse's speed and memory, against its official code: `python -m benchmarks.hifuse --original FOLDER`.

Forward pass and training step (cross-entropy, AdamW) of each size and batch: ours eager, compiled
(`tf.function`) and compiled by XLA. With a folder that holds the official `main_model.py`, each mode
alternates with it on the same input, each side in a process of its own with all cores, and both must first
give the same logits from the same weights. Medians, warm. Peak memory is that of a fresh process that does
just this; the weights are drawn there, not read. "Net" is the ratio of what both hold beyond their libraries.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.hifuse_sides import MODES, ORIGINAL, make_side
from benchmarks.paired import COMPARISON_HEADER, PASSES, compared, paired_medians
from benchmarks.rounds import check_rounds, make_parser, write_result
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError

SIZES = ("tiny", "small", "base")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its table and writes it as JSON."""
    parser = make_parser(
        "hifuse",
        "Forward pass, training step and memory of HiFuse against its official code.",
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 8))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument(
        "--original", type=Path, help="folder of the official code, with main_model.py"
    )
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)
    if min(arguments.batches) < 1:
        raise UserError(f"--batches is {arguments.batches}, expected at least 1 each")
    if arguments.original and not (arguments.original / "main_model.py").is_file():
        raise UserError(
            f"--original {arguments.original} has no main_model.py, HiFuse's official code"
        )

    rows = []
    sys.stdout.write(COMPARISON_HEADER)
    for size in arguments.sizes:
        for batch in arguments.batches:
            of_setting = measure(
                size, batch, arguments.modes, arguments.original, arguments.rounds
            )
            rows += of_setting
            sys.stdout.write(table(of_setting))
            sys.stdout.flush()
    write_result(arguments.output, {"rows": rows, "rounds": arguments.rounds})


def measure(
    size: str, batch: int, modes: Sequence[str], original: Path | None, rounds: int
) -> list[dict]:
    """Figures of one size and batch.

    Returns:
        Per pass (`PASSES`) and mode: `size`, `batch`, `what`, `mode`, `milliseconds`, `memory_mib` (the peak,
        and that of the imported libraries alone); and the last two of the official code, measured beside it,
        as `original_...`, or None.
    """
    ours = {mode: partial(make_side, mode, size, batch, None) for mode in modes}
    theirs = partial(make_side, ORIGINAL, size, batch, original) if original else None
    milliseconds = {
        mode: paired_medians(
            f"hifuse_{size}, {mode}", ours[mode], theirs, PASSES, rounds
        )
        for mode in modes
    }
    rows = []
    for what in PASSES:
        original_memory_mib = _memory_mib(theirs, what) if theirs else None
        for mode in modes:
            our_ms, their_ms = milliseconds[mode][what]
            rows.append(
                {
                    "size": size,
                    "batch": batch,
                    "what": what,
                    "mode": mode,
                    "milliseconds": our_ms,
                    "original_milliseconds": their_ms,
                    "memory_mib": _memory_mib(ours[mode], what),
                    "original_memory_mib": original_memory_mib,
                }
            )

    return rows


def _memory_mib(make, what):
    with make(None) as alone:
        alone.milliseconds(what)
        return alone.memory_mib()


def table(rows: Sequence[dict]) -> str:
    """The rows as lines of text, below `COMPARISON_HEADER`."""
    lines = []
    for row in rows:
        what = f"{row['size']}, batch {row['batch']}, {row['what']}, {row['mode']}"
        lines.append(compared(what, row))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(command_line.run(main))
