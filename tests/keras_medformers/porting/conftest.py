"""A small network with one layer of each kind, and its weights as an official checkpoint would name them."""

import keras
import numpy as np
import pytest

from keras_medformers.porting.rules import Rules, register_rules, rules_of

VARIABLES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
SHAPES = {
    "stem.weight": (4, 3, 3, 3),
    "stem.bias": (4,),
    "stem_norm.weight": (4,),
    "stem_norm.bias": (4,),
    "stem_norm.running_mean": (4,),
    "stem_norm.running_var": (4,),
    "mix.weight": (8, 1, 3, 3),
    "mix.bias": (8,),
    "group.weight": (6, 4, 3, 3),
    "group.bias": (6,),
    "lines.weight": (5, 6, 3),
    "lines.bias": (5,),
    "norm.weight": (5,),
    "norm.bias": (5,),
    "head.weight": (3, 5),
    "head.bias": (3,),
}


def official_name(path):
    layer, variable = path.split("/")
    return f"{layer}.{VARIABLES.get(variable, variable)}"


register_rules("small_network", Rules(official_name, unused=(r"aux\d\.weight",)))


def build_small_network(num_classes=3, name="small_network"):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.BatchNormalization(epsilon=1e-5, name="stem_norm")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="mix")(
        x
    )
    x = keras.layers.Conv2D(6, 3, padding="same", groups=2, name="group")(x)
    x = keras.layers.Reshape((64, 6))(x)
    x = keras.layers.Conv1D(5, 3, padding="same", name="lines")(x)
    x = keras.layers.Dropout(0.5, name="drop")(x)
    x = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(
        image, keras.layers.Dense(num_classes, name="head")(x), name=name
    )


@pytest.fixture
def small_network():
    return build_small_network()


@pytest.fixture
def other_small_network():
    """Builds one with another number of classes or another name."""
    return build_small_network


@pytest.fixture
def state_dict():
    generator = np.random.default_rng(0)
    return {
        name: generator.uniform(0.5, 1.5, shape).astype("float32")
        for name, shape in SHAPES.items()
    }


@pytest.fixture
def official_state_dict():
    """From a model's weights to the arrays of an official checkpoint, by a layout written anew."""

    def convert(model):
        arrays = {}
        for weight in model.weights:
            array = keras.ops.convert_to_numpy(weight)
            if weight.path.endswith(("mix/kernel", "dwconv/kernel")):
                array = np.einsum("hwcm->cmhw", array).reshape(-1, 1, 3, 3)
            elif weight.name == "kernel":
                array = np.moveaxis(array, (-1, -2), (0, 1))
            arrays[rules_of(model).official_name(weight.path)] = np.ascontiguousarray(
                array
            )
        return arrays

    return convert
