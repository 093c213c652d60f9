"""Images of several sizes as batches of one size each."""

from collections.abc import Hashable, Sequence

BATCH_BYTES = 2**27
"""A batch holds no more than that, or one image; of the largest mammograms that is seven."""


def batches_of_equals(
    keys: Sequence[Hashable],
    sizes_bytes: Sequence[int],
    batch_size: int,
    batch_bytes: int = BATCH_BYTES,
) -> list[list[int]]:
    """Groups places by their key.

    Args:
        keys: Of each image, what all of a batch must have in common, such as the shape.
        sizes_bytes: Of each image.
        batch_size: Images of a batch at most.
        batch_bytes: Bytes of a batch of several images at most.

    Returns:
        Lists of places in `keys`, in order of their first.
    """
    batches, filling = [], {}
    for place, (key, size) in enumerate(zip(keys, sizes_bytes, strict=True)):
        batch, held = filling.get(key, (None, 0))
        if batch is None or len(batch) == batch_size or held + size > batch_bytes:
            batch, held = [], 0
            batches.append(batch)
        batch.append(place)
        filling[key] = batch, held + size
    return batches
