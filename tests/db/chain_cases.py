"""Constraints of the tables that ingestion of a chain writes."""

from tests.db.constraint_cases import NO_ADDRESSES, NO_HASHES, NOT_FINITE, WEI, Case, values
from tests.db.rows import ACCOUNT, ADDRESS, HASH, OTHER_ACCOUNT, OTHER_HASH, TIME

PRICE = {"value_usd": "1.5", "price_source": "coinbase", "priced_at": TIME}

CASES = [
    Case(
        "whale_transactions",
        "whale_transactions_hash_format",
        values("hash", HASH, "0x" + "0" * 64),
        values("hash", *NO_HASHES),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_chain_id_positive",
        values("chain_id", 1, 2**63 - 1),
        values("chain_id", 0, -1),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_block_hash_format",
        values("block_hash", HASH),
        values("block_hash", *NO_HASHES),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_trace_path_format",
        values("trace_path", "", "0", "0_1_2", "10_200"),
        values("trace_path", "_", "0_", "_0", "0__1", "0.1", "a", " ", "0\n"),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_block_number_not_negative",
        values("block_number", 0, 2**63 - 1),
        values("block_number", -1),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_block_timestamp_finite",
        values("block_timestamp", "1970-01-01T00:00:00Z"),
        values("block_timestamp", "infinity", "-infinity"),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_from_address_format",
        values("from_address", ADDRESS),
        values("from_address", *NO_ADDRESSES),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_to_address_format",
        values("to_address", ADDRESS, None),
        values("to_address", *NO_ADDRESSES),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_value_eth_range",
        values("value_eth", "0", WEI, str(2**256 - 1)),
        values("value_eth", "-" + WEI, "-1", *NOT_FINITE),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_value_eth_wei",
        values("value_eth", "1." + "0" * 17 + "1", "1." + "0" * 30, WEI),
        values("value_eth", "1.0000000000000000001", "0." + "9" * 19),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_value_usd_range",
        [PRICE, PRICE | {"value_usd": "0"}, PRICE | {"value_usd": "9" * 18 + ".99"}],
        [PRICE | {"value_usd": value} for value in ("-0.01", "NaN")],
    ),
    Case(
        "whale_transactions",
        "whale_transactions_price_source_length",
        [PRICE, PRICE | {"price_source": "é" * 100}],
        [PRICE | {"price_source": value} for value in ("", "x" * 101)],
    ),
    Case(
        "whale_transactions",
        "whale_transactions_price_complete",
        [{}, PRICE],
        [PRICE | {column: None} for column in PRICE] + [{key: PRICE[key]} for key in PRICE],
    ),
    Case(
        "whale_transactions",
        "whale_transactions_gas_price_not_negative",
        values("gas_price", 0, 2**63 - 1),
        values("gas_price", -1),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_gas_used_not_negative",
        values("gas_used", 0, 21_000, None),
        values("gas_used", -1),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_whale_score_range",
        values("whale_score", "0", "0.8512", "1", None),
        values("whale_score", "-0.0001", "1.0001", "NaN"),
    ),
    Case("blocks", "blocks_hash_format", values("hash", HASH), values("hash", *NO_HASHES)),
    Case("blocks", "blocks_chain_id_positive", values("chain_id", 1), values("chain_id", 0, -1)),
    Case("blocks", "blocks_number_not_negative", values("number", 0), values("number", -1)),
    Case(
        "blocks",
        "blocks_parent_hash_format",
        values("parent_hash", "0x" + "0" * 64),
        values("parent_hash", *NO_HASHES),
    ),
    Case(
        "blocks",
        "blocks_block_timestamp_finite",
        values("block_timestamp", TIME),
        values("block_timestamp", "infinity", "-infinity"),
    ),
    Case(
        "blocks",
        "blocks_canonical_or_orphaned",
        [
            {"canonical": True, "orphaned_at": None},
            {"canonical": False, "orphaned_at": TIME},
        ],
        [
            {"canonical": True, "orphaned_at": TIME},
            {"canonical": False, "orphaned_at": None},
        ],
    ),
    Case(
        "blocks",
        "blocks_finality_known",
        values("finality", "pending", "safe", "finalised"),
        values("finality", "", "latest", "finalized"),
    ),
    Case(
        "blocks",
        "blocks_min_value_eth_range",
        values("min_value_eth", "0", WEI, "100"),
        values("min_value_eth", "-1", *NOT_FINITE),
    ),
    Case(
        "ingest_cursors",
        "ingest_cursors_stream_length",
        values("stream", "x", "é" * 1000),
        values("stream", "", "x" * 1001, "鯨" * 700),
    ),
    Case(
        "ingest_cursors",
        "ingest_cursors_chain_id_positive",
        values("chain_id", 1),
        values("chain_id", 0),
    ),
    Case(
        "ingest_cursors",
        "ingest_cursors_number_not_negative",
        values("number", 0),
        values("number", -1),
    ),
    Case(
        "ingest_cursors",
        "ingest_cursors_hash_format",
        values("hash", HASH),
        values("hash", *NO_HASHES),
    ),
    Case(
        "ingest_claims",
        "ingest_claims_stream_length",
        values("stream", "x", "é" * 1000),
        values("stream", "", "x" * 1001, "鯨" * 700),
    ),
    Case(
        "ingest_claims",
        "ingest_claims_chain_id_positive",
        values("chain_id", 1),
        values("chain_id", 0),
    ),
    Case(
        "ingest_claims",
        "ingest_claims_fencing_token_positive",
        values("fencing_token", 1, 2**63 - 1),
        values("fencing_token", 0, -1),
    ),
    Case(
        "ingest_claims",
        "ingest_claims_holder_length",
        values("holder", "x", "é" * 300),
        values("holder", "", "x" * 301),
    ),
    Case(
        "ingest_claims",
        "ingest_claims_claimed_at_finite",
        values("claimed_at", TIME),
        values("claimed_at", "infinity", "-infinity"),
    ),
    Case(
        "ingest_claims",
        "ingest_claims_expires_at_finite",
        values("expires_at", TIME),
        values("expires_at", "infinity", "-infinity"),
    ),
    Case(
        "ingest_claims",
        "ingest_claims_pkey",
        [{"chain_id": 137}, {"stream": "-"}],
        [{}, {"fencing_token": 8}],
    ),
    Case(
        "dead_letters",
        "dead_letters_source_length",
        values("source", "-", "é" * 1000),
        values("source", "", "x" * 1001, "鯨" * 700),
    ),
    Case(
        "dead_letters",
        "dead_letters_item_length",
        values("item", "line 9, transaction 3", "é" * 200),
        values("item", "", "x" * 201, "鯨" * 150),
    ),
    Case(
        "dead_letters",
        "dead_letters_payload_sha256_length",
        values("payload_sha256", "\\x" + "00" * 32),
        values("payload_sha256", "\\x", "\\x" + "00" * 31, "\\x" + "00" * 33),
    ),
    Case(
        "dead_letters",
        "dead_letters_reason_not_empty",
        values("reason", "not JSON", "x" * 100_000),
        values("reason", ""),
    ),
    Case(
        "dead_letters",
        "dead_letters_sqlstate_format",
        values("sqlstate", "23514", "XX000", None),
        values("sqlstate", "", "2351", "235140", "xx000"),
    ),
    Case(
        "dead_letters",
        "dead_letters_attempts_positive",
        values("attempts", 1, 2**31 - 1),
        values("attempts", 0, -1),
    ),
    Case(
        "whale_transactions",
        "whale_transactions_pkey",
        [{"chain_id": 137}, {"block_hash": HASH}, {"trace_path": "0_1"}, {"hash": OTHER_HASH}],
        [{}, {"value_eth": "1", "block_number": 1}],
    ),
    Case(
        "blocks",
        "blocks_pkey",
        [
            {"hash": OTHER_HASH, "number": 1},
            {"chain_id": 137},
            {"hash": OTHER_HASH, "canonical": False, "orphaned_at": TIME},
        ],
        [{}, {"number": 1}],
    ),
    Case(
        "blocks",
        "idx_blocks_canonical_number",
        [
            {"hash": OTHER_HASH, "number": 16_000_006},
            {"hash": OTHER_HASH, "chain_id": 137},
            {"hash": OTHER_HASH, "canonical": False, "orphaned_at": TIME},
        ],
        [{"hash": OTHER_HASH}],
    ),
    Case(
        "ingest_cursors",
        "ingest_cursors_pkey",
        [{"chain_id": 137}, {"stream": "-"}],
        [{}, {"number": 1}],
    ),
    Case(
        "dead_letters",
        "dead_letters_natural_key",
        [
            {"source": "-"},
            {"item": "line 8"},
            {"payload_sha256": "\\x" + "00" * 32},
            # The longest source and item fit into the index together.
            {"source": "é" * 1000, "item": "é" * 200},
        ],
        [{}, {"reason": "another", "payload": "\\x01"}],
    ),
    Case(
        "dead_letters",
        "dead_letters_pkey",
        [{"item": "line 8", "id": OTHER_ACCOUNT}],
        [{"item": "line 8", "id": ACCOUNT}],
    ),
]
