-- Blocks that were read, canonical and orphaned. Owner: ingestion.
-- min_value_eth: ether, the threshold a block was read with; only its transfers worth at
-- least that are stored. complete is false while an item of the block is in dead_letters.
-- At most one block of a chain and number is canonical. Hashes are taken in any case and
-- stored in lower case. Ranges of numbers include both ends.

-- name: merge(hash, chain_id, number, parent_hash, block_timestamp, canonical, min_value_eth, complete)<!
-- Adds a block, or widens what is known of a stored one. A lower threshold replaces the
-- stored one and brings its complete; at the same threshold complete once is complete; a
-- higher threshold tells nothing new.
-- Returns true when added, false when changed, and no row when there was nothing to change.
-- Either way the block stays locked until the transaction ends, so that its rows and its
-- orphaning cannot cross. canonical only counts when the block is added; a second canonical
-- block at one number is a unique violation, so orphan the old one first. Of two sessions that
-- add the same block at the same moment the later one can get that violation too; merging
-- again then finds the block.
-- Index: blocks_pkey, idx_blocks_canonical_number.
INSERT INTO public.blocks AS t (
    hash,
    chain_id,
    number,
    parent_hash,
    block_timestamp,
    canonical,
    orphaned_at,
    min_value_eth,
    complete
)
VALUES (
    lower(:hash),
    :chain_id,
    :number,
    lower(:parent_hash),
    :block_timestamp,
    :canonical,
    CASE WHEN :canonical THEN NULL ELSE now() END,
    :min_value_eth,
    :complete
)
ON CONFLICT (hash, chain_id) DO UPDATE
    SET
        min_value_eth = least(t.min_value_eth, excluded.min_value_eth),
        complete = CASE
            WHEN excluded.min_value_eth < t.min_value_eth THEN excluded.complete
            WHEN excluded.min_value_eth = t.min_value_eth THEN t.complete OR excluded.complete
            ELSE t.complete
        END,
        updated_at = now()
    WHERE (
        excluded.min_value_eth < t.min_value_eth
        OR (
            excluded.min_value_eth = t.min_value_eth
            AND excluded.complete
            AND NOT t.complete
        )
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: get(chain_id, hash)^
-- One block by its hash, canonical or orphaned.
-- Index: blocks_pkey.
SELECT
    t.hash,
    t.chain_id,
    t.number,
    t.parent_hash,
    t.block_timestamp,
    t.canonical,
    t.orphaned_at,
    t.finality,
    t.min_value_eth,
    t.complete,
    t.created_at,
    t.updated_at
FROM public.blocks AS t
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id;

-- name: get_canonical(chain_id, number)^
-- The canonical block at a number.
-- Index: idx_blocks_canonical_number.
SELECT
    t.hash,
    t.chain_id,
    t.number,
    t.parent_hash,
    t.block_timestamp,
    t.canonical,
    t.orphaned_at,
    t.finality,
    t.min_value_eth,
    t.complete,
    t.created_at,
    t.updated_at
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.number = :number
    AND t.canonical;

-- name: get_latest(chain_id)^
-- The canonical block with the highest number.
-- Index: idx_blocks_canonical_number, backwards.
SELECT
    t.hash,
    t.chain_id,
    t.number,
    t.parent_hash,
    t.block_timestamp,
    t.canonical,
    t.orphaned_at,
    t.finality,
    t.min_value_eth,
    t.complete,
    t.created_at,
    t.updated_at
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.canonical
ORDER BY t.number DESC
LIMIT 1;

-- name: list_canonical_range(chain_id, first_number, last_number, max_rows)
-- The canonical blocks from first_number to last_number, both included, lowest first.
-- Continue from the last number plus one. Numbers that were never read are left out.
-- Index: idx_blocks_canonical_number.
SELECT
    t.hash,
    t.chain_id,
    t.number,
    t.parent_hash,
    t.block_timestamp,
    t.canonical,
    t.orphaned_at,
    t.finality,
    t.min_value_eth,
    t.complete,
    t.created_at,
    t.updated_at
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.number BETWEEN :first_number AND :last_number
    AND t.canonical
ORDER BY t.number ASC
LIMIT :max_rows;

-- name: list_recent(chain_id, before_number, max_rows)
-- @optional before_number
-- The canonical blocks of a chain, highest number first; those below before_number, where it
-- is given.
-- Index: idx_blocks_canonical_number, backwards, from before_number.
SELECT
    t.hash,
    t.chain_id,
    t.number,
    t.parent_hash,
    t.block_timestamp,
    t.canonical,
    t.orphaned_at,
    t.finality,
    t.min_value_eth,
    t.complete,
    t.created_at,
    t.updated_at
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.number < :before_number
    AND t.canonical
ORDER BY t.number DESC
LIMIT :max_rows;

-- name: list_all(after_hash, after_chain_id, max_rows)
-- @optional after_hash, after_chain_id
-- Every block of every chain, orphaned ones included, by hash and chain; those after the
-- given key, where it is given.
-- Index: blocks_pkey.
SELECT
    t.hash,
    t.chain_id,
    t.number,
    t.parent_hash,
    t.block_timestamp,
    t.canonical,
    t.orphaned_at,
    t.finality,
    t.min_value_eth,
    t.complete,
    t.created_at,
    t.updated_at
FROM public.blocks AS t
WHERE (t.hash, t.chain_id) > (lower(:after_hash), :after_chain_id)
ORDER BY t.hash ASC, t.chain_id ASC
LIMIT :max_rows;

-- name: count(chain_id)$
-- How many canonical blocks of a chain there are.
-- Index: idx_blocks_canonical_number.
SELECT count(*) AS block_count
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.canonical;

-- name: stream_canonical(chain_id, first_number)
-- The canonical blocks from first_number on, lowest first.
-- Index: idx_blocks_canonical_number.
SELECT
    t.hash,
    t.chain_id,
    t.number,
    t.parent_hash,
    t.block_timestamp,
    t.canonical,
    t.orphaned_at,
    t.finality,
    t.min_value_eth,
    t.complete,
    t.created_at,
    t.updated_at
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.number >= :first_number
    AND t.canonical
ORDER BY t.number ASC;

-- name: orphan(chain_id, hash)!
-- Takes a block out of the chain; belongs in one transaction with
-- whale_transactions.orphan_block.
-- Affects 1 row, or 0 when the block is unknown, orphaned already, or finalised, which no
-- reorganisation undoes.
-- Index: blocks_pkey.
UPDATE public.blocks AS t
SET
    canonical = FALSE,
    orphaned_at = now(),
    updated_at = now()
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
    AND t.canonical
    AND t.finality <> 'finalised';

-- name: restore(chain_id, hash)!
-- Takes back orphan, for a block that a second reorganisation returned to the chain; belongs
-- in one transaction with whale_transactions.restore_block. The block now canonical at its
-- number is orphaned first, else this is a unique violation.
-- Affects 1 row, or 0 when the block is unknown or canonical already.
-- Index: blocks_pkey, idx_blocks_canonical_number.
UPDATE public.blocks AS t
SET
    canonical = TRUE,
    orphaned_at = NULL,
    updated_at = now()
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
    AND NOT t.canonical;

-- name: update_finality(chain_id, first_number, last_number, finality)!
-- Raises the finality of the canonical blocks from first_number to last_number, both
-- included, in the order pending, safe, finalised; never lowers it.
-- Affects as many rows as rose.
-- Index: idx_blocks_canonical_number.
UPDATE public.blocks AS t
SET
    finality = :finality,
    updated_at = now()
WHERE
    t.chain_id = :chain_id
    AND t.number BETWEEN :first_number AND :last_number
    AND t.canonical
    AND t.finality <> :finality
    AND (t.finality = 'pending' OR :finality = 'finalised');

-- name: delete(chain_id, hash)!
-- Removes a block; its transfers stay. Affects 1 row, or 0 when there is none.
-- A reorganisation never deletes; it marks, with orphan.
-- Index: blocks_pkey.
DELETE FROM public.blocks AS t
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id;

-- name: list_missing_ranges(chain_id, first_number, last_number, max_rows)
-- @returns MissingBlocks
-- The ranges of numbers from first_number to last_number at which a chain has no canonical
-- block, lowest first; both ends of each are missing. Where nothing is stored at all that is
-- the whole range. Continue from the last last_number plus one.
-- Index: idx_blocks_canonical_number; it reads the numbers of the blocks in between, up to
-- the last range that it returns.
SELECT
    g.number + 1 AS first_number,
    g.next_number - 1 AS last_number,
    g.next_number - g.number - 1 AS block_count
FROM (
    SELECT
        s.number,
        lead(s.number, 1, CAST(:last_number AS BIGINT) + 1) OVER (ORDER BY s.number) AS next_number
    FROM (
        SELECT CAST(:first_number AS BIGINT) - 1 AS number
        UNION ALL
        SELECT t.number
        FROM public.blocks AS t
        WHERE
            t.chain_id = :chain_id
            AND t.number BETWEEN :first_number AND :last_number
            AND t.canonical
    ) AS s
) AS g
WHERE g.next_number > g.number + 1
ORDER BY g.number ASC
LIMIT :max_rows;
