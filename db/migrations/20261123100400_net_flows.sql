-- Why:    one sum that passes from A over B to C within a transaction is three rows or two,
--         and one move. A volume that counts each row counts it again with every contract it
--         passes, and counts what is paid back. So volume becomes what changed hands in the
--         end: the sum of what the gainers of a transaction gained.
-- Locks:  ACCESS EXCLUSIVE on whale_volume_by_hour, which is made anew because its columns
--         change; catalog only.
-- Deploy: before the code that reads whale_net_flows. Code that reads volume_eth by name goes
--         on, and reads the net volume from then on; hop_volume_eth is what it was before.

-- migrate:up
CREATE VIEW public.whale_net_flows WITH (security_invoker = TRUE) AS
SELECT
    t.hash,
    t.chain_id,
    t.block_hash,
    t.block_number,
    t.block_timestamp,
    m.address,
    sum(m.change_eth) AS net_eth
FROM public.whale_transfers AS t
CROSS JOIN
    LATERAL (
        VALUES
        (t.from_address, -t.value_eth),
        (t.to_address, t.value_eth)
    ) AS m (address, change_eth)
GROUP BY t.hash, t.chain_id, t.block_hash, t.block_number, t.block_timestamp, m.address
HAVING sum(m.change_eth) <> 0;

COMMENT ON VIEW public.whale_net_flows IS
'What each address gained or lost in sum in one inclusion of a transaction, over its rows of '
'whale_transfers, internal ones included. An address that ends even has no row, so of a sum '
'that passes from A over B to C there are A and C. The rows of a transaction add up to 0, and '
'the positive ones to its volume.';
COMMENT ON COLUMN public.whale_net_flows.hash IS
'Transaction hash, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_net_flows.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.whale_net_flows.block_hash IS
'Hash of the block that includes the transaction, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_net_flows.block_number IS
'Height of the including block.';
COMMENT ON COLUMN public.whale_net_flows.block_timestamp IS
'Time of the including block, as its producer stated it.';
COMMENT ON COLUMN public.whale_net_flows.address IS
'Who gained or lost, 0x and 40 lower-case hexadecimal digits; NULL for the contract that the '
'transaction creates.';
COMMENT ON COLUMN public.whale_net_flows.net_eth IS
'Received less sent in ether (the chain''s native unit), exact to the wei; above 0 gained, '
'below 0 lost, never 0. Gas is not part of it.';

CREATE VIEW public.whale_transaction_volumes WITH (security_invoker = TRUE) AS
SELECT
    a.hash,
    a.chain_id,
    a.block_hash,
    a.block_number,
    a.block_timestamp,
    sum(CAST(a.transfer_count AS INTEGER)) AS transfer_count,
    sum(greatest(a.received_eth - a.sent_eth, 0)) AS volume_eth,
    sum(a.sent_eth) AS hop_volume_eth,
    max(a.largest_eth) AS largest_eth
FROM (
    SELECT
        t.hash,
        t.chain_id,
        t.block_hash,
        t.block_number,
        t.block_timestamp,
        sum(m.counted) AS transfer_count,
        sum(m.sent_eth) AS sent_eth,
        sum(m.received_eth) AS received_eth,
        max(t.value_eth) AS largest_eth
    FROM public.whale_transfers AS t
    CROSS JOIN
        LATERAL (
            VALUES
            (t.from_address, t.value_eth, CAST(0 AS NUMERIC), 1),
            (t.to_address, CAST(0 AS NUMERIC), t.value_eth, 0)
        ) AS m (address, sent_eth, received_eth, counted)
    GROUP BY t.hash, t.chain_id, t.block_hash, t.block_number, t.block_timestamp, m.address
) AS a
GROUP BY a.hash, a.chain_id, a.block_hash, a.block_number, a.block_timestamp;

