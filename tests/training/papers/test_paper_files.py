"""A file per paper: its recipes' expected scores are rows of its tables, its models are ours."""

import math
from pathlib import Path

import keras
import pytest
from test_full_size import ROWS

import keras_medformers
from keras_medformers import registry
from training import papers
from training.compare.matching import row_of
from training.papers import PAPERS, RECIPES
from training.runs.recipes import recipe

GROUPS = [(paper, group) for paper in PAPERS.values() for group in paper.models]
COUNTS = {name: text for _, group in GROUPS for name, text in group.parameters.items()}
EXPECTED = [
    (name, paper.table(number), row)
    for paper in PAPERS.values()
    for name, of_paper in paper.recipes.items()
    for number, rows in of_paper.expected.items()
    for row in rows
]


def test_every_file_with_a_paper_is_found():
    folder = Path(papers.__file__).parent
    files = {
        path.stem for path in folder.glob("*.py") if "\nPAPER = " in path.read_text()
    }

    assert list(PAPERS) == sorted(files) and {"dtvit", "hct"} < files


def test_names_are_different():
    assert sum(len(paper.recipes) for paper in PAPERS.values()) == len(RECIPES)
    for paper in PAPERS.values():
        assert len({table.number for table in paper.tables}) == len(paper.tables)


@pytest.mark.parametrize(
    "name, table, row", EXPECTED, ids=[f"{name}-{row}" for name, _, row in EXPECTED]
)
def test_a_run_of_the_recipe_stands_in_the_row_of_its_expected_score(name, table, row):
    model = table.row(row).model
    config = recipe(name, records="records", model=model)
    if config.dataset not in table.datasets:  # of the first stage: its own run
        config = recipe(config.first_stage, records="records", model=model)

    found = table.rows[row_of(table, config)]
    assert found.model == model
    # Weights of backbones tell Table 2's stacks apart, which runs do not yet.
    assert found.name == row or model == "scopeformer_2cnn"


def test_experiments_of_papers_expect_a_score():
    without = {
        name
        for paper in PAPERS.values()
        for name, of_paper in paper.recipes.items()
        if not of_paper.expected and not name.endswith("_phantoms")
    }

    assert without == {  # no score is printed
        "scopeformer_backbone",
        "scopeformer_backbone_hard",
        "imagenet_backbone",
        "radiograph_backbone",
        "radiograph_backbone_folders",
    }


@pytest.mark.parametrize(
    "paper, group", GROUPS, ids=[min(group.parameters) for _, group in GROUPS]
)
def test_models_of_the_readmes_table_are_ours(paper, group):
    for name in group.parameters:
        assert registry.resolve_name(name) == name
    for name, alias in group.aliases.items():
        assert registry.resolve_name(alias) == name
    if group.printed_in:
        models = {row.model for row in paper.table(group.printed_in).rows}
        assert models & set(group.parameters)


@pytest.mark.parametrize("name", sorted(set(COUNTS) - set(ROWS)))
def test_counts_of_parameters(name):
    # All weights but moving statistics; without memory for them.
    with keras.StatelessScope(initialize_variables=False):
        model = keras_medformers.create_model(name)
        count = sum(math.prod(weight.shape) for weight in model.trainable_weights)

    decimals = len(COUNTS[name].partition(".")[2])
    assert f"{count / 1e6:.{decimals}f}" == COUNTS[name]


@pytest.mark.parametrize("name", sorted(set(COUNTS) & set(ROWS)))
def test_counts_of_scopeformers_are_those_that_the_tests_of_full_size_hold(name):
    assert float(COUNTS[name]) == ROWS[name][0]
