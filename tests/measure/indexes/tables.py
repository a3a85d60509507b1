"""The rows that the indexes are measured with: made by the server, the same for each seed.

`$1` is the seed and `$2` how many. Addresses and values have a heavy tail, as those of a chain do:
a few exchanges are in most transfers, and most others are seen once.
"""

from dataclasses import dataclass
from typing import Any, Final

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MeasuredTable:
    """A table, rows for it, and what its statements are called with."""

    name: str
    columns: tuple[str, ...]
    """What is copied; the rest has its defaults."""
    generate: str
    """Rows with these columns and `n`, their order of arrival."""
    prepare: str = ""
    """What the table needs before it takes the rows."""
    values: str = "SELECT 1"
    """One row, whose columns are the parameters of the statements."""


TRANSFERS: Final = MeasuredTable(
    name="whale_transactions",
    columns=(
        "hash",
        "chain_id",
        "block_hash",
        "trace_path",
        "block_number",
        "block_timestamp",
        "from_address",
        "to_address",
        "value_eth",
        "gas_price",
        "gas_used",
        "succeeded",
        "whale_score",
    ),
    generate="""
SELECT
    r.n,
    '0x' || encode(sha256(int8send($1::BIGINT * 1000000000 + r.n)), 'hex') AS hash,
    1::BIGINT AS chain_id,
    '0x' || encode(sha256(int8send(-r.n / 100)), 'hex') AS block_hash,
    '' AS trace_path,
    16000000 + r.n / 100 AS block_number,
    TIMESTAMPTZ '2026-01-01Z' + r.n / 100 * INTERVAL '12 s' AS block_timestamp,
    '0x' || left(encode(sha256(int8send(exp(r.sender * ln(200000))::BIGINT)), 'hex'), 40)
        AS from_address,
    '0x' || left(encode(sha256(int8send(exp(r.recipient * ln(200000))::BIGINT)), 'hex'), 40)
        AS to_address,
    r.value_eth,
    20000000000 + r.n % 1000 AS gas_price,
    21000::BIGINT AS gas_used,
    TRUE AS succeeded,
    public.whale_score(r.value_eth, TRUE) AS whale_score
FROM (
    SELECT
        u.n,
        (hashint8extended(u.n, $1) >> 11) / 9007199254740992.0::FLOAT8 + 0.5 AS sender,
        (hashint8extended(u.n, $1 + 1) >> 11) / 9007199254740992.0::FLOAT8 + 0.5 AS recipient,
        round(
            10 / power(
                (hashint8extended(u.n, $1 + 2) >> 11) / 9007199254740992.0::FLOAT8 + 0.5000001,
                0.9
            )::NUMERIC,
            18
        ) AS value_eth
    FROM generate_series(1, $2::BIGINT) AS u (n)
) AS r
""",
    values="""
SELECT
    t.*,
    t.hash AS after_hash,
    t.block_hash AS after_block_hash,
    '' AS after_trace_path,
    t.block_timestamp AS after_timestamp,
    t.hash AS before_hash,
    t.chain_id AS before_chain_id,
    t.block_hash AS before_block_hash,
    '' AS before_trace_path,
    t.block_timestamp AS before_timestamp,
    t.from_address AS address,
    100::NUMERIC AS min_value_eth,
    0.7::NUMERIC AS min_whale_score,
    t.block_timestamp - INTERVAL '1 hour' AS since,
    t.block_timestamp + INTERVAL '1 hour' AS until,
    100 AS max_rows,
    FALSE AS again,
    2000::NUMERIC AS price_usd,
    1::NUMERIC AS value_usd,
    'source' AS price_source,
    now() AS priced_at,
    'e' AS exchange,
    's' AS symbol,
    '1m' AS interval,
    ARRAY[t.hash] AS hashes,
    ARRAY[t.block_number] AS block_numbers,
    ARRAY[t.block_hash] AS block_hashes
FROM public.whale_transactions AS t
ORDER BY t.block_timestamp, t.hash
OFFSET $1 LIMIT 1
""",
)

