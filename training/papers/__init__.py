"""The papers: a file each, with its recipes, tables, expected scores and known differences.

A new paper is one file here that holds a `PAPER`; nothing lists it. What the README, the pages
`docs/recipes.md` and `docs/differences.md` and `make compare` say of papers is printed from
these files: `python -m training.papers --help`.
"""

from training.papers.lookup import (
    PAPERS,
    RECIPES,
    default_recipe,
    recipe_values,
)

__all__ = ["PAPERS", "RECIPES", "default_recipe", "recipe_values"]
