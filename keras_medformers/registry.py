"""Model names, what they build and the preprocessing that belongs to them."""

import dataclasses
import difflib
import fnmatch
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from keras_medformers.modalities import get_modality

_ENTRIES: dict[str, "ModelEntry"] = {}
_ALIASES: dict[str, str] = {}
_COMMON_ARGUMENTS = ("num_classes", "input_shape", "weights", "classifier_activation")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelLayers:
    """Names of the layers by which others take hold of a model.

    Attributes:
        features: Layer of the model whose output an export gives as `features`, and on whose map
            heat maps lie: the map before the head, or the class token where there is no map.
        head: Last layer, which gives the logits and starts at the log odds of the labels; with
            `{task}` in it for a model of several tasks, for example `"{task}_head"`.
        normalise: Layer of the preprocessor that turns pictures, values in [0, 255], into what the
            network reads. Augmentation comes before it. None where the network reads pictures.
        blocks: Shell-style patterns of the names of layers between which activations can be
            computed again for gradients, where nothing else is needed later; empty where no
            memory would be saved.
    """

    features: str
    head: str
    normalise: str | None = None
    blocks: tuple[str, ...] = ()

    def heads(self, num_classes):
        """Names of the last layers of a model with so many classes, or so many by task."""
        if isinstance(num_classes, Mapping):
            return [self.head.format(task=task) for task in num_classes]
        return [self.head] if num_classes else []


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A registered model: what builds it, what goes before it, and what others need of it.

    Attributes:
        name: The registered name.
        builder: Function that builds the network.
        variant: Settings of the builder that belong to this name.
        num_classes: Size of the classifier, or sizes by task.
        input_shape: `(height, width, channels)` of the network's input.
        preprocessors: By modality, the function from an image size to the layer from raw pixels to
            the network's input.
        layers: Names of the layers that others need.
        freezing: The builder's argument for the share of its backbones that does not train; None
            where nothing can be frozen.
    """

    name: str
    builder: Callable[..., keras.Model]
    variant: dict
    num_classes: int | Mapping[str, int]
    input_shape: tuple[int | None, int | None, int]
    preprocessors: Mapping[str, Callable[..., keras.layers.Layer]]
    layers: ModelLayers
    freezing: str | None

    @property
    def modalities(self):
        """Names of the modalities whose images the model takes."""
        return tuple(self.preprocessors)

    @property
    def settings(self):
        """Names of the architecture's settings."""
        parameters = inspect.signature(self.builder).parameters
        return [name for name in parameters if name not in _COMMON_ARGUMENTS]


def register_model(
    name,
    builder,
    *,
    variant=None,
    num_classes,
    input_shape,
    preprocessor,
    modality,
    layers,
    freezing=None,
    aliases=(),
):
    """Makes `builder` known under `name` and `aliases`, with all that others need of the model.

    Args:
        name: The model's name.
        builder: Function of `num_classes`, `input_shape`, `classifier_activation` and the
            architecture's own settings, all of which can be keywords, that gives a functional
            `keras.Model`.
        variant: This name's values of the architecture's settings.
        num_classes: Size of the classifier, or a dict of sizes by task.
        input_shape: `(height, width, channels)` of the network's input.
        preprocessor: Function of `image_size` that gives the layer from raw pixels to the network's
            input; a dict of them by modality for a model of several modalities.
        modality: Name of the modality that the model is made for, or a tuple of several.
        layers: `ModelLayers`. They are looked up whenever the model or its preprocessor is built.
        freezing: The builder's argument for the share of its backbones that is frozen; such a builder
            also takes `backbone_weights`, and `backbones` or `backbone`, which name them.
        aliases: Further names.

    Raises:
        ValueError: If the registration contradicts itself or the builder; the message names the
            argument.
    """
    modalities = (modality,) if isinstance(modality, str) else tuple(modality)
    if not isinstance(preprocessor, Mapping):
        preprocessor = dict.fromkeys(modalities, preprocessor)
    entry = ModelEntry(
        name,
        builder,
        variant or {},
        num_classes,
        input_shape,
        preprocessor,
        layers,
        freezing,
    )
    for each in modalities:
        get_modality(each)  # raises if there is none of that name
    _check_registration(entry, modalities)
    _ENTRIES[name] = entry
    _ALIASES.update(dict.fromkeys(aliases, name))


