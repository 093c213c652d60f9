"""How images become the inputs of a signature."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_medformers.serving.client.errors import (
    FAILED_PRECONDITION,
    InvalidImageError,
    ServerError,
)
from keras_medformers.serving.client.signatures import ModelMetadata, TensorInfo

PIXELS, ENCODED, RAW = {"pixels"}, {"encoded"}, {"raw", "shape"}
"""Inputs by which the kinds of signatures are told apart, see `keras_medformers.serving.export`."""

RAW_TWINS = {"serving_default": "raw", "explain": "explain_raw"}
"""Signatures of pixels that have one with the same outputs for pixels as bytes."""


class Feed(NamedTuple):
    """How to ask a model.

    Attributes:
        signature: What is called.
        kind: `PIXELS`, `ENCODED` or `RAW`.
        pixels: What the pixels of a batch have to be; None if files go in.
    """

    signature: str
    kind: set[str]
    pixels: TensorInfo | None


def choose_feed(
    metadata: ModelMetadata, signature: str, bytes_if_possible: bool
) -> Feed:
    """Finds out how images go into a signature.

    Args:
        metadata: The model's.
        signature: Whose outputs are wanted.
        bytes_if_possible: Whether pixels go as bytes where a signature takes them.

    Raises:
        ServerError: If there is no such signature, or its inputs are unknown.
    """
    known = metadata.signatures
    if signature not in known:
        raise ServerError(
            f"version {metadata.version} of model {metadata.name!r} has no signature {signature!r}; "
            f"it has {', '.join(sorted(known))}",
            FAILED_PRECONDITION,
        )

    pixels = next(
        (one.inputs["pixels"] for one in known.values() if set(one.inputs) == PIXELS),
        None,
    )
    twin = RAW_TWINS.get(signature)
    if bytes_if_possible and twin in known:
        signature = twin
    inputs = set(known[signature].inputs)
    if inputs == ENCODED:
        return Feed(signature, ENCODED, None)
    if inputs == PIXELS:
        return Feed(signature, PIXELS, known[signature].inputs["pixels"])
    if inputs == RAW and pixels is not None:
        return Feed(signature, RAW, pixels)

    raise ServerError(
        f"signature {signature!r} of model {metadata.name!r} takes {', '.join(sorted(inputs)) or 'nothing'}; "
        "expected one that takes pixels, encoded, or raw and shape, as `make export` writes them",
        FAILED_PRECONDITION,
    )


def check_image(image, feed: Feed) -> None:
    """Looks whether an image can go in.

    Raises:
        InvalidImageError: If it is of another type or shape than the model takes.
    """
    if feed.kind == ENCODED:
        if not isinstance(image, bytes) or not image:
            raise InvalidImageError(
                f"expected the bytes of a file. Received: {type(image).__name__}"
            )
        return

    channels = feed.pixels.shape[-1] if feed.pixels.shape else None
    if not isinstance(image, np.ndarray):
        raise InvalidImageError(
            f"expected an array of pixels. Received: {type(image).__name__}"
        )
    if (
        image.dtype != feed.pixels.dtype
        or image.ndim != 3
        or 0 in image.shape
        or channels not in (None, image.shape[-1])
    ):
        raise InvalidImageError(
            f"expected {feed.pixels.dtype} pixels of shape (height, width, {channels or 'channels'}). "
            f"Received: {image.dtype} of shape {image.shape}"
        )


def to_inputs(images: Sequence, feed: Feed) -> dict[str, np.ndarray]:
    """The inputs for a batch of images of one shape."""
    if feed.kind == ENCODED:
        return {"encoded": np.array(images, object)}
    if feed.kind == PIXELS:
        return {"pixels": np.stack(images)}
    little_endian = np.dtype(feed.pixels.dtype).newbyteorder("<")
    return {
        "raw": np.array(
            [image.astype(little_endian).tobytes() for image in images], object
        ),
        "shape": np.array([image.shape[:2] for image in images], np.int32),
    }
