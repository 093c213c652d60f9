"""Keras models of published classifiers of medical images, close to the originals' numbers.

The package itself imports neither Keras nor a backend, so that programs which only read
images share its `support`, `modalities` and `tasks` and start at once. Models and layers are
registered with Keras as soon as one of the names below is asked for, and in any case with the
import of Keras, before or after, so that `keras.models.load_model` knows them.
"""

import importlib
import importlib.abc
import importlib.util
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


_WITH_KERAS = ("layers", "models", "registry")


class _RegisterWithKeras(importlib.abc.MetaPathFinder):
    """Imports the models right after Keras, whenever that is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module):
                execute(module)
                # Not where it is these that import Keras: they are half made then.
                if not any(f"{__name__}.{own}" in sys.modules for own in _WITH_KERAS):
                    importlib.import_module("keras_medformers.models")

            spec.loader.exec_module = execute_and_register
        return spec


if "keras" in sys.modules:
    importlib.import_module("keras_medformers.models")
else:
    sys.meta_path.insert(0, _RegisterWithKeras())
