"""What goes wrong between a client and a server. Codes are gRPC's, also of what went by REST.

Reference:
    gRPC, "Status codes and their use in gRPC".
"""

UNAVAILABLE = "UNAVAILABLE"
RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
INVALID_ARGUMENT = "INVALID_ARGUMENT"
NOT_FOUND = "NOT_FOUND"
INTERNAL = "INTERNAL"
FAILED_PRECONDITION = "FAILED_PRECONDITION"


class ServerError(Exception):
    """A server did not answer, or not with what was asked for.

    Attributes:
        code: Name of the gRPC status, such as `"UNAVAILABLE"`.
    """

    def __init__(self, message: str, code: str):
        super().__init__(message)
        self.code = code


class InvalidImageError(ServerError):
    """An image is not what the model takes; others may be."""

    def __init__(self, message: str):
        super().__init__(message, INVALID_ARGUMENT)


class CallFailed(Exception):
    """One call failed; what the server or the network said of it.

    Attributes:
        code: Name of the gRPC status.
        details: Its text.
        too_large: Whether the request or the answer is larger than one side takes: trying again is no use.
    """

    def __init__(self, code: str, details: str, too_large: bool = False):
        super().__init__(code, details)
        self.code = code
        self.details = " ".join(details.split())
        self.too_large = too_large
