"""The two tasks of a dual-task network: is there a hemorrhage, and where is the largest.

A slice's labels and a network's answers stand side by side here, one column per class: normal, ich; deep,
lobar, subtentorial. The location's columns are all 0 where there is no hemorrhage.
"""

import numpy as np

from data_prep.labels import LOCATION_LABELS

HEMORRHAGE, LOCATION = "hemorrhage", "location"

CLASSES_OF_TASKS = {HEMORRHAGE: ("normal", "ich"), LOCATION: LOCATION_LABELS}
"""Names of the classes by task, in the order of the columns."""

CLASS_NAMES = tuple(name for names in CLASSES_OF_TASKS.values() for name in names)


def columns_of(task):
    """The slice of columns that holds a task's classes."""
    starts, start = {}, 0
    for name, classes in CLASSES_OF_TASKS.items():
        starts[name] = slice(start, start + len(classes))
        start += len(classes)
    return starts[task]


def answers(probabilities) -> dict[str, np.ndarray]:
    """The likeliest class of each task, an index into its own classes; -1 for the location of no hemorrhage.

    Args:
        probabilities: Shape `(n, classes)`.

    Returns:
        Arrays `(n,)` by task.
    """
    hemorrhage, location = (
        np.asarray(probabilities)[:, columns_of(task)].argmax(axis=1)
        for task in CLASSES_OF_TASKS
    )
    return {HEMORRHAGE: hemorrhage, LOCATION: np.where(hemorrhage == 1, location, -1)}


def truth(labels) -> dict[str, np.ndarray]:
    """The like for labels, `(n, classes)`; -1 also for the location of a hemorrhage that has none."""
    hemorrhage, location = (
        np.asarray(labels)[:, columns_of(task)] for task in CLASSES_OF_TASKS
    )
    return {
        HEMORRHAGE: hemorrhage.argmax(axis=1),
        LOCATION: np.where(location.sum(axis=1) == 1, location.argmax(axis=1), -1),
    }
