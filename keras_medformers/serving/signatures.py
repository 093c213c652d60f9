"""The signatures of an exported model: what they are called, take and give, and the graphs behind them."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from keras_medformers.serving.heat_maps import make_heat_maps
from keras_medformers.serving.pixels import Pixels, checked_files, decode_file, require

ACTIVATIONS = {
    "sigmoid": tf.nn.sigmoid,
    "softmax": tf.nn.softmax,
    "linear": tf.identity,
}
"""From the model's outputs to probabilities; `linear` for a model that gives probabilities itself."""

PROBABILITIES = "probabilities"
"""Name of the output of a model that has only one."""

FEATURES = "features"

RAW_SPECS = (
    tf.TensorSpec([None], tf.string, name="raw"),
    tf.TensorSpec([None, 2], tf.int32, name="shape"),
)
FILES_SPEC = tf.TensorSpec([None], tf.string, name="encoded")

SMALLEST_SIDE_PX = 32
"""Smallest height and width of images for networks that take any size."""


def by_name(outputs):
    """What belongs to each output; a model's only one is `PROBABILITIES`."""
    return outputs if isinstance(outputs, Mapping) else {PROBABILITIES: outputs}


def labels_name(output: str) -> str:
    """Name of the output with the label names of `output`."""
    return "labels" if output == PROBABILITIES else f"{output}_labels"


def heat_maps_name(output: str) -> str:
    """Name of the output with the heat maps of `output`."""
    return "heat_maps" if output == PROBABILITIES else f"{output}_heat_maps"


