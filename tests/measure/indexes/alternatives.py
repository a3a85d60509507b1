"""Other indexes, defaults and CHECKs that could stand in place of what is there."""

from collections.abc import Mapping
from typing import Final

from tests.measure.indexes.loading import Change

TABLE: Final = "whale_transactions"
TRANSFERS: Final = f"public.{TABLE}"
READ: Final = "orphaned_at IS NULL AND succeeded IS DISTINCT FROM FALSE"
"""The rows that most statements read."""


def instead(
    index: str,
    columns: str,
    rest: str = "",
    *,
    old: str,
    method: str = "btree",
    old_method: str = "btree",
) -> Change:
    """An index under the same name made otherwise; `old` are the columns it has."""
    return Change(
        [
            f"DROP INDEX public.{index}",
            f"CREATE INDEX {index} ON {TRANSFERS} USING {method} ({columns}) {rest}",
        ],
        [
            f"DROP INDEX public.{index}",
            f"CREATE INDEX {index} ON {TRANSFERS} USING {old_method} ({old})",
        ],
    )


def key_of(columns: str) -> str:
    key = f"{TABLE}_pkey"
    return (
        f"ALTER TABLE {TRANSFERS} DROP CONSTRAINT {key},"
        f" ADD CONSTRAINT {key} PRIMARY KEY ({columns})"
    )


LED_BY_HASH: Final = Change(
    [key_of("hash, chain_id, block_hash, trace_path"), f"DROP INDEX public.idx_{TABLE}_hash"],
    [
        key_of("block_hash, chain_id, hash, trace_path"),
        f"CREATE INDEX idx_{TABLE}_hash ON {TRANSFERS} USING hash (hash)",
    ],
)
"""The key finds transactions as well, and needs no index on hash beside it."""


def default_of_id(expression: str) -> Change:
    return Change(
        [f"ALTER TABLE {TRANSFERS} ALTER COLUMN id SET DEFAULT {expression}"],
        [f"ALTER TABLE {TRANSFERS} ALTER COLUMN id SET DEFAULT gen_random_uuid()"],
    )


def formats(check: str) -> Change:
    """Other CHECKs of hashes and addresses; `check` is one of {column}, of {digits} digits."""
    names = {"hash": 64, "block_hash": 64, "from_address": 40, "to_address": 40}
    dropped = [f"DROP CONSTRAINT {TABLE}_{column}_format" for column in names]

    def made(form: str) -> str:
        added = [
            f"ADD CONSTRAINT {TABLE}_{column}_format"
            f" CHECK ({form.format(column=column, digits=digits, length=digits + 2)})"
            for column, digits in names.items()
        ]
        return f"ALTER TABLE {TRANSFERS} {', '.join([*dropped, *added])}"

    return Change(
        [made(check)],
        [made("octet_length({column}) = {length} AND {column} ~ '^0x[0-9a-f]*$'")],
    )


ALTERNATIVES: Final[Mapping[str, Change]] = {
    "key: led by hash": LED_BY_HASH,
    "hash: btree": instead("idx_whale_transactions_hash", "hash", old="hash", old_method="hash"),
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
    "formats: counted": formats("{column} ~ '^0x[0-9a-f]{{{digits}}}$'"),
    "formats: none": formats("TRUE"),
    "fillfactor 80": Change(
        [f"ALTER TABLE {TRANSFERS} SET (fillfactor = 80)"],
        [f"ALTER TABLE {TRANSFERS} RESET (fillfactor)"],
    ),
}
