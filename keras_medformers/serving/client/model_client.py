"""Images through a model that is asked batch by batch, wherever it runs."""

import concurrent.futures
import random
import re
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from keras_medformers.serving.client.batches import batches_of_equals
from keras_medformers.serving.client.errors import (
    INTERNAL,
    INVALID_ARGUMENT,
    CallFailed,
    InvalidImageError,
    ServerError,
)
from keras_medformers.serving.client.feeds import (
    ENCODED,
    Feed,
    check_image,
    choose_feed,
    to_inputs,
)
from keras_medformers.serving.client.signatures import ModelMetadata, TensorInfo

LONGEST_PAUSE_S = 0.2
"""Between two tries of one image: another client's may have been in the server's batch."""


class Transport(Protocol):
    """A way to a model. Calls raise `CallFailed` where they get no result."""

    def metadata(self) -> ModelMetadata:
        """Asks what the model takes and gives."""

    def predict(
        self,
        signature: str,
        inputs: dict[str, np.ndarray],
        outputs: dict[str, TensorInfo],
    ) -> dict[str, np.ndarray]:
        """Runs a batch.

        Args:
            signature: Name of the signature.
            inputs: Its inputs by name; strings as bytes in arrays of objects.
            outputs: Its outputs, as `metadata` describes them.

        Returns:
            The outputs by name; strings as str in arrays of objects.
        """

    def close(self) -> None:
        """Ends the connection."""


