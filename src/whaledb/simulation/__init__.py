"""A simulated chain in the exact form of Ethereum's JSON-RPC, the same on every machine."""

from whaledb.simulation.chain import (
    BLOCK_COUNT,
    DEFAULT_SEED,
    ORPHANED_NUMBER,
    SimulatedChain,
    simulate,
)
from whaledb.simulation.wire import CHAIN_ID

__all__ = [
    "BLOCK_COUNT",
    "CHAIN_ID",
    "DEFAULT_SEED",
    "ORPHANED_NUMBER",
    "SimulatedChain",
    "simulate",
]