def model_entry(name):
    """What is registered under `name`, which may be an alias.

    Returns:
        A `ModelEntry`.

    Raises:
        ValueError: If there is no such model; the message has the nearest names.
    """
    _register_all()
    canonical = _ALIASES.get(name, name)
    if canonical not in _ENTRIES:
        raise ValueError(
            f"Unknown model. Received: name={name!r}. {_hint(name, list_models())}"
        )
    return _ENTRIES[canonical]


def _register_all():
    """Has every model registered, also where only this module was imported."""
    importlib.import_module("keras_medformers.models")


def list_models(pattern=None):
    """Names that `create_model` takes, aliases included, sorted.

    Args:
        pattern: Optional shell-style pattern, for example `"*scopeformer*"`.
    """
    _register_all()
    names = sorted([*_ENTRIES, *_ALIASES])
    return names if pattern is None else fnmatch.filter(names, pattern)


def resolve_name(name):
    """The registered name behind `name`, which may be an alias.

    Raises:
        ValueError: If there is no such model; the message has the nearest names.
    """
    return model_entry(name).name


def list_relatives(name):
    """Registered names of the same architecture for the same images as `name`, itself included, sorted.

    Raises:
        ValueError: If there is no such model.
    """
    entry = model_entry(name)
    return sorted(
        other.name
        for other in _ENTRIES.values()
        if other.builder is entry.builder
        and set(other.modalities) & set(entry.modalities)
    )


def list_settings(name):
    """Names of the architecture's settings that `create_model` takes for this model.

    A model that is built on backbones has `"backbone_weights"` among them.

    Raises:
        ValueError: If there is no such model.
    """
    return model_entry(name).settings


def default_settings(name):
    """The architecture's settings with the values that `create_model` gives them for this model.

    Raises:
        ValueError: If there is no such model.
    """
    entry = model_entry(name)
    parameters = inspect.signature(entry.builder).parameters
    return {
        setting: entry.variant.get(setting, parameters[setting].default)
        for setting in entry.settings
    }


