"""README and docs/: links lead somewhere, commands and names are those of the programs."""

import contextlib
import importlib.util
import io
import re
import runpy
import sys
import warnings
from functools import cache

import pages
import pytest

import keras_medformers
from data_prep.datasets import list_datasets
from training.papers import RECIPES

MAKEFILE = (pages.ROOT / "Makefile").read_text()
LONGEST_README = 150

every_page = pytest.mark.parametrize(
    "page", pages.PAGES, ids=[page.name for page in pages.PAGES]
)


def headings(page):
    """The page's headings as GitHub names them in addresses."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        for title in titles
    }


@cache
def options_of(module):
    """The program's options, from its help."""
    out, argv = io.StringIO(), sys.argv
    sys.argv = [module, "--help"]
    try:
        with (
            contextlib.redirect_stdout(out),
            pytest.raises(SystemExit),
            warnings.catch_warnings(action="ignore"),  # of being imported already
        ):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.argv = argv
    return set(re.findall(r"--[a-z][a-z-]*", out.getvalue()))


def test_readme_is_short():
    assert len(pages.README.read_text().splitlines()) <= LONGEST_README


def test_readme_has_one_table_of_models():
    before, table, _ = re.split("<!-- /?models -->", pages.README.read_text())
    assert "create_model" in before
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows and all(line.count("|") == rows[0].count("|") for line in rows)


@every_page
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if heading:
            assert heading in headings(target), f"{page.name} links to {link}"


def test_every_page_is_in_the_index():
    index = (pages.ROOT / "docs" / "index.md").read_text()
    assert all(
        f"]({page.name})" in index for page in pages.DOCS if page.stem != "index"
    )


@every_page
def test_commands_exist(page):
    for words in pages.commands(page):
        module, arguments = _module_and_arguments(words)
        if not module:
            continue
        assert importlib.util.find_spec(module), words
        options = {word.partition("=")[0] for word in arguments if word[:2] == "--"}
        if options:
            assert options <= options_of(module), words


@every_page
def test_names_of_models_data_sets_and_recipes_exist(page):
    models, datasets = keras_medformers.list_models(), list_datasets()
    for words in pages.commands(page):
        line = " ".join(words)
        for model in re.findall(r"\bMODEL=(\w+)", line):
            assert model in models, line
        for dataset in re.findall(r"\bDATASET=(\w+)", line):
            assert dataset in datasets, line
        for recipe in re.findall(r"--recipe (\w+)", line):
            assert recipe in RECIPES, line


def _module_and_arguments(words):
    """What a command runs, and with which arguments; asserts that a make target is one."""
    if words[0] == "python":
        return words[2], words[3:]
    _, target, *assignments = words
    recipe = re.search(rf"^{target}: .*(?:\n\t(.*))?", MAKEFILE, re.MULTILINE)
    assert recipe, f"make has no target {target}"

    arguments = []
    for name, _, value in (word.partition("=") for word in assignments):
        assert re.search(rf"^{name} +\?=", MAKEFILE, re.MULTILINE), words
        arguments += value.split() if name == "ARGS" else []
    module = re.search(r"-m ([\w.]+)", recipe[1] or "")
    # pytest and ruff have options of their own, which are not ours to check.
    ours = module and module[1].partition(".")[0] not in ("venv", "pytest", "ruff")
    return (module[1], arguments) if ours else ("", [])