class ModelClient:
    """Asks a model for many images. It may be used from several threads.

    Args:
        transport: The way to it.
        signature: The signature whose outputs are wanted; one that takes pixels, `raw` or `encoded`.
        batch_size: Images per call at most.
        concurrency: Calls at a time at most.
        as_bytes: Whether pixels go as bytes where the model has a signature for that.
    """

    tries_alone = 1
    """How often an image is asked for that spoilt a batch, before it is taken for invalid."""

    def __init__(
        self,
        transport: Transport,
        signature: str,
        batch_size: int,
        concurrency: int,
        as_bytes: bool,
    ):
        self.signature = signature
        self._transport = transport
        self._batch_size, self._concurrency, self._as_bytes = (
            batch_size,
            concurrency,
            as_bytes,
        )
        self._metadata = None

    def __enter__(self) -> "ModelClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def metadata(self) -> ModelMetadata:
        """Says what the model takes and gives; asks it the first time.

        Raises:
            ServerError: If there is no server, or it has no such model.
        """
        if self._metadata is None:
            try:
                self._metadata = self._call(self._transport.metadata, threading.Event())
            except CallFailed as failed:
                raise self._explained(failed) from failed
        return self._metadata

    def predict(self, images: Sequence, return_exceptions: bool = False) -> list:
        """Asks for images.

        Args:
            images: Raw pixels, arrays of shape `(height, width, channels)` in the type that the model takes;
                sizes may differ. For a signature that takes files, the files' bytes.
            return_exceptions: Whether an image that got no answer has its `ServerError` in the place of its
                outputs, as in `asyncio.gather`, so that those of the others are kept.

        Returns:
            Per image, in order, a dict of its outputs by name; strings as str in arrays of objects.

        Raises:
            ServerError: If there is no server, it has no such model, or the model no
                such signature; or an image got no answer and exceptions are not
                returned.
        """
        feed = choose_feed(self.metadata(), self.signature, self._as_bytes)
        results = [_objection(image, feed) for image in images]
        fine = [place for place, objection in enumerate(results) if objection is None]
        gone = threading.Event()
        refused = self._ask_together(images, fine, feed, gone, results)
        # One image spoils its batch, and others that a server puts together with it: find out which.
        for place in refused:
            results[place] = self._ask_alone(images[place], feed, gone)
        errors = [result for result in results if isinstance(result, ServerError)]
        if errors and not return_exceptions:
            raise errors[0]
        return results

    def _ask_together(
        self,
        images: Sequence,
        fine: list[int],
        feed: Feed,
        gone: threading.Event,
        results: list,
    ) -> list[int]:
        """Fills in the results of the images at the places `fine`; gives the places of refused batches."""
        # Files of any size go together: they are decoded one by one.
        keys = [None if feed.kind == ENCODED else images[place].shape for place in fine]
        sizes = [
            len(images[p]) if feed.kind == ENCODED else images[p].nbytes for p in fine
        ]
        refused = []

        with concurrent.futures.ThreadPoolExecutor(self._concurrency) as pool:
            # A server may put requests together, and cannot where sizes differ: one size after the other.
            for batches in _by_key(
                keys, batches_of_equals(keys, sizes, self._batch_size)
            ):
                places = [[fine[index] for index in batch] for batch in batches]
                jobs = [
                    pool.submit(self._ask, [images[p] for p in batch], feed, gone)
                    for batch in places
                ]
                try:
                    for batch, job in zip(places, jobs, strict=True):
                        answers = job.result()
                        if answers is None:
                            refused += batch
                            continue
                        for place, answer in zip(batch, answers, strict=True):
                            results[place] = answer
                except BaseException:
                    gone.set()
                    pool.shutdown(cancel_futures=True)
                    raise

        return refused

    def _ask(self, images: list, feed: Feed, gone: threading.Event) -> list | None:
        """Outputs or errors of a batch's images; None if the model refuses the batch."""
        try:
            return self._outputs(images, feed, gone)
        except CallFailed as failed:
            if failed.code == INVALID_ARGUMENT:
                return None
            return [self._explained(failed)] * len(images)

    def _ask_alone(
        self, image, feed: Feed, gone: threading.Event
    ) -> dict | ServerError:
        for tries_left in reversed(range(self.tries_alone)):
            try:
                return self._outputs([image], feed, gone)[0]
            except CallFailed as failed:
                if failed.code != INVALID_ARGUMENT:
                    return self._explained(failed)
                if not tries_left:
                    return InvalidImageError(
                        f"the model refuses it: {_assertion(failed.details)}"
                    )
            gone.wait(random.uniform(0, LONGEST_PAUSE_S))

    def _outputs(self, images: list, feed: Feed, gone: threading.Event) -> list[dict]:
        inputs = to_inputs(images, feed)
        wanted = self.metadata().signatures[feed.signature].outputs
        outputs = self._call(
            lambda: self._transport.predict(feed.signature, inputs, wanted), gone
        )
        for name, values in outputs.items():
            if np.ndim(values) == 0 or len(values) != len(images):
                raise CallFailed(
                    INTERNAL,
                    f"output {name!r} has shape {np.shape(values)} for {len(images)} images",
                )

        return [
            {name: values[place] for name, values in outputs.items()}
            for place in range(len(images))
        ]

    def _call(self, call: Callable, gone: threading.Event):
        """Gives what `call` gives; `gone` is set when no further call has a chance."""
        return call()

    def _explained(self, failed: CallFailed) -> ServerError:
        """What a user can make of a failed call."""
        return ServerError(
            f"the model failed with {failed.code} ({failed.details})", failed.code
        )


def _by_key(keys: Sequence, batches: list[list[int]]) -> list[list[list[int]]]:
    """Batches of one key each, put together by it."""
    found = {}
    for batch in batches:
        found.setdefault(keys[batch[0]], []).append(batch)
    return list(found.values())


def _assertion(details: str) -> str:
    """The text of a check in the graph, without TensorFlow's words around it; others' words as they are."""
    check = re.search(r"assertion failed: \[(.*?)\](?: \[\[\{\{|$)", details)
    if not check:
        return details
    # Which images of the batch: there is one.
    return (
        check[1].replace("] [", " ").partition(" Images, counted from 0")[0].rstrip(".")
    )


def _objection(image, feed: Feed) -> InvalidImageError | None:
    try:
        return check_image(image, feed)
    except InvalidImageError as error:
        return error
