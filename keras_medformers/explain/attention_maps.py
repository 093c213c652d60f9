"""The attention maps of an encoder."""

import keras
import numpy as np

from keras_medformers.explain.layer_outputs import expect_encoders, layer_outputs


def attention_maps(model, inputs, encoder=-1, batch_size=8):
    """The maps by which each head of one encoder weighs the values of its tokens.

    Of re-attention they are those after mixing and norm, which may be negative and whose rows do not sum to
    1; of plain attention the softmax. The model is not changed.

    Args:
        model: A model with `TransformerBlock` layers and one input.
        inputs: What the model takes, already preprocessed, `(images, height, width, channels)`.
        encoder: Number of the encoder, from 0; negative ones count from the last, which is -1.
        batch_size: Images run at a time.

    Returns:
        float32 numpy array `(images, heads, tokens, tokens)`; rows are the tokens that attend.

    Raises:
        ValueError: If the model has no such encoder, or the inputs do not fit.

    Reference:
        Barhoumi et al., Efficient Scopeformer, eqs. (1) and (2), Fig. 9.
    """
    encoders = expect_encoders(model)
    if not isinstance(encoder, int) or not -len(encoders) <= encoder < len(encoders):
        raise ValueError(
            f"Expected encoder in {-len(encoders)}...{len(encoders) - 1}. Received: {encoder=}"
        )
    layer = encoders[encoder]
    batches = layer_outputs(model, inputs, {"tokens": layer.input}, batch_size)
    return np.concatenate(
        [attention_of(layer, outputs["tokens"]) for outputs in batches]
    )


def attention_of(encoder, tokens):
    """The attention maps of a `TransformerBlock` for the tokens that it takes, as a float32 numpy array."""
    maps = encoder.attention_maps(
        keras.ops.cast(keras.ops.convert_to_tensor(tokens), encoder.compute_dtype)
    )
    return keras.ops.convert_to_numpy(keras.ops.cast(maps, "float32"))
