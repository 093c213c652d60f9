"""Which backbones a run's model is built on, and where the weights of each come from."""

import keras_medformers
from keras_medformers.models.backbones import instance_names
from keras_medformers.support.errors import UserError
from training.runs.config import Config


def backbones_of(config: Config) -> dict[str, str]:
    """Names of the model's backbone instances, each with the backbone it is; empty where it has none.

    Raises:
        UserError: If there is no such backbone.
    """
    settings = (
        keras_medformers.registry.default_settings(config.model) | config.model_config
    )
    if "backbone_weights" not in settings:
        return {}
    names = settings["backbones"] if "backbones" in settings else [settings["backbone"]]
    try:
        return dict(zip(instance_names(names), names))
    except ValueError as error:
        raise UserError(str(error)) from error


def weights_of_backbones(config: Config) -> dict[str, str]:
    """For each of the model's backbone instances `"imagenet"`, `"none"` or a path; empty where none counts.

    Raises:
        UserError: If there are not as many as instances.
    """
    instances, weights = list(backbones_of(config)), config.backbone_weights
    if weights is None:
        return {}
    if isinstance(weights, str):
        weights = [weights] * len(instances)
    if len(weights) != len(instances):
        raise UserError(
            f"expected backbone weights for each of {', '.join(instances)}, "
            f"received {len(weights)}: {', '.join(weights)}"
        )
    return dict(zip(instances, weights))
