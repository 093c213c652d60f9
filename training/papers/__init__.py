"""Published experiments and demonstrations as configurations, a file per paper.

Every recipe states its source, the score to expect, the hardware and the time, and its command. Those of
several models have a row each, and serve other sizes of the architecture as well.
"""

from training.papers.lookup import RECIPES, default_recipe, recipe, recipe_values

__all__ = ["RECIPES", "default_recipe", "recipe", "recipe_values"]
