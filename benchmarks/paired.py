"""Ours beside the official code: the same logits from the same weights first, then both in turn."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.sides import Side, median_milliseconds

FORWARD, STEP = "forward", "step"
PASSES = (FORWARD, STEP)
"""What each side does: `forward` gives the logits at inference, `step` is a training step."""

LARGEST_DIFFERENCE = 1e-4
"""Of logits, relative to the largest one."""

MakeSide = Callable[[Path | None], Side]
"""Makes a side, given the file of the official weights, or None if none are exchanged."""


def paired_medians(
    name: str,
    ours: MakeSide,
    theirs: MakeSide | None,
    passes: Sequence[str],
    rounds: int,
) -> dict[str, tuple[float, float | None]]:
    """Median milliseconds of a network.

    Args:
        name: What the network is called in messages.
        ours: Makes our side, which reads the weights.
        theirs: Makes the official code's side, which writes the weights; None without it.
        passes: What is timed, of `PASSES`.
        rounds: Times that each side is timed.

    Returns:
        Per pass: ours, and the official code's or None.

    Raises:
        RuntimeError: If the logits differ.
    """
    if theirs is None:
        with ours(None) as our_side:
            return {
                what: (*median_milliseconds([our_side], what, rounds), None)
                for what in passes
            }
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "official.npz"
        with theirs(weights) as their_side, ours(weights) as our_side:
            check_equal(our_side.result(FORWARD), their_side.result(FORWARD), name)
            return {
                what: tuple(median_milliseconds([our_side, their_side], what, rounds))
                for what in passes
            }


def check_equal(ours: np.ndarray, theirs: np.ndarray, name: str) -> None:
    """Raises `RuntimeError` if the logits differ by more than `LARGEST_DIFFERENCE`."""
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    if not difference <= LARGEST_DIFFERENCE:
        raise RuntimeError(
            f"The logits of {name} differ from the official code's on the same weights by {difference:.1e} "
            f"of the largest; expected at most {LARGEST_DIFFERENCE:.0e}"
        )


COMPARISON_HEADER = (
    f"{'what':34} {'ms':>8} {'original':>9} {'ratio':>6} {'peak MiB':>9} {'original':>9} {'ratio':>6} "
    f"{'net':>6}\n"
)


def compared(what: str, row: Mapping) -> str:
    """Time and memory beside the original's, a line below `COMPARISON_HEADER`; "-" without the original.

    Args:
        what: What was measured.
        row: `milliseconds`, `memory_mib` (the peak, and that of the libraries alone), and the like as
            `original_...`, or None.
    """
    peak, libraries = row["memory_mib"]
    their_peak, their_libraries = row["original_memory_mib"] or (None, None)
    net = (
        "-"
        if their_peak is None
        else f"{(peak - libraries) / (their_peak - their_libraries):.2f}"
    )
    speed = _figures(row["milliseconds"], row["original_milliseconds"], 8)
    return f"{what:34} {speed} {_figures(peak, their_peak, 9)} {net:>6}"


def _figures(ours: float, theirs: float | None, width: int) -> str:
    if theirs is None:
        return f"{ours:{width}.0f} {'-':>9} {'-':>6}"
    return f"{ours:{width}.0f} {theirs:9.0f} {ours / theirs:6.2f}"
