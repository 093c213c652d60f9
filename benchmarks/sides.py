"""Sides of a comparison, each in a process of its own: its time and its peak memory are nobody else's."""

import multiprocessing
import re
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from data_prep.errors import UserError

LIBRARIES = "libraries_mib"
WARM_UPS = 2


class Side:
    """A process that does what it is asked for, warm only once it has been asked the first time.

    Args:
        make: Function of a module, called in the process with `arguments`. Returns by name the functions that
            the process is asked for, which take nothing and return arrays, and under `LIBRARIES` the
            `peak_mib` of the imported libraries alone.
        arguments: What `make` takes.
        name: What the side is called in messages.
    """

    def __init__(self, make: Callable, *arguments, name: str):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments, name))
        self._process.start()
        theirs.close()
        self._name = name

    def __enter__(self):
        self._libraries_mib = self._receive()  # comes when everything is made
        return self

    def __exit__(self, *_):
        self._pipe.close()
        self._process.join(timeout=30)
        if self._process.is_alive():
            self._process.terminate()

    def milliseconds(self, what: str) -> float:
        """Duration of one call."""
        return self._ask("time", what)

    def result(self, what: str) -> np.ndarray:
        """What a call returns."""
        return self._ask("result", what)

    def memory_mib(self) -> tuple[float, float]:
        """Most memory that the process has held so far, and what it held with just the libraries imported."""
        return self._ask("peak", None), self._libraries_mib

    def _ask(self, *request):
        self._pipe.send(request)
        return self._receive()

    def _receive(self):
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"{self._name} ended with {self._process.exitcode}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def peak_mib() -> float:
    """Most memory that this process has held so far."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    # Not ru_maxrss: on Linux a process starts with what the one that started it had held.
    peak_kib = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(peak_kib[1]) / 2**10


def _serve(pipe, make, arguments, name):
    """What the process does: answers requests until the other end is closed."""
    try:
        side = make(*arguments)
        pipe.send(side[LIBRARIES])
        warm = set()
        while True:
            request, what = pipe.recv()
            if request == "time" and what not in warm:
                for _ in range(WARM_UPS):
                    side[what]()
                warm.add(what)
            pipe.send(_answer(side, request, what))
    except EOFError:
        return
    except Exception as error:  # goes to the other process, which ends the benchmark
        pipe.send(error if isinstance(error, UserError) else RuntimeError(f"{name}: {error}"))


def _answer(side, request, what):
    if request == "peak":
        return peak_mib()
    if request == "result":
        return side[what]()
    started_s = time.perf_counter()
    side[what]()
    return 1000 * (time.perf_counter() - started_s)


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
    net = "-" if their_peak is None else f"{(peak - libraries) / (their_peak - their_libraries):.2f}"
    speed = _figures(row["milliseconds"], row["original_milliseconds"], 8)
    return f"{what:34} {speed} {_figures(peak, their_peak, 9)} {net:>6}"


def _figures(ours: float, theirs: float | None, width: int) -> str:
    if theirs is None:
        return f"{ours:{width}.0f} {'-':>9} {'-':>6}"
    return f"{ours:{width}.0f} {theirs:9.0f} {ours / theirs:6.2f}"
