"""Sides of a comparison, each in a process of its own: its time and its peak memory are nobody else's."""

import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.own_process import OwnProcess

LIBRARIES = "libraries_mib"
WARM_UPS = 2


class Side(OwnProcess):
    """A process that does what it is asked for, warm only once it has been asked the first time.

    Args:
        make: Function of a module, called in the process with `arguments`. Returns by name the functions that
            the process is asked for, which take nothing and return arrays, and under `LIBRARIES` the
            `peak_mib` of the imported libraries alone.
        arguments: What `make` takes.
        name: What the side is called in messages.
    """

    def __init__(self, make: Callable, *arguments, name: str):
        super().__init__(_answering, (make, arguments), name)

    def __enter__(self):
        self._libraries_mib = self.ask(
            ("libraries", None)
        )  # answered when everything is made
        return self

    def milliseconds(self, what: str) -> float:
        """Duration of one call."""
        return self.ask(("time", what))

    def result(self, what: str) -> np.ndarray:
        """What a call returns."""
        return self.ask(("result", what))

    def memory_mib(self) -> tuple[float, float]:
        """Most memory that the process has held so far, and what it held with just the libraries imported."""
        return self.ask(("peak", None)), self._libraries_mib


def median_milliseconds(sides: Sequence[Side], what: str, rounds: int) -> list[float]:
    """Median duration of a call, by side; the sides alternate."""
    timed = [[side.milliseconds(what) for side in sides] for _ in range(rounds)]
    return [statistics.median(of_side) for of_side in zip(*timed, strict=True)]


def peak_mib() -> float:
    """Most memory that this process has held so far."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    # Not ru_maxrss: on Linux a process starts with what the one that started it had held.
    peak_kib = re.search(
        r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE
    )
    return int(peak_kib[1]) / 2**10


def _answering(make, arguments):
    """Makes a side in its process. Returns what answers its requests."""
    side = make(*arguments)
    warm = set()

    def answer(question):
        request, what = question
        if request == "libraries":
            return side[LIBRARIES]
        if request == "peak":
            return peak_mib()
        if request == "result":
            return side[what]()

        if what not in warm:
            for _ in range(WARM_UPS):
                side[what]()
            warm.add(what)

        started_s = time.perf_counter()
        side[what]()
        return 1000 * (time.perf_counter() - started_s)

    return answer
