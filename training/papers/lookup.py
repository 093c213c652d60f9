"""Which papers and recipes there are, which recipe is meant, and what it says."""

import difflib
import importlib
import pkgutil
from pathlib import Path

from data_prep.datasets import is_phantom
from keras_medformers.registry import list_relatives
from keras_medformers.support.errors import UserError
from training.papers.paper import Paper


def _papers() -> dict[str, Paper]:
    """The papers by the names of their files in this folder; nothing else lists them."""
    found = {}
    for file in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if file.name.startswith("_"):
            continue
        module = importlib.import_module(f"training.papers.{file.name}")
        if hasattr(module, "PAPER"):
            found[file.name] = module.PAPER
    return found


PAPERS = _papers()
"""All papers by the names of their files, sorted."""

RECIPES = {
    name: dict(recipe.values)
    for paper in PAPERS.values()
    for name, recipe in paper.recipes.items()
}
"""What each recipe sets, of `Config`'s values, by name."""


def recipe_values(name: str) -> dict:
    """What the recipe sets.

    Raises:
        UserError: If there is no such recipe.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=3) or sorted(RECIPES)
        raise UserError(f"unknown recipe {name!r}; did you mean {' or '.join(near)}?")
    return RECIPES[name]


def default_recipe(model: str, dataset: str | None = None) -> str:
    """Name of the recipe for this model and data set: the first of those that fit best.

    One for the data set goes before one for other data; one for the very model before one for another
    size of it.

    Args:
        model: A registered name, not an alias.
        dataset: Name of a data set; phantoms by default.

    Raises:
        UserError: If the architecture has no recipe.
    """
    relatives = list_relatives(model)
    fitting = [name for name, values in RECIPES.items() if values["model"] in relatives]
    if not fitting:
        raise UserError(f"there is no recipe for model {model!r} yet")

    def distance(name: str) -> tuple[bool, bool]:
        found = RECIPES[name]["dataset"]
        fits = found == dataset if dataset else is_phantom(found)
        return not fits, RECIPES[name]["model"] != model

    return min(fitting, key=distance)
