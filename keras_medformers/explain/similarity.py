"""How alike the encoders' outputs are: what depth still changes."""

import numpy as np

from keras_medformers.explain.layer_outputs import expect_encoders, layer_outputs


def encoder_similarity(model, inputs, batch_size=8):
    """Cosine similarity of each encoder's output to the last encoder's, mean over images and tokens.

    The cosine is taken over the channels of each token (a token of the transposed form is a feature, its
    channels are positions); a class token counts as one token. The paper does not say over what it takes it.

    Args:
        model: A model with `TransformerBlock` layers and one input.
        inputs: What the model takes, already preprocessed, `(images, height, width, channels)`.
        batch_size: Images run at a time.

    Returns:
        float64 numpy array `(layers,)` in [-1, 1], from the input up; the last is 1.

    Raises:
        ValueError: If the model has no encoders, or the inputs do not fit.

    Reference:
        Barhoumi et al., Efficient Scopeformer, section IV.C, Fig. 5.
    """
    encoders = expect_encoders(model)
    tensors = {layer.name: layer.output for layer in encoders}
    batches = [
        cosine_to_last([outputs[layer.name] for layer in encoders])
        for outputs in layer_outputs(model, inputs, tensors, batch_size)
    ]
    return np.concatenate(batches, axis=1).mean(axis=1)


def cosine_to_last(outputs):
    """Cosine similarity of each of several tensors to the last one, over channels, mean over tokens.

    Args:
        outputs: Arrays of one shape, `(images, tokens, channels)`. A token of zeros is unlike all.

    Returns:
        float64 array `(tensors, images)`.
    """
    directions = [_directions(tokens) for tokens in outputs]
    return np.stack(
        [(tokens * directions[-1]).sum(-1).mean(-1) for tokens in directions]
    )


def _directions(tokens):
    tokens = np.asarray(tokens, "float64")
    lengths = np.linalg.norm(tokens, axis=-1, keepdims=True)
    return np.divide(tokens, lengths, out=np.zeros_like(tokens), where=lengths > 0)