@dataclasses.dataclass
class Network:
    """A model from its input to features, probabilities and heat maps.

    Attributes:
        model: Model with one input, which gives features and outputs.
        heat_maps: What `make_heat_maps` gives for it.
        activation: Key of `ACTIVATIONS`.
    """

    model: keras.Model
    heat_maps: Callable
    activation: str

    @classmethod
    def of(cls, model: keras.Model, feature_layer: str, activation: str) -> "Network":
        """The network of a model.

        Raises:
            ValueError: If the model, the layer or the activation does not fit.
        """
        if len(model.inputs) != 1 or isinstance(model.output, (list, tuple)):
            raise ValueError(
                "`model` must have one input and one output, or a dict of outputs. "
                f"Received: {len(model.inputs)} and {len(model.outputs)}"
            )

        names = [layer.name for layer in model.layers]
        if feature_layer not in names:
            raise ValueError(
                f"`feature_layer` must name a layer of the model. Received: {feature_layer!r}. "
                f"Its last layers: {', '.join(names[-8:])}"
            )
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"`activation` must be one of {', '.join(ACTIVATIONS)}. Received: {activation!r}"
            )

        features_and_outputs = keras.Model(
            model.inputs, [model.get_layer(feature_layer).output, model.output]
        )
        return cls(
            features_and_outputs, make_heat_maps(model, feature_layer), activation
        )

    @property
    def input_spec(self) -> tf.TensorSpec:
        """What the model takes."""
        return tf.TensorSpec(self.model.inputs[0].shape, self.model.inputs[0].dtype)

    def __call__(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Features, and probabilities by output."""
        return self._answers(*self._run(inputs))

    @functools.cached_property
    def graph(self) -> Callable:
        """The same as a graph."""
        return _graph(self.__call__, self.input_spec)

    @functools.cached_property
    def explaining_graph(self) -> Callable:
        """A graph that gives the heat maps, too; their gradients can be had in graphs only."""

        def explained(inputs):
            features, logits, maps = self.heat_maps(lambda: self._run(inputs))
            return self._answers(features, logits) | {
                heat_maps_name(name): x for name, x in maps.items()
            }

        return _graph(explained, self.input_spec)

    def _run(self, inputs: tf.Tensor) -> tuple:
        features, outputs = self.model(inputs, training=False)
        return features, by_name(outputs)

    def _answers(
        self, features: tf.Tensor, logits: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        to_probabilities = ACTIVATIONS[self.activation]
        return {
            FEATURES: tf.cast(features, tf.float32),
            **{
                name: to_probabilities(tf.cast(x, tf.float32))
                for name, x in logits.items()
            },
        }


def make_signatures(
    network: Network,
    preprocessor: Callable,
    kind: Pixels,
    label_names: Mapping[str, Sequence[str]],
    encoded: bool,
) -> tuple[tf.Module, dict[str, Callable]]:
    """The signatures, and a module with their variables. All call one of two traced networks.

    A plain `tf.Module` that holds just the variables of the functions stores each weight once;
    `keras.export.ExportArchive.track` would store it under the layers' names too.

    Args:
        network: What answers.
        preprocessor: From raw pixels to the network's input.
        kind: What stands in the raw pixels.
        label_names: Names of the labels by output.
        encoded: Whether to add the signature `encoded`.

    Returns:
        The module, and graphs by signature.
    """
    inputs = network.input_spec

    def prepared(raw_pixels):
        images = tf.cast(preprocessor(raw_pixels), inputs.dtype)
        with tf.control_dependencies(_checks_of_size(images, inputs.shape)):
            return tf.ensure_shape(images, inputs.shape)

    def with_labels(outputs, *more):
        answers = {}
        for name, of_output in label_names.items():
            answers[name] = outputs[name]
            answers[labels_name(name)] = tf.broadcast_to(
                tf.constant(of_output), tf.shape(outputs[name])
            )
        return answers | {name: outputs[name] for name in more}

    def serving_default(pixels):
        return with_labels(network.graph(prepared(kind.checked(pixels))))

    def features(pixels):
        return network.graph(prepared(kind.checked(pixels)))

    def explain(pixels):
        maps = [heat_maps_name(name) for name in label_names]
        return with_labels(
            network.explaining_graph(prepared(kind.checked(pixels))), *maps
        )

    def of_bytes(answer):
        return lambda raw, shape: answer(kind.from_bytes(raw, shape))

    def from_files(files):
        images = tf.map_fn(
            lambda file: prepared(decode_file(file)[None])[0],
            checked_files(files),
            fn_output_signature=tf.TensorSpec(inputs.shape[1:], inputs.dtype),
        )
        return with_labels(network.graph(images))

    signatures = {
        "serving_default": _graph(serving_default, kind.spec),
        "features": _graph(features, kind.spec),
        "explain": _graph(explain, kind.spec),
        "raw": _graph(of_bytes(serving_default), *RAW_SPECS),
        "explain_raw": _graph(of_bytes(explain), *RAW_SPECS),
    }
    if encoded:
        signatures["encoded"] = _graph(from_files, FILES_SPEC)
    variables = [
        variable for graph in signatures.values() for variable in graph.variables
    ]
    module = tf.Module()
    module.model_variables = list({v.ref(): v for v in variables}.values())
    return module, signatures


def _graph(function: Callable, *inputs: tf.TensorSpec) -> Callable:
    """The function's graph, traced once; a `tf.function` would be traced again when it is saved."""
    return tf.function(
        function, input_signature=inputs, autograph=False
    ).get_concrete_function()


def _checks_of_size(images: tf.Tensor, expected: tf.TensorShape) -> list:
    """That preprocessed images fit the network's input; too small ones would end the server's process."""
    sides = tf.shape(images)[1:3]
    least = [SMALLEST_SIDE_PX if side is None else side for side in expected[1:3]]
    most = [tf.int32.max if side is None else side for side in expected[1:3]]
    return [
        require(
            tf.reduce_all((sides >= least) & (sides <= most)),
            f"expected images of {_size_text(expected[1])} x {_size_text(expected[2])} pixels after the "
            "preprocessing, received",
            sides,
        )
    ]


def _size_text(side: int | None) -> str:
    return f"{SMALLEST_SIDE_PX} or more" if side is None else str(side)