def list_tasks(name):
    """Numbers of classes by task, of a model that has several tasks and gives a dict; else empty.

    Raises:
        ValueError: If there is no such model.
    """
    num_classes = model_entry(name).num_classes
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
        ValueError: If the name, an argument or `weights` is not known, or the model lacks a layer that
            its registration names.
        FileNotFoundError: If `weights` is a path and there is no such file.
    """
    entry = model_entry(name)
    _check_arguments(entry, config)
    settings = {**entry.variant, **config}
    if weights == "imagenet":
        settings = _with_pretrained_backbones(entry, settings)
    elif weights is not None:
        weights = _weights_file(weights)

    num_classes = entry.num_classes if num_classes is None else num_classes
    model = entry.builder(
        num_classes=num_classes,
        input_shape=tuple(input_shape or entry.input_shape),
        classifier_activation=classifier_activation,
        **settings,
    )
    _check_layers(entry, "features", [entry.layers.features], model)
    _check_layers(entry, "head", entry.layers.heads(num_classes), model)
    if isinstance(weights, Path):
        model.load_weights(weights)

    return model


def preprocessor(name, image_size=None, modality=None):
    """The layer from raw stored pixels to the named model's input.

    It is the one that both the input pipeline and an exported SavedModel use.

    Args:
        name: A name from `list_models()`.
        image_size: Side of the network's input in pixels; the paper's by default. Where the paper's input
            is not square, images keep their size by default.
        modality: Name of the raw pixels' modality, for a model of several; the first by default.

    Returns:
        A `keras.layers.Layer`.

    Raises:
        ValueError: If there is no such model, it is not for this modality, or the layer is not as the
            model's registration says.
    """
    entry = model_entry(name)
    modality = modality or entry.modalities[0]
    if modality not in entry.modalities:
        raise ValueError(
            f"Expected modality of model {entry.name!r} to be "
            f"{' or '.join(map(repr, entry.modalities))}. Received: modality={modality!r}"
        )

    height, width = entry.input_shape[:2]
    layer = entry.preprocessors[modality](
        image_size=image_size or (height if height == width else None)
    )
    if entry.layers.normalise is not None:
        _check_layers(entry, "normalise", [entry.layers.normalise], layer)
    _check_raw_pixels(entry, modality, layer)
    return layer


def _check_registration(entry, modalities):
    parameters = inspect.signature(entry.builder).parameters
    refuse = functools.partial(_refuse_registration, entry.name)
    if not modalities or set(modalities) != set(entry.preprocessors):
        refuse(
            "`preprocessor` to be a function, or functions by modality",
            f"modality={modalities}, preprocessor for {tuple(entry.preprocessors)}",
        )

    if not isinstance(entry.layers, ModelLayers):
        refuse("`layers` to be a ModelLayers", f"layers={entry.layers!r}")
    if isinstance(entry.num_classes, Mapping) != ("{task}" in entry.layers.head):
        refuse(
            "`{task}` in the name of the head if and only if num_classes are by task",
            f"head={entry.layers.head!r}, num_classes={entry.num_classes}",
        )

    needed = [*_COMMON_ARGUMENTS, *entry.variant]
    if entry.freezing:
        needed += [entry.freezing, "backbone_weights"]
        needed += [] if "backbone" in parameters else ["backbones"]

    needed.remove("weights")  # the registry's own
    lacking = [argument for argument in needed if argument not in parameters]
    if lacking:
        refuse(
            f"the builder to take {', '.join(lacking)}",
            f"{getattr(entry.builder, '__name__', entry.builder)}({', '.join(parameters)})",
        )


def _refuse_registration(name, expected, received):
    raise ValueError(
        f"Model {name!r} cannot be registered. Expected {expected}. Received: {received}."
    )


def _check_layers(entry, role, names, built):
    """Raises ValueError unless a model or preprocessor has the layers that were declared for a role."""
    found = [layer.name for layer in getattr(built, "layers", [])]
    for name in names:
        if name not in found:
            raise ValueError(
                f"Model {entry.name!r} has no layer {name!r}, which its registration names by "
                f"ModelLayers({role}=...). Its last layers are "
                f"{', '.join(map(repr, found[-5:])) or 'none'}."
            )


def _check_raw_pixels(entry, modality, layer):
    """Raises ValueError unless a preprocessor takes the modality's raw pixels."""
    expected = get_modality(modality)
    (pixels,) = layer.inputs
    if not expected.takes(pixels.dtype, pixels.shape[-1]):
        raise ValueError(
            f"Expected the preprocessor of model {entry.name!r} to take raw pixels of modality "
            f"{modality!r}, {expected.dtype} in {expected.channels} channel(s). Received: one for "
            f"{pixels.dtype} in {pixels.shape[-1]} channel(s)."
        )


def _check_arguments(entry, config):
    accepted = entry.settings
    for key in config:
        if key not in accepted:
            raise ValueError(
                f"Unknown argument of model {entry.name!r}. Received: {key}={config[key]!r}. "
                f"{_hint(key, accepted)}"
            )


def _with_pretrained_backbones(entry, settings):
    if "backbone_weights" not in entry.settings:
        raise ValueError(
            f"Model {entry.name!r} has no backbones, so there are no ImageNet weights for it. "
            "Expected: weights=None or a path. Received: weights='imagenet'."
        )
    return {"backbone_weights": "imagenet", **settings}


def _weights_file(weights):
    path = Path(weights)
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
