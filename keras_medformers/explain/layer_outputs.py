"""What layers inside a model give for a batch of images, without changing the model."""

import keras
import numpy as np

from keras_medformers.layers import TransformerBlock


def encoders_of(model):
    """The model's transformer encoders (`TransformerBlock` layers), from the input up; none without."""
    return [layer for layer in model.layers if isinstance(layer, TransformerBlock)]


def expect_encoders(model):
    """The model's encoders.

    Raises:
        ValueError: If it has none.
    """
    encoders = encoders_of(model)
    if not encoders:
        raise ValueError(
            f"Expected a model with transformer encoders. Received: model {model.name!r} without any"
        )
    return encoders


def layer_outputs(model, inputs, tensors, batch_size=8):
    """Runs a model in inference mode and yields, batch by batch, what is asked for.

    Args:
        model: Functional model with one input.
        inputs: What the model takes, already preprocessed, `(images, height, width, channels)`.
        tensors: Symbolic tensors of the model by any name, such as
            `{"last": model.get_layer("encoder_7").output}`.
        batch_size: Images run at a time.

    Yields:
        Per batch a dict of float32 numpy arrays with the names of `tensors`.

    Raises:
        ValueError: If there are no images, the model has several inputs or the batch size is not positive.
    """
    inputs = np.asarray(inputs)
    if inputs.ndim != 4 or not len(inputs):
        raise ValueError(
            f"Expected inputs of shape (images, height, width, channels). Received: {inputs.shape}"
        )
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"Expected batch_size of at least 1. Received: {batch_size=}")
    if len(model.inputs) != 1:
        raise ValueError(
            f"Expected a model with one input. Received: {len(model.inputs)} inputs"
        )

    inside = keras.Model(model.inputs[0], tensors)
    for start in range(0, len(inputs), batch_size):
        # Called eagerly, a functional model holds on to what every layer gave: gigabytes for four backbones.
        outputs = inside.predict_on_batch(inputs[start : start + batch_size])
        yield {name: np.asarray(output, "float32") for name, output in outputs.items()}
