"""Small models of every kind that has encoders or backbones, with weights that make them do something."""

import functools

import keras
import numpy as np

import keras_medformers

SIZE_PX = 64
SMALL = dict(num_layers=3, feature_size=12, mlp_dim=8, num_heads=2)
VIT = dict(patch_size=16, num_layers=3, embed_dim=8, mlp_dim=8, num_heads=2)
SETTINGS = {
    "scopeformer_small": SMALL | {"backbones": ("mobilenet", "mobilenetv2")},
    "efficient_scopeformer": SMALL | {"backbones": ("mobilenet", "mobilenet")},
    "deep_scopeformer_tr": SMALL | {"backbones": ("mobilenet", "mobilenetv2")},
    "scopeformer_1cnn": SMALL | {"backbones": ("mobilenet",), "feature_size": None},
    "scopeformer_vit": VIT,
}


@functools.cache
def make_small(name):
    """The model, where random encoders change their tokens and weigh them unevenly."""
    keras.utils.set_random_seed(4)
    model = keras_medformers.create_model(
        name, input_shape=(SIZE_PX, SIZE_PX, 3), **SETTINGS[name]
    )
    random = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.startswith("encoder_") or layer.name == "head":
            for variable in layer.variables:
                spread = random.normal(0, 0.5, variable.shape)
                variable.assign(
                    abs(spread) + 0.1 if "variance" in variable.path else spread
                )
    return model


def make_images(count=3):
    return (
        np.random.default_rng(1)
        .uniform(0, 255, (count, SIZE_PX, SIZE_PX, 3))
        .astype("float32")
    )


def outputs_of(model, tensor, images):
    """What a symbolic tensor of the model is for these images, by Keras' own predict."""
    return keras.Model(model.input, tensor).predict(images, verbose=0)
