"""Tasks have one home: elsewhere nobody asks for a task's name.

Names are in `keras_medformers/tasks.py`, what follows from them in `training/tasks`.
"""

import ast
from pathlib import Path

import pytest

import keras_medformers
from keras_medformers import tasks

HOUSE = Path(keras_medformers.__file__).parents[1]
HOMES = ("keras_medformers/tasks.py", "training/tasks/")
NAMES = {*tasks.TASK_NAMES, *tasks.FORMER_NAMES}
CONSTANTS = {name for name, value in vars(tasks).items() if value in tasks.TASK_NAMES}

EXCEPTIONS: set[str] = set()
"""Files where a task's name is still compared or written; to shrink, never to grow."""


def files():
    for package in ("keras_medformers", "data_prep", "training", "benchmarks"):
        for path in sorted((HOUSE / package).rglob("*.py")):
            name = path.relative_to(HOUSE).as_posix()
            if not name.startswith(HOMES):
                yield name


def asks_for_a_name(node):
    """Whether a comparison, a case or a key of a table is about a task's name."""
    if isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
    elif isinstance(node, ast.Dict):
        parts = [key for key in node.keys if key is not None]
    elif isinstance(node, ast.MatchValue):
        parts = [node.value]
    else:
        return False
    return any(is_name(each) for part in parts for each in ast.walk(part))


def is_name(node):
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value in NAMES
    name = getattr(node, "attr", getattr(node, "id", None))
    return name in CONSTANTS


def found_in(source):
    return [node for node in ast.walk(ast.parse(source)) if asks_for_a_name(node)]


def test_names_stand_once():
    assert CONSTANTS == {"MULTILABEL", "SINGLE_LABEL", "MULTI_TASK"}
    written = {
        name
        for name in files()
        for node in ast.walk(ast.parse((HOUSE / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in NAMES
    }
    assert written - EXCEPTIONS == set()


def test_nobody_asks_for_a_name_outside_the_homes():
    asking = {
        name for name in files() if found_in((HOUSE / name).read_text(encoding="utf-8"))
    }
    assert asking == EXCEPTIONS


@pytest.mark.parametrize(
    "source, asks",
    [
        ("task == SINGLE_LABEL", True),
        ("config.task in (tasks.MULTILABEL, 'x')", True),
        ("config.task != 'dual_task'", True),
        ("{MULTI_TASK: write}[task]", True),
        ("match task:\n    case 'multilabel':\n        pass", True),
        ("task.contents(run)", False),
        ("Config(task=MULTILABEL)", False),
    ],
)
def test_questions_are_recognised(source, asks):
    assert bool(found_in(source)) is asks
