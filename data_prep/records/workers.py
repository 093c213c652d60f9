"""A pool of processes that outlives the death of its members."""

import collections
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK_ITEMS = 8
CHUNKS_AHEAD_PER_WORKER = 4
"""Items travel in chunks, and this many chunks per worker are under way: the bound on memory."""


def available_cores() -> int:
    """Number of processor cores that this process may use."""
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )


class WorkerDied:
    """Stands in the place of the result whose computation killed its process."""


class Workers:
    """Maps functions over items in other processes, in order.

    A process that dies (a decoder's crash, the system's memory killer) costs the item that it died of, no
    other.

    Args:
        processes: How many.
        chunk_items: Items that travel together; few where each takes long.
    """

    def __init__(self, processes: int, chunk_items: int = CHUNK_ITEMS):
        self._processes = processes
        self._chunk_items = chunk_items
        self._pool = self._start()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result | WorkerDied]:
        """Yields `function(item)` for every item, in the order of the items.

        Args:
            function: A function of a module (it is sent by name); what it raises is raised here.
            items: Read only as fast as results are taken.
        """
        items = iter(items)
        chunks = iter(lambda: list(itertools.islice(items, self._chunk_items)), [])
        under_way: collections.deque[tuple[list[Item], Future]] = collections.deque()
        while True:
            for chunk in itertools.islice(
                chunks, self._processes * CHUNKS_AHEAD_PER_WORKER - len(under_way)
            ):
                under_way.append((chunk, self._submit(function, chunk)))
            if not under_way:
                return
            chunk, future = under_way.popleft()
            try:
                results = future.result()
            except BrokenProcessPool:
                # Any item under way may have done it: each is tried alone, in a new pool.
                self._restart()
                suspects = [
                    item
                    for suspect, _ in [(chunk, future), *under_way]
                    for item in suspect
                ]
                under_way.clear()
                for item in suspects:
                    yield self._alone(function, item)
            else:
                yield from results

    def _submit(self, function: Callable[[Item], Result], chunk: list[Item]) -> Future:
        try:
            return self._pool.submit(_apply, function, chunk)
        except BrokenProcessPool as error:
            failed: Future = Future()
            failed.set_exception(error)
            return failed

    def _alone(
        self, function: Callable[[Item], Result], item: Item
    ) -> Result | WorkerDied:
        try:
            return self._pool.submit(_apply, function, [item]).result()[0]
        except BrokenProcessPool:
            self._restart()
            return WorkerDied()

    def _start(self) -> ProcessPoolExecutor:
        # Not fork: TensorFlow's threads may hold locks in this process.
        return ProcessPoolExecutor(
            self._processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up_process,
        )

    def _restart(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._pool = self._start()


def _apply(function: Callable[[Item], Result], chunk: list[Item]) -> list[Result]:
    return [function(item) for item in chunk]


def _set_up_process() -> None:
    """Leaves Ctrl-C to the parent, ends with it however it ends, and keeps to one thread for images."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(
            target=lambda: (parent.join(), os._exit(1)), daemon=True
        ).start()
