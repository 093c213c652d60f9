"""Keras models of published classifiers of medical images, close to the originals' numbers.

The package itself imports neither Keras nor a backend, so that programs which only read
images share its `support`, `modalities` and `tasks` and start at once. Models and layers are
registered with Keras as soon as one of the names below is asked for, and at once where
Keras was imported before.
"""

import importlib
import sys

from keras_medformers.version import __version__

__all__ = [
    "__version__",
    "create_model",
    "list_models",
    "models",
    "preprocessor",
    "registry",
]


def __getattr__(name):
    if name in ("models", "registry"):
        importlib.import_module("keras_medformers.models")  # registers every model
        return importlib.import_module(f"keras_medformers.{name}")
    if name in __all__:
        return getattr(__getattr__("registry"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if "keras" in sys.modules:
    importlib.import_module("keras_medformers.models")
