-- Why:    what fired, for people to read and for a notifier to send, and whether it still
--         stands: an event that a transfer fired is bound to the inclusion of its transaction in
--         a block, so it is retracted when that block leaves the chain and stands again when it
--         returns. One event for each alert and row: the unique indexes hold that against two
--         writers. They begin with the row's key, by which a reorganisation finds events.
--         No foreign key to the row: its transfer, candle or pattern is archived by month or
--         deleted later, and what somebody was told stays. The alert is referenced, so that its
--         events go with it and with the account; user_id is copied for row level security,
--         and an alert never changes hands.
-- Locks:  SHARE ROW EXCLUSIVE on alerts for the foreign key (down: ACCESS EXCLUSIVE); catalog
--         only, the new table is empty. Gives up after 5 s of waiting: run it again.
-- Deploy: before the code that matches alerts.

-- migrate:up
SET LOCAL lock_timeout = '5s';

CREATE TABLE public.alert_events (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    alert_id UUID NOT NULL,
    user_id UUID NOT NULL,
    chain_id BIGINT,
    block_number BIGINT,
    block_hash TEXT,
    transaction_hash TEXT,
    trace_path TEXT,
    exchange TEXT,
    symbol TEXT,
    interval TEXT,
    open_time TIMESTAMPTZ,
    pattern_id UUID,
    fired_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    retracted_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT alert_events_pkey PRIMARY KEY (id),
    CONSTRAINT alert_events_alert_id_fkey
    FOREIGN KEY (alert_id) REFERENCES public.alerts (id) ON DELETE CASCADE,
    CONSTRAINT alert_events_transfer_complete
    CHECK (
        num_nonnulls(chain_id, block_number, block_hash, transaction_hash, trace_path) IN (0, 5)
    ),
    CONSTRAINT alert_events_candle_complete
    CHECK (num_nonnulls(exchange, symbol, interval, open_time) IN (0, 4)),
    CONSTRAINT alert_events_row_given
    CHECK (num_nonnulls(chain_id, open_time, pattern_id) = 1),
    CONSTRAINT alert_events_chain_id_positive
    CHECK (chain_id > 0),
    CONSTRAINT alert_events_block_number_not_negative
    CHECK (block_number >= 0),
    CONSTRAINT alert_events_block_hash_format
    CHECK (block_hash ~ '^0x[0-9a-f]{64}$'),
    CONSTRAINT alert_events_transaction_hash_format
    CHECK (transaction_hash ~ '^0x[0-9a-f]{64}$'),
    CONSTRAINT alert_events_trace_path_format
    CHECK (trace_path ~ '^([0-9]+(_[0-9]+)*)?$'),
    CONSTRAINT alert_events_exchange_length
    CHECK (char_length(exchange) BETWEEN 1 AND 50),
    CONSTRAINT alert_events_symbol_length
    CHECK (char_length(symbol) BETWEEN 1 AND 100),
    CONSTRAINT alert_events_interval_known
    CHECK (
        interval IN (
            '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d',
            '1w', '1M'
        )
    )
);

CREATE UNIQUE INDEX idx_alert_events_transfer
ON public.alert_events (block_hash, chain_id, transaction_hash, trace_path, alert_id)
WHERE block_hash IS NOT NULL;
CREATE UNIQUE INDEX idx_alert_events_candle
ON public.alert_events (symbol, exchange, interval, open_time, alert_id)
WHERE open_time IS NOT NULL;
CREATE UNIQUE INDEX idx_alert_events_pattern
ON public.alert_events (pattern_id, alert_id)
WHERE pattern_id IS NOT NULL;
CREATE INDEX idx_alert_events_alert_id
ON public.alert_events (alert_id, fired_at, id);
CREATE INDEX idx_alert_events_user_id
ON public.alert_events (user_id, fired_at, id);
CREATE INDEX idx_alert_events_updated_at
ON public.alert_events (updated_at, id);

COMMENT ON INDEX public.idx_alert_events_transfer IS
'One event for each alert and transfer.';
COMMENT ON INDEX public.idx_alert_events_candle IS
'One event for each alert and candle.';
COMMENT ON INDEX public.idx_alert_events_pattern IS
'One event for each alert and pattern.';
COMMENT ON TABLE public.alert_events IS
'What alerts fired on, one row for each alert and transfer, candle or pattern.';
COMMENT ON COLUMN public.alert_events.id IS
'Surrogate identifier.';
COMMENT ON COLUMN public.alert_events.alert_id IS
'Alert that fired; its events go when it is deleted.';
COMMENT ON COLUMN public.alert_events.user_id IS
'Account that owns the alert, copied from it.';
COMMENT ON COLUMN public.alert_events.chain_id IS
'EIP-155 number of the transfer''s chain; NULL where no transfer fired the alert.';
COMMENT ON COLUMN public.alert_events.block_number IS
'Height of the block that includes the transfer; NULL where no transfer fired the alert.';
COMMENT ON COLUMN public.alert_events.block_hash IS
'Block that includes the transfer, 0x and 64 lower-case hexadecimal digits; NULL where no '
'transfer fired the alert.';
COMMENT ON COLUMN public.alert_events.transaction_hash IS
'Transaction of the transfer, 0x and 64 lower-case hexadecimal digits; NULL where no transfer '
'fired the alert.';
COMMENT ON COLUMN public.alert_events.trace_path IS
'Which transfer of the transaction: empty for the transaction itself, else the path of an '
'internal one; NULL where no transfer fired the alert.';
COMMENT ON COLUMN public.alert_events.exchange IS
'Exchange of the candle; NULL where no candle fired the alert.';
COMMENT ON COLUMN public.alert_events.symbol IS
'Instrument of the candle, as the exchange writes it; NULL where no candle fired the alert.';
COMMENT ON COLUMN public.alert_events.interval IS
'Length of the candle: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M; NULL '
'where no candle fired the alert.';
COMMENT ON COLUMN public.alert_events.open_time IS
'When the candle begins; NULL where no candle fired the alert.';
COMMENT ON COLUMN public.alert_events.pattern_id IS
'Pattern in smc_patterns that fired the alert; NULL where none did.';
COMMENT ON COLUMN public.alert_events.fired_at IS
'When the alert fired.';
COMMENT ON COLUMN public.alert_events.retracted_at IS
'When what fired the alert was found not to have happened, as its block left the chain or its '
'transaction failed; NULL while it stands.';
COMMENT ON COLUMN public.alert_events.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.alert_events.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.alert_events FROM PUBLIC, anon, authenticated;

ALTER TABLE public.alert_events ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Workers can read and write alert events" ON public.alert_events
FOR ALL TO whaledb_worker USING (TRUE) WITH CHECK (TRUE);
CREATE POLICY "Users can view their own alert events" ON public.alert_events
FOR SELECT TO authenticated
USING ((SELECT auth.uid()) = user_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.alert_events TO whaledb_worker;
GRANT SELECT ON TABLE public.alert_events TO authenticated;

-- migrate:down
-- Lossy: drops every event; who was told what is forgotten, the alerts stay.
SET LOCAL lock_timeout = '5s';

DROP TABLE public.alert_events;
