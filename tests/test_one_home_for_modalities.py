"""No program asks which modality it has before it: what a modality is, the modality says."""

import ast
import pathlib

import pytest

import keras_medformers
from keras_medformers import modalities
from keras_medformers.modalities import get_modality, list_modalities

HOUSE = pathlib.Path(keras_medformers.__file__).parents[1]
PACKAGES = ("keras_medformers", "data_prep", "training", "benchmarks")
HOMES = ("keras_medformers/modalities/", "data_prep/modalities/")

CONSTANTS = {
    name
    for name in modalities.__all__
    if isinstance(getattr(modalities, name), modalities.Modality)
}
NAMES = set(list_modalities())

MAY_NAME_ONE = {
    # Slices are what these are about.
    "benchmarks/records.py": {"HEAD_CT"},
    "data_prep/style_transfer/pictures.py": {"HEAD_CT"},
    # A default from when there was only one.
    "data_prep/records/examples.py": {"HEAD_CT"},
    "training/predict/secondary_capture.py": {"HEAD_CT"},
}
"""Files outside the homes that name a modality; the fewer, the better."""


def files():
    for package in PACKAGES:
        for path in sorted((HOUSE / package).rglob("*.py")):
            name = path.relative_to(HOUSE).as_posix()
            if not name.startswith(HOMES):
                yield name, ast.parse(path.read_text(encoding="utf-8"))


def is_modality(node):
    """Whether an expression is a modality, its name as text, or its attribute `name`."""
    if isinstance(node, ast.Constant):
        return node.value in NAMES
    if isinstance(node, ast.Attribute) and node.attr == "name":
        return is_modality(node.value)
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return any(map(is_modality, node.elts))
    return (isinstance(node, ast.Name) and node.id in CONSTANTS) or (
        isinstance(node, ast.Attribute) and node.attr in CONSTANTS
    )


def questions(tree):
    """Lines that compare with a modality, look one up in a table, or match it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            found = any(map(is_modality, [node.left, *node.comparators]))
        elif isinstance(node, ast.Dict):
            found = any(is_modality(key) for key in node.keys if key)
        elif isinstance(node, ast.MatchValue):
            found = is_modality(node.value)
        else:
            continue
        if found:
            yield node.lineno if hasattr(node, "lineno") else node.value.lineno


def test_nobody_compares_with_a_modality_outside_its_home():
    found = {
        name: lines for name, tree in files() if (lines := sorted(questions(tree)))
    }
    assert found == {}


def test_who_names_a_modality_is_listed():
    found = {}
    for name, tree in files():
        named = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if alias.name in CONSTANTS
            and (node.module or "").startswith("keras_medformers.modalities")
        }
        if named:
            found[name] = named
    assert found == MAY_NAME_ONE


@pytest.mark.parametrize(
    "code",
    [
        'if config.modality == "ct": pass',
        "if modality == MAMMOGRAM.name: pass",
        "if modalities.RADIOGRAPH != kind: pass",
        'if kind in ("ct", "photograph"): pass',
        "TABLE = {HEAD_CT.name: 1}",
        'match kind:\n    case "mammogram": pass',
    ],
)
def test_a_question_is_seen(code):
    assert len(list(questions(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code", ["modality = get_modality(name)", 'register(modality="ct")', "x == 'cat'"]
)
def test_what_is_none_is_not(code):
    assert list(questions(ast.parse(code))) == []


@pytest.mark.parametrize("name", list_modalities())
def test_words_for_people_are_there(name):
    modality = get_modality(name)
    for words in (modality.noun, modality.one, modality.nouns, modality.pictures):
        assert words
        assert words == words.strip()
