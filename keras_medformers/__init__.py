"""Keras models of published classifiers of medical images, close to the originals' numbers."""

from keras_medformers import models as _models  # noqa: F401  (registers every model)
from keras_medformers.registry import create_model, list_models, preprocessor
from keras_medformers.version import __version__

__all__ = ["__version__", "create_model", "list_models", "preprocessor"]
