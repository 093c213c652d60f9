"""Draws the parts of a phantom set in several processes."""

from collections.abc import Callable, Iterator
from typing import Any

from data_prep.records.workers import WorkerDied, Workers, available_cores
from keras_medformers.support.errors import UserError


def draw_all(draw: Callable, jobs: dict[str, Any], workers: int | None) -> Iterator:
    """Yields `draw(job)` for every job, in their order.

    Args:
        draw: A function of a module (it is sent by name).
        jobs: Dict of a job for each name of what is drawn.
        workers: Number of processes; None for one per core.

    Raises:
        UserError: If a process died.
    """
    processes = min(workers or available_cores(), len(jobs)) or 1
    with Workers(processes, chunk_items=1) as pool:
        for name, drawn in zip(jobs, pool.map(draw, jobs.values()), strict=True):
            if isinstance(drawn, WorkerDied):
                raise UserError(
                    f"a process died while it drew {name} (out of memory?); run again to go on, with fewer "
                    "--workers"
                )
            yield drawn
