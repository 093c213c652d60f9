"""The client of TensorFlow Serving: tries again where that may help, and says what is wrong where not."""

import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path

from keras_medformers.serving.client.certificates import check_authorities
from keras_medformers.serving.client.errors import (
    DEADLINE_EXCEEDED,
    FAILED_PRECONDITION,
    NOT_FOUND,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    CallFailed,
    ServerError,
)
from keras_medformers.serving.client.model_client import ModelClient, Transport

logger = logging.getLogger(__name__)

GRPC, REST = PROTOCOLS = ("grpc", "rest")

WORTH_ANOTHER_TRY = (UNAVAILABLE, RESOURCE_EXHAUSTED)
"""The server was not reached, or has too much to do; anything else would fail again."""

MIXED_BATCH = "different shapes"
"""In what a server says that put requests of several clients together whose images differ in size."""

LONGEST_WAIT_S = 30.0

MAX_MESSAGE_BYTES = 2**30
"""gRPC's own limit, 4 MiB, is less than one mammogram."""


class ServingClient(ModelClient):
    """A client of one model on TensorFlow Serving. It may be used from several threads.

    Args:
        server: `host:port` (8500 for gRPC and 8501 for REST are usual).
        model_name: Under which the server has the model.
        protocol: `"grpc"` or `"rest"`. Over REST, pixels go as bytes where the model has the signature
            `raw`, and as numbers where it has not.
        signature: The signature whose outputs are wanted; one that takes pixels, `raw` or `encoded`.
        batch_size: Images per request at most.
        concurrency: Requests at a time at most.
        timeout_s: Seconds that one try of a request may take.
        retries: Further tries of a request that found the server unavailable or overloaded.
        tls: Whether the connection is encrypted and the server has to prove who it is: by a certificate of
            an authority known to all, or, if this is a file (PEM), of one of the authorities in it.
        backoff_s: Wait before the first further try. Each next one is twice as long, up to `LONGEST_WAIT_S`,
            and each is shortened at random by up to a half, so that clients do not come back all at once.

    Raises:
        ValueError: If an argument is not what it should be.
        ServerError: If what gRPC needs is not installed.
    """

    # The server may have put the image together with another client's that it refuses.
    tries_alone = 2

    def __init__(
        self,
        server: str,
        model_name: str,
        protocol: str = GRPC,
        signature: str = "serving_default",
        batch_size: int = 8,
        concurrency: int = 4,
        timeout_s: float = 60.0,
        retries: int = 5,
        backoff_s: float = 0.5,
        tls: bool | str | Path = False,
    ):
        if protocol not in PROTOCOLS:
            raise ValueError(
                f"`protocol` must be one of {', '.join(PROTOCOLS)}. Received: {protocol!r}"
            )

        host, _, port = server.rstrip("/").rpartition(":")
        if not host or not port.isdecimal() or "://" in host:
            raise ValueError(
                f"`server` must be host:port, without a scheme. Received: {server!r}"
            )

        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("concurrency", concurrency, 1),
            ("retries", retries, 0),
        ):
            if value < least:
                raise ValueError(
                    f"`{name}` must be at least {least}. Received: {value}"
                )

        if not timeout_s > 0 or not backoff_s >= 0:
            raise ValueError(
                f"`timeout_s` must be above 0, `backoff_s` at least 0. Received: {timeout_s=}, {backoff_s=}"
            )

        if not isinstance(tls, bool):
            check_authorities(tls := Path(tls))
        self.server, self.model_name, self.protocol, self._tls = (
            server,
            model_name,
            protocol,
            tls,
        )
        self._timeout_s, self._retries, self._backoff_s = timeout_s, retries, backoff_s
        super().__init__(
            self._connect(concurrency),
            signature,
            batch_size,
            concurrency,
            as_bytes=protocol == REST,
        )

    def _connect(self, concurrency: int) -> Transport:
        if self.protocol == REST:
            # Both inside, since either may be used without the other's extra packages.
            from keras_medformers.serving.client.rest_transport import RestTransport

            return RestTransport(
                self.server, self.model_name, self._timeout_s, concurrency, self._tls
            )
        try:
            from keras_medformers.serving.client.grpc_transport import GrpcTransport
        except ModuleNotFoundError as error:
            raise ServerError(
                f"gRPC needs {error.name}: pip install 'keras_medformers[serving]', or take protocol 'rest'",
                FAILED_PRECONDITION,
            ) from error
        return GrpcTransport(
            self.server, self.model_name, self._timeout_s, MAX_MESSAGE_BYTES, self._tls
        )

    def _call(self, call: Callable, gone: threading.Event):
        """Calls until there is an answer, an error that would come again, or no try is left.

        Args:
            call: What to do; raises `CallFailed`.
            gone: Set once a call has found the server away to the end: others need not wait that long, too.
        """
        for tried in range(self._retries + 1):
            if gone.is_set():
                raise CallFailed(UNAVAILABLE, "another request did not reach it")
            try:
                return call()
            except CallFailed as failed:
                if not _worth_another_try(failed):
                    raise
                if tried == self._retries:
                    if failed.code == UNAVAILABLE:
                        gone.set()
                    raise
                wait_s = min(
                    LONGEST_WAIT_S, self._backoff_s * 2**tried
                ) * random.uniform(0.5, 1)
                logger.info(
                    "%s: %s; trying again in %.1f s (%d of %d)",
                    self.server,
                    failed.code,
                    wait_s,
                    tried + 1,
                    self._retries,
                )
                gone.wait(wait_s)

    def _explained(self, failed: CallFailed) -> ServerError:
        said = f" ({failed.details})" if failed.details else ""
        if failed.too_large:
            text = f"a batch is too large for {self.server}{said}; ask for fewer images at a time"
        elif failed.code == UNAVAILABLE:
            way, doubt = f"{self.protocol} without TLS", "does it want TLS"
            if self._tls:
                way, doubt = (
                    f"{self.protocol} with TLS",
                    "is its certificate for this name trusted here",
                )
            text = (
                f"no server answers at {self.server} over {way}{said}; is it running, is this its port for "
                f"this protocol, and {doubt}?"
            )
        elif failed.code == RESOURCE_EXHAUSTED:
            text = f"{self.server} has too much to do{said}; ask for fewer images at a time"
        elif failed.code == DEADLINE_EXCEEDED:
            text = (
                f"no answer from {self.server} within {self._timeout_s:g} s; allow more time, or ask for "
                "fewer images at a time"
            )
        elif failed.code == NOT_FOUND:
            text = (
                f"{self.server} does not serve a model {self.model_name!r}{said}; its models' names are in "
                "its --model_name or models.config"
            )
        else:
            text = f"model {self.model_name!r} on {self.server} failed with {failed.code}{said}"
        return ServerError(text, failed.code)


def _worth_another_try(failed: CallFailed) -> bool:
    # By text: the code differs between gRPC and REST.
    mixed = MIXED_BATCH in failed.details
    return mixed or failed.code in WORTH_ANOTHER_TRY and not failed.too_large
