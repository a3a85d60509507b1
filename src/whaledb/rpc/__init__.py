"""A node of a chain over JSON-RPC: HTTP and websocket."""

from whaledb.rpc.attempts import Retries
from whaledb.rpc.errors import ChainMoved, NodeRefused, NodeUnavailable, PackageMissing
from whaledb.rpc.node import Node, open_node
from whaledb.rpc.reading import BlockReference
from whaledb.rpc.traces import Traced

__all__ = [
    "BlockReference",
    "ChainMoved",
    "Node",
    "NodeRefused",
    "NodeUnavailable",
    "PackageMissing",
    "Retries",
    "Traced",
    "open_node",
]
