"""GELU by the error function, under a name that saved models can carry."""

import keras


@keras.saving.register_keras_serializable("keras_medformers")
def exact_gelu(x):
    """The input times the normal distribution's cumulative probability there, as PyTorch's `GELU()`."""
    return keras.activations.gelu(x, approximate=False)