BLOCKS: Final = MeasuredTable(
    name="blocks",
    columns=(
        "hash",
        "chain_id",
        "number",
        "parent_hash",
        "block_timestamp",
        "finality",
        "min_value_eth",
        "complete",
    ),
    generate="""
SELECT
    u.n,
    '0x' || encode(sha256(int8send($1::BIGINT * 1000000000 + u.n)), 'hex') AS hash,
    1::BIGINT AS chain_id,
    16000000 + u.n AS number,
    '0x' || encode(sha256(int8send($1::BIGINT * 1000000000 + u.n - 1)), 'hex') AS parent_hash,
    TIMESTAMPTZ '2026-01-01Z' + u.n * INTERVAL '12 s' AS block_timestamp,
    CASE WHEN u.n > $2 - 64 THEN 'pending' ELSE 'finalised' END AS finality,
    100::NUMERIC AS min_value_eth,
    TRUE AS complete
FROM generate_series(1, $2::BIGINT) AS u (n)
""",
    values="""
SELECT
    t.*,
    t.number - 10 AS first_number,
    t.number + 10 AS last_number,
    t.number AS after_number,
    t.number + 5 AS before_number,
    t.number + 10 AS tip_number,
    t.hash AS tip_hash,
    ARRAY[t.hash] AS hashes,
    ARRAY[t.hash] AS kept_hashes,
    t.hash AS after_hash,
    1::BIGINT AS after_chain_id,
    100 AS max_rows
FROM public.blocks AS t
ORDER BY t.number
OFFSET $1 LIMIT 1
""",
)

ZONES: Final = MeasuredTable(
    name="liquidity_zones",
    columns=("price_level", "size", "side", "exchange", "symbol"),
    generate="""
SELECT
    row_number() OVER (ORDER BY hashint8extended(u.n, $1)) AS n,
    (100 * (1 + u.n / 4000 % 50) + u.n % 2000 / 10.0)::NUMERIC AS price_level,
    1 + u.n % 977 * 0.001 AS size,
    (ARRAY['bid', 'ask'])[1 + u.n / 2000 % 2] AS side,
    'exchange' || u.n / 4000 % 5 AS exchange,
    'symbol' || u.n / 4000 % 50 AS symbol
FROM generate_series(0, least($2::BIGINT, 200000) - 1) AS u (n)
""",
    values="""
SELECT
    t.*,
    t.price_level - 1 AS min_price,
    t.price_level + 1 AS max_price,
    t.price_level AS price,
    1::NUMERIC AS within,
    t.symbol AS after_symbol,
    t.exchange AS after_exchange,
    t.side AS after_side,
    t.price_level AS after_price_level,
    ARRAY[t.side] AS sides,
    ARRAY[t.price_level] AS price_levels,
    100 AS max_rows
FROM public.liquidity_zones AS t
ORDER BY t.symbol, t.exchange, t.side, t.price_level
OFFSET $1 LIMIT 1
""",
)

PATTERNS: Final = MeasuredTable(
    name="smc_patterns",
    columns=(
        "exchange",
        "symbol",
        "pattern_type",
        "time_frame",
        "detected_at",
        "price_level",
        "confidence_score",
        "status",
        "metadata",
    ),
    generate="""
SELECT
    u.n,
    'exchange' || u.n % 5 AS exchange,
    'symbol' || u.n % 50 AS symbol,
    'pattern_' || hashint8extended(u.n, $1) % 4 + 4 AS pattern_type,
    '1h' AS time_frame,
    TIMESTAMPTZ '2026-01-01Z' + u.n / 50 * INTERVAL '1 h' AS detected_at,
    (100 * (1 + u.n % 50) + hashint8extended(u.n, $1 + 1) % 1000 / 10.0)::NUMERIC AS price_level,
    0.5000::NUMERIC(5, 4) AS confidence_score,
    CASE WHEN u.n > $2 * 9 / 10 THEN 'active' ELSE 'expired' END AS status,
    '{"high": 1, "low": 2}'::JSONB AS metadata
FROM generate_series(1, $2::BIGINT) AS u (n)
""",
    values="""
SELECT
    t.*,
    1::NUMERIC AS within,
    t.id AS after_id,
    t.id AS before_id,
    t.pattern_type AS after_pattern_type,
    t.detected_at AS after_detected_at,
    t.detected_at AS before_detected_at,
    t.price_level AS after_price_level,
    100 AS max_rows
FROM public.smc_patterns AS t
WHERE t.status = 'active'
ORDER BY t.detected_at, t.id
OFFSET $1 / 20 LIMIT 1
""",
)

