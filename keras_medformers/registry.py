"""Model names, what they build and the preprocessing that belongs to them."""

import dataclasses
import difflib
import fnmatch
import inspect
import pathlib
from collections.abc import Callable, Mapping

import keras

_ENTRIES: dict[str, "ModelEntry"] = {}
_ALIASES: dict[str, str] = {}
_COMMON_ARGUMENTS = ("num_classes", "input_shape", "weights", "classifier_activation")


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A registered model: its builder, the variant's settings and its preprocessing."""

    name: str
    builder: Callable[..., keras.Model]
    variant: dict
    num_classes: int | Mapping[str, int]
    input_shape: tuple[int | None, int | None, int]
    preprocessor: Callable[..., keras.layers.Layer]


def register_model(
    name, builder, *, variant=None, num_classes, input_shape, preprocessor, aliases=()
):
    """Makes `builder` known under `name` and `aliases`.

    `builder` takes `num_classes`, `input_shape`, `classifier_activation` and the model's own
    settings as keywords, of which `variant` holds this name's values; `preprocessor` takes
    `image_size` and gives the layer from raw stored pixels to the network's input.
    """
    _ENTRIES[name] = ModelEntry(
        name, builder, variant or {}, num_classes, input_shape, preprocessor
    )
    _ALIASES.update({alias: name for alias in aliases})


def list_models(pattern=None):
    """Names that `create_model` takes, aliases included, sorted.

    Args:
        pattern: Optional shell-style pattern, for example `"*scopeformer*"`.
    """
    names = sorted([*_ENTRIES, *_ALIASES])
    return names if pattern is None else fnmatch.filter(names, pattern)


def resolve_name(name):
    """The registered name behind `name`, which may be an alias.

    Raises:
        ValueError: If there is no such model; the message has the nearest names.
    """
    return _entry(name).name


def list_relatives(name):
    """Registered names of the same architecture as `name`, itself included, sorted.

    Raises:
        ValueError: If there is no such model.
    """
    builder = _entry(name).builder
    return sorted(other.name for other in _ENTRIES.values() if other.builder is builder)


def list_settings(name):
    """Names of the architecture's settings that `create_model` takes for this model.

    A model that is built on backbones has `"backbone_weights"` among them.

    Raises:
        ValueError: If there is no such model.
    """
    parameters = inspect.signature(_entry(name).builder).parameters
    return [parameter for parameter in parameters if parameter not in _COMMON_ARGUMENTS]


def default_settings(name):
    """The architecture's settings with the values that `create_model` gives them for this model.

    Raises:
        ValueError: If there is no such model.
    """
    entry = _entry(name)
    parameters = inspect.signature(entry.builder).parameters
    return {
        setting: entry.variant.get(setting, parameters[setting].default)
        for setting in list_settings(name)
    }


def list_tasks(name):
    """Numbers of classes by task, of a model that has several tasks and gives a dict; else empty.

    Raises:
        ValueError: If there is no such model.
    """
    num_classes = _entry(name).num_classes
    return dict(num_classes) if isinstance(num_classes, Mapping) else {}


def create_model(
    name,
    num_classes=None,
    input_shape=None,
    weights=None,
    classifier_activation=None,
    **config,
):
    """Builds a registered model as a functional, channels-last `keras.Model`.

    Args:
        name: A name from `list_models()`.
        num_classes: Size of the classifier, or sizes by task; the paper's by default, 0 for no head.
        input_shape: `(height, width, channels)`; the paper's by default.
        weights: None for random initialisation, `"imagenet"` for pretrained backbones (through
            `keras.applications`), or the path of a `.keras` or `.weights.h5` file of this model.
        classifier_activation: For example `"sigmoid"`; None gives logits.
        **config: Settings of the architecture; see the model's builder.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If the name, an argument or `weights` is not known.
        FileNotFoundError: If `weights` is a path and there is no such file.
    """
    entry = _entry(name)
    _check_arguments(entry, config)
    settings = {**entry.variant, **config}
    if weights == "imagenet":
        settings = _with_pretrained_backbones(entry, settings)
    elif weights is not None:
        weights = _weights_file(weights)
    model = entry.builder(
        num_classes=entry.num_classes if num_classes is None else num_classes,
        input_shape=tuple(input_shape or entry.input_shape),
        classifier_activation=classifier_activation,
        **settings,
    )
    if isinstance(weights, pathlib.Path):
        model.load_weights(weights)
    return model


def preprocessor(name, image_size=None):
    """The layer from raw stored pixels to the named model's input.

    It is the one that both the input pipeline and an exported SavedModel use.

    Args:
        name: A name from `list_models()`.
        image_size: Side of the network's input in pixels; the paper's by default. Where the paper's input
            is not square, images keep their size by default.

    Returns:
        A `keras.layers.Layer`.

    Raises:
        ValueError: If there is no such model.
    """
    entry = _entry(name)
    height, width = entry.input_shape[:2]
    return entry.preprocessor(
        image_size=image_size or (height if height == width else None)
    )


def _entry(name):
    canonical = _ALIASES.get(name, name)
    if canonical not in _ENTRIES:
        raise ValueError(
            f"Unknown model. Received: name={name!r}. {_hint(name, list_models())}"
        )
    return _ENTRIES[canonical]


def _check_arguments(entry, config):
    accepted = list_settings(entry.name)
    for key in config:
        if key not in accepted:
            raise ValueError(
                f"Unknown argument of model {entry.name!r}. Received: {key}={config[key]!r}. "
                f"{_hint(key, accepted)}"
            )


def _with_pretrained_backbones(entry, settings):
    if "backbone_weights" not in list_settings(entry.name):
        raise ValueError(
            f"Model {entry.name!r} has no backbones, so there are no ImageNet weights for it. "
            "Expected: weights=None or a path. Received: weights='imagenet'."
        )
    return {"backbone_weights": "imagenet", **settings}


def _weights_file(weights):
    path = pathlib.Path(weights)
    if not path.name.endswith((".keras", ".weights.h5")):
        raise ValueError(
            "Expected `weights` to be None, 'imagenet' or the path of a .keras or .weights.h5 file. "
            f"Received: weights={str(weights)!r}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"No weights file at {path}.")
    return path


def _hint(name, candidates):
    near = difflib.get_close_matches(str(name), candidates, n=3, cutoff=0.5)
    return (
        f"Did you mean {' or '.join(map(repr, near))}?"
        if near
        else f"Known: {', '.join(candidates)}."
    )