COMMENT ON VIEW public.whale_transaction_volumes IS
'What one inclusion of a transaction moved, over its rows of whale_transfers, internal ones '
'included: in the end, and hop by hop.';
COMMENT ON COLUMN public.whale_transaction_volumes.hash IS
'Transaction hash, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_transaction_volumes.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.whale_transaction_volumes.block_hash IS
'Hash of the block that includes the transaction, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_transaction_volumes.block_number IS
'Height of the including block.';
COMMENT ON COLUMN public.whale_transaction_volumes.block_timestamp IS
'Time of the including block, as its producer stated it.';
COMMENT ON COLUMN public.whale_transaction_volumes.transfer_count IS
'Number of its transfers, each hop counted.';
COMMENT ON COLUMN public.whale_transaction_volumes.volume_eth IS
'What its gainers gained in sum, in ether (the chain''s native unit), exact to the wei; 0 '
'where everybody ends even.';
COMMENT ON COLUMN public.whale_transaction_volumes.hop_volume_eth IS
'Sum of its transfers in ether, each hop counted, exact to the wei.';
COMMENT ON COLUMN public.whale_transaction_volumes.largest_eth IS
'Its largest single transfer in ether, exact to the wei.';

DROP VIEW public.whale_volume_by_hour;
CREATE VIEW public.whale_volume_by_hour WITH (security_invoker = TRUE) AS
SELECT
    v.chain_id,
    date_trunc('hour', v.block_timestamp, 'UTC') AS hour,
    count(*) AS transaction_count,
    sum(CAST(v.transfer_count AS INTEGER)) AS transfer_count,
    sum(v.volume_eth) AS volume_eth,
    sum(v.hop_volume_eth) AS hop_volume_eth
FROM public.whale_transaction_volumes AS v
GROUP BY v.chain_id, date_trunc('hour', v.block_timestamp, 'UTC');

COMMENT ON VIEW public.whale_volume_by_hour IS
'Volume of whale_transaction_volumes by chain and UTC hour; hours without a transfer have no '
'row.';
COMMENT ON COLUMN public.whale_volume_by_hour.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.whale_volume_by_hour.hour IS
'When the hour begins, whole in UTC.';
COMMENT ON COLUMN public.whale_volume_by_hour.transaction_count IS
'Number of transactions with a transfer in the hour.';
COMMENT ON COLUMN public.whale_volume_by_hour.transfer_count IS
'Number of transfers in the hour, each hop counted.';
COMMENT ON COLUMN public.whale_volume_by_hour.volume_eth IS
'What changed hands in ether (the chain''s native unit), exact to the wei: a sum that passes '
'through several addresses within a transaction counts once.';
COMMENT ON COLUMN public.whale_volume_by_hour.hop_volume_eth IS
'Sum of the transfers in ether, each hop counted, exact to the wei.';

REVOKE ALL ON TABLE
public.whale_net_flows,
public.whale_transaction_volumes,
public.whale_volume_by_hour
FROM PUBLIC, anon, authenticated;
GRANT SELECT ON TABLE
public.whale_net_flows,
public.whale_transaction_volumes,
public.whale_volume_by_hour
TO whaledb_worker, whaledb_reader, authenticated;

-- migrate:down
-- Loses no row; volume_eth counts each hop again.
DROP VIEW public.whale_volume_by_hour;
DROP VIEW public.whale_transaction_volumes;
DROP VIEW public.whale_net_flows;

CREATE VIEW public.whale_volume_by_hour WITH (security_invoker = TRUE) AS
SELECT
    t.chain_id,
    date_trunc('hour', t.block_timestamp, 'UTC') AS hour,
    count(*) AS transfer_count,
    sum(t.value_eth) AS volume_eth
FROM public.whale_transfers AS t
GROUP BY t.chain_id, date_trunc('hour', t.block_timestamp, 'UTC');

COMMENT ON VIEW public.whale_volume_by_hour IS
'Volume of whale_transfers by chain and UTC hour; hours without a transfer have no row.';
COMMENT ON COLUMN public.whale_volume_by_hour.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.whale_volume_by_hour.hour IS
'When the hour begins, whole in UTC.';
COMMENT ON COLUMN public.whale_volume_by_hour.transfer_count IS
'Number of transfers in the hour.';
COMMENT ON COLUMN public.whale_volume_by_hour.volume_eth IS
'Sum of the transfers in ether (the chain''s native unit), exact to the wei.';

REVOKE ALL ON TABLE public.whale_volume_by_hour FROM PUBLIC, anon, authenticated;
GRANT SELECT ON TABLE public.whale_volume_by_hour
TO whaledb_worker, whaledb_reader, authenticated;
