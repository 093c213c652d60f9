"""GELU by the error function, under a name that saved models can carry."""

import keras


@keras.saving.register_keras_serializable("keras_medformers")
def exact_gelu(x):
    """x times the normal distribution's cumulative probability at x, as PyTorch's `GELU()` has it."""
    return keras.activations.gelu(x, approximate=False)