EVENTS: Final = MeasuredTable(
    name="alert_events",
    columns=(
        "alert_id",
        "user_id",
        "chain_id",
        "block_number",
        "block_hash",
        "transaction_hash",
        "trace_path",
        "fired_at",
        "updated_at",
    ),
    prepare="""
INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 1000);
INSERT INTO public.users (id) SELECT a.id FROM auth.users AS a;
INSERT INTO public.alerts (user_id, alert_type, conditions)
SELECT u.id, 'large_transfer', '{"min_value_eth": 100}' FROM public.users AS u
CROSS JOIN generate_series(1, 5);
""",
    generate="""
SELECT
    u.n,
    a.id AS alert_id,
    a.user_id,
    1::BIGINT AS chain_id,
    16000000 + u.n / 100 AS block_number,
    '0x' || encode(sha256(int8send(-u.n / 100)), 'hex') AS block_hash,
    '0x' || encode(sha256(int8send($1::BIGINT * 1000000000 + u.n / 5)), 'hex')
        AS transaction_hash,
    '' AS trace_path,
    TIMESTAMPTZ '2026-01-01Z' + u.n / 100 * INTERVAL '12 s' AS fired_at,
    TIMESTAMPTZ '2026-01-01Z' + u.n / 100 * INTERVAL '12 s' AS updated_at
FROM generate_series(1, $2::BIGINT) AS u (n)
INNER JOIN (
    SELECT l.id, l.user_id, row_number() OVER (ORDER BY l.id) - 1 AS n FROM public.alerts AS l
) AS a ON a.n = (u.n * 7919) % 5000
""",
    values="""
SELECT
    t.*,
    NULL::BOOLEAN AS standing,
    t.fired_at AS before_fired_at,
    t.id AS before_id,
    t.id AS after_id,
    t.transaction_hash AS after_transaction_hash,
    '' AS after_trace_path,
    t.alert_id AS after_alert_id,
    t.updated_at AS after_updated_at,
    ARRAY[t.block_number] AS block_numbers,
    ARRAY[t.block_hash] AS block_hashes,
    100 AS max_rows
FROM public.alert_events AS t
ORDER BY t.fired_at, t.id
OFFSET $1 LIMIT 1
""",
)

CANDLES: Final = MeasuredTable(
    name="market_data",
    columns=(
        "exchange",
        "symbol",
        "interval",
        "open_time",
        "open",
        "high",
        "low",
        "close",
        "volume",
    ),
    prepare="SELECT public.ensure_market_data_months('2026-01-01Z', '2026-12-31Z')",
    generate="""
SELECT
    u.n,
    'exchange' || u.n % 5 AS exchange,
    'symbol' || u.n % 50 AS symbol,
    '1m' AS interval,
    TIMESTAMPTZ '2026-01-01Z' + u.n / 50 * INTERVAL '1 min' AS open_time,
    100.5 AS open,
    101.25 AS high,
    99.75 AS low,
    100 + abs(hashint8extended(u.n, $1) % 99) / 100.0 AS close,
    12.345 AS volume
FROM generate_series(1, $2::BIGINT) AS u (n)
""",
    values="""
SELECT
    t.*,
    t.open_time - INTERVAL '1 hour' AS since,
    t.open_time + INTERVAL '1 hour' AS until,
    t.open_time - INTERVAL '1 hour' AS after_open_time,
    t.open_time AS before_open_time,
    100 AS max_rows
FROM public.market_data AS t
ORDER BY t.open_time, t.symbol
OFFSET $1 LIMIT 1
""",
)

TABLES: Final = (TRANSFERS, BLOCKS, ZONES, PATTERNS, EVENTS, CANDLES)
