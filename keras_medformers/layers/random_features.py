"""Directions of random features: blocks of orthogonal rows."""

import math

import numpy as np


def orthogonal_features(num_features, head_dim, seed):
    """Draws random directions that are orthogonal in blocks, the same for the same seed.

    Each block of `head_dim` rows is a matrix of standard normal values whose rows are orthonormalised
    in order; all rows then get the length `sqrt(head_dim)`. Rows of different blocks are independent.

    Args:
        num_features: Number of rows.
        head_dim: Length of each row, and rows per block.
        seed: What `numpy.random.default_rng` takes, for example an int.

    Returns:
        Float64 array `(num_features, head_dim)`.

    Raises:
        ValueError: If a size is not positive.

    Reference:
        Choromanski et al., Rethinking Attention with Performers, section 2.4, with rows of one length
        as in their "regularized" features.
    """
    if num_features < 1 or head_dim < 1:
        raise ValueError(
            "Expected `num_features` and `head_dim` of at least 1. "
            f"Received: num_features={num_features}, head_dim={head_dim}"
        )
    blocks = math.ceil(num_features / head_dim)
    # (blocks, head_dim, head_dim); QR works on columns, directions are rows.
    normal = np.random.default_rng(seed).standard_normal((blocks, head_dim, head_dim))
    columns, triangle = np.linalg.qr(np.swapaxes(normal, 1, 2))
    # QR leaves signs open; with a positive diagonal it is the Gram-Schmidt process.
    columns = columns * np.sign(np.diagonal(triangle, axis1=1, axis2=2))[:, None, :]
    rows = np.swapaxes(columns, 1, 2).reshape(blocks * head_dim, head_dim)
    return math.sqrt(head_dim) * rows[:num_features]
