"""A recipe of a paper as the configuration of a run."""

from keras_medformers.registry import list_relatives
from keras_medformers.support.errors import UserError
from training.papers import recipe_values
from training.runs.config import Config


def recipe(name: str, **values: object) -> Config:
    """The recipe's `Config` with `values` (records, data set and so on) put in.

    Args:
        name: The recipe's name.
        **values: Values of `Config` that take the place of the recipe's.

    Raises:
        UserError: If there is no such recipe, or `values` name a model of another architecture.
    """
    of_recipe = recipe_values(name)
    written_for = of_recipe["model"]
    fitting = list_relatives(written_for)
    if values.get("model", written_for) not in fitting:
        raise UserError(
            f"recipe {name!r} is for {', '.join(fitting)}, received model {values['model']!r}"
        )
    return Config(**{**of_recipe, **values})
