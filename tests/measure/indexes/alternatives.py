"""Other kinds of index and other defaults, which could stand in place of what is there."""

from collections.abc import Mapping
from typing import Final

from tests.measure.indexes.loading import Change

TRANSFERS: Final = "public.whale_transactions"
READ: Final = "orphaned_at IS NULL AND succeeded IS DISTINCT FROM FALSE"
"""The rows that most statements read."""


def instead(index: str, columns: str, rest: str = "", *, old: str, method: str = "btree") -> Change:
    """An index under the same name made otherwise; `old` are the columns it has."""
    return Change(
        [
            f"DROP INDEX public.{index}",
            f"CREATE INDEX {index} ON {TRANSFERS} USING {method} ({columns}) {rest}",
        ],
        [f"DROP INDEX public.{index}", f"CREATE INDEX {index} ON {TRANSFERS} ({old})"],
    )


def default_of_id(expression: str) -> Change:
    return Change(
        [f"ALTER TABLE {TRANSFERS} ALTER COLUMN id SET DEFAULT {expression}"],
        [f"ALTER TABLE {TRANSFERS} ALTER COLUMN id SET DEFAULT gen_random_uuid()"],
    )


ALTERNATIVES: Final[Mapping[str, Change]] = {
    "timestamp: BRIN": instead(
        "idx_whale_transactions_timestamp",
        "block_timestamp",
        old="block_timestamp",
        method="brin",
    ),
    "timestamp: covering counts": instead(
        "idx_whale_transactions_timestamp",
        "block_timestamp",
        "INCLUDE (chain_id, value_eth, orphaned_at, succeeded)",
        old="block_timestamp",
    ),
    "block_number: BRIN": instead(
        "idx_whale_transactions_block_number",
        "block_number, chain_id",
        old="block_number, chain_id",
        method="brin",
    ),
    "value_eth: partial": instead(
        "idx_whale_transactions_value_eth", "value_eth", f"WHERE {READ}", old="value_eth"
    ),
    "whale_score: partial": instead(
        "idx_whale_transactions_whale_score", "whale_score", f"WHERE {READ}", old="whale_score"
    ),
    "from_address: partial": instead(
        "idx_whale_transactions_from_address",
        "from_address, block_timestamp",
        f"WHERE {READ}",
        old="from_address, block_timestamp",
    ),
    "from_address: hash": instead(
        "idx_whale_transactions_from_address",
        "from_address",
        old="from_address, block_timestamp",
        method="hash",
    ),
    "id: uuidv7()": default_of_id("uuidv7()"),
    "id: a constant": default_of_id("'00000000-0000-0000-0000-000000000000'"),
    "fillfactor 80": Change(
        [f"ALTER TABLE {TRANSFERS} SET (fillfactor = 80)"],
        [f"ALTER TABLE {TRANSFERS} RESET (fillfactor)"],
    ),
}
