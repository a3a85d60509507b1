"""What can go wrong between us and a node, sorted as `typedsql.errors` sorts.

No message holds more of a node's URL than its host and port, since keys live in its path,
query and credentials; and nothing of a node's error but its code, since its text may quote
that URL.
"""

from typedsql.errors import ConfigurationError, OperatorError, TransientError


class NodeUnavailable(TransientError):
    """The node gave no usable answer in all attempts of a request; nothing changed.

    `code` is the JSON-RPC error code of the last answer, None where that was none: no
    connection, no answer in time, an HTTP status, or something that is no reply.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ChainMoved(TransientError):
    """The node's chain changed while a block was read piece by piece: read its head again."""


class NodeRefused(OperatorError):
    """The node will not answer this however often it is asked: access, method or arguments.

    `code` is the JSON-RPC error code, None where an HTTP status or a certificate said it.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class PackageMissing(ConfigurationError):
    """The package that speaks HTTP and websocket is not installed."""
