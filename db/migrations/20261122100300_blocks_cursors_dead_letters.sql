-- Why:    ingestion commits a block, its transfers and the cursor of its stream together;
--         what cannot be stored is kept with the reason instead of losing its neighbours.
-- Locks:  none on existing tables.
-- Deploy: before the code that ingests.

-- migrate:up
CREATE TABLE public.blocks (
    hash TEXT NOT NULL,
    chain_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    parent_hash TEXT NOT NULL,
    block_timestamp TIMESTAMPTZ NOT NULL,
    canonical BOOLEAN NOT NULL DEFAULT TRUE,
    orphaned_at TIMESTAMPTZ,
    finality TEXT NOT NULL DEFAULT 'pending',
    min_value_eth NUMERIC NOT NULL,
    complete BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT blocks_pkey PRIMARY KEY (hash, chain_id)
);

COMMENT ON TABLE public.blocks IS
'Blocks that were read, canonical and orphaned ones, one row for each block.';
COMMENT ON COLUMN public.blocks.hash IS
'Block hash, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.blocks.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.blocks.number IS
'Height of the block.';
COMMENT ON COLUMN public.blocks.parent_hash IS
'Hash of the block before, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.blocks.block_timestamp IS
'Time of the block, as its producer stated it.';
COMMENT ON COLUMN public.blocks.canonical IS
'Whether the block is on the canonical chain; a chain has at most one such block at a height.';
COMMENT ON COLUMN public.blocks.orphaned_at IS
'When the block was found to have left the canonical chain; NULL while it is canonical.';
COMMENT ON COLUMN public.blocks.finality IS
'How settled the block is: pending, safe or finalised.';
COMMENT ON COLUMN public.blocks.min_value_eth IS
'Threshold in ether that the block was read with: transfers below it were not stored.';
COMMENT ON COLUMN public.blocks.complete IS
'Whether every transfer at or above the threshold was stored; false where an item of the '
'block went to dead_letters.';
COMMENT ON COLUMN public.blocks.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.blocks.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.blocks FROM PUBLIC, anon, authenticated;

CREATE TABLE public.ingest_cursors (
    stream TEXT NOT NULL,
    chain_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    fencing_token BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ingest_cursors_pkey PRIMARY KEY (stream, chain_id)
);

COMMENT ON TABLE public.ingest_cursors IS
'How far each stream of blocks was read, one row for each stream and chain.';
COMMENT ON COLUMN public.ingest_cursors.stream IS
'Name of the source that is read in order, such as file:/data/blocks.ndjson, 1 to 1000 '
'characters.';
COMMENT ON COLUMN public.ingest_cursors.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.ingest_cursors.number IS
'Height of the last block that was stored from the stream.';
COMMENT ON COLUMN public.ingest_cursors.hash IS
'Hash of the last block that was stored from the stream, 0x and 64 lower-case hexadecimal '
'digits.';
COMMENT ON COLUMN public.ingest_cursors.fencing_token IS
'Grows whenever another writer takes the stream over; a writer holding a lower one has lost it.';
COMMENT ON COLUMN public.ingest_cursors.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.ingest_cursors.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.ingest_cursors FROM PUBLIC, anon, authenticated;

CREATE TABLE public.dead_letters (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    source TEXT NOT NULL,
    item TEXT NOT NULL,
    payload BYTEA NOT NULL,
    payload_sha256 BYTEA NOT NULL,
    reason TEXT NOT NULL,
    sqlstate TEXT,
    attempts INTEGER NOT NULL DEFAULT 1,
    first_seen_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    last_seen_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT dead_letters_pkey PRIMARY KEY (id),
    CONSTRAINT dead_letters_natural_key UNIQUE (source, item, payload_sha256)
);

COMMENT ON TABLE public.dead_letters IS
'Items that could not be stored, as they were received, one row for each item and content.';
COMMENT ON COLUMN public.dead_letters.id IS
'Surrogate identifier.';
COMMENT ON COLUMN public.dead_letters.source IS
'Where the item came from, such as file:/data/blocks.ndjson, 1 to 1000 characters.';
COMMENT ON COLUMN public.dead_letters.item IS
'Which item of the source it is, such as line 9, transaction 3; 1 to 200 characters.';
COMMENT ON COLUMN public.dead_letters.payload IS
'The item as received, byte for byte; it may not be valid text.';
COMMENT ON COLUMN public.dead_letters.payload_sha256 IS
'SHA-256 of payload, 32 bytes; it tells a repeated item from a changed one.';
COMMENT ON COLUMN public.dead_letters.reason IS
'Why the item was refused, for a person to read.';
COMMENT ON COLUMN public.dead_letters.sqlstate IS
'Error code with which PostgreSQL refused the item; NULL where it was refused before SQL.';
COMMENT ON COLUMN public.dead_letters.attempts IS
'How often the item was tried.';
COMMENT ON COLUMN public.dead_letters.first_seen_at IS
'When the item was first refused.';
COMMENT ON COLUMN public.dead_letters.last_seen_at IS
'When the item was last refused.';

REVOKE ALL ON TABLE public.dead_letters FROM PUBLIC, anon, authenticated;

-- migrate:down
-- Lossy: drops the dead letters, whose payloads may exist nowhere else, and the cursors and
-- blocks, so that ingestion starts over.
DROP TABLE public.dead_letters;
DROP TABLE public.ingest_cursors;
DROP TABLE public.blocks;
