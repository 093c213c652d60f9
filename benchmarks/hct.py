"""HCT's and GMIC's speed and memory by image size: `python -m benchmarks.hct --original FOLDER`.

Forward pass and training step (cross-entropy, Adam) of one image, ours compiled (`tf.function`). With a
folder that holds the official `hct_base.py`, each size alternates with it on the same image, each side in a
process of its own with all cores, and both must first give the same logits from the same weights. Medians,
warm. Peak memory is that of a fresh process that does just this; "net" is the ratio of what both hold beyond
their libraries. There is no official Def-GMIC, nor HCT with Nystrom attention.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.hct_sides import MODELS, ORIGINAL, OURS, make_side
from benchmarks.paired import COMPARISON_HEADER, PASSES, compared, paired_medians
from benchmarks.rounds import check_rounds, make_parser, write_result
from keras_medformers.support import command_line
from keras_medformers.support.errors import UserError

SIZES_PX = ("512x512", "832x640", "1664x1280", "3328x2560")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark, prints its table and writes it as JSON."""
    parser = make_parser(
        "hct", "Forward pass, training step and memory of HCT and GMIC by image size."
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=("hct", "gmic"))
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=_size,
        default=tuple(map(_size, SIZES_PX)),
        metavar="HxW",
    )
    parser.add_argument("--passes", nargs="+", choices=PASSES, default=PASSES)
    parser.add_argument(
        "--original", type=Path, help="folder of the official code, with hct_base.py"
    )
    arguments = parser.parse_args(argv)
    check_rounds(arguments.rounds)
    if arguments.original and not (arguments.original / "hct_base.py").is_file():
        raise UserError(
            f"--original {arguments.original} has no hct_base.py, HCT's official code"
        )

    rows = []
    sys.stdout.write(COMPARISON_HEADER)
    for model in arguments.models:
        original = arguments.original if MODELS[model] else None
        for size in arguments.sizes:
            rows += measure(model, size, arguments.passes, original, arguments.rounds)
            sys.stdout.write(table(rows[-len(arguments.passes) :]))
            sys.stdout.flush()
    write_result(arguments.output, {"rows": rows, "rounds": arguments.rounds})


def measure(
    model: str,
    size: tuple[int, int],
    passes: Sequence[str],
    original: Path | None,
    rounds: int,
) -> list[dict]:
    """Figures of one model and image size.

    Returns:
        Per pass: `model`, `height`, `width`, `what`, `milliseconds`, `memory_mib` (the peak, and that of the
        imported libraries alone); and the last two of the official code, as `original_...`, or None.
    """
    ours = partial(make_side, OURS, model, size, None)
    theirs = partial(make_side, ORIGINAL, model, size, original) if original else None
    milliseconds = paired_medians(
        f"{model} at {size[0]}x{size[1]}", ours, theirs, passes, rounds
    )
    rows = []
    for what in passes:
        our_ms, their_ms = milliseconds[what]
        rows.append(
            {
                "model": model,
                "height": size[0],
                "width": size[1],
                "what": what,
                "milliseconds": our_ms,
                "original_milliseconds": their_ms,
                "memory_mib": _memory_mib(ours, what),
                "original_memory_mib": _memory_mib(theirs, what) if theirs else None,
            }
        )

    return rows


def _memory_mib(make, what):
    with make(None) as alone:
        alone.result(what)
        return alone.memory_mib()


def _size(text: str) -> tuple[int, int]:
    height, times, width = text.lower().partition("x")
    if (
        not times
        or not height.isdigit()
        or not width.isdigit()
        or min(int(height), int(width)) < 64
    ):
        raise argparse.ArgumentTypeError(
            f"expected HEIGHTxWIDTH of at least 64 pixels each, received {text!r}"
        )
    return int(height), int(width)


def table(rows: Sequence[dict]) -> str:
    """The rows as lines of text, below `COMPARISON_HEADER`."""
    lines = []
    for row in rows:
        what = f"{row['model']}, {row['height']}x{row['width']}, {row['what']}"
        lines.append(compared(what, row))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(command_line.run(main))
