"""How many images are run at a time, so that large ones fit into memory."""

import numpy as np

BATCH_SIZE = 8
PIXELS_PER_BATCH = BATCH_SIZE * 2**20
"""Of larger images fewer are run at a time; of full-size mammograms one."""


def fitting_batch(inputs: np.ndarray, batch_size: int) -> int:
    """How many images of this size are run at a time: `batch_size`, or fewer."""
    height, width = inputs.shape[1:3]
    return max(1, min(batch_size, PIXELS_PER_BATCH // (height * width)))
