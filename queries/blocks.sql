-- Blocks that were read, canonical and orphaned. Owner: ingestion.
-- min_value_eth: ether, the threshold a block was read with; only its transfers worth at
-- least that are stored. complete is false while an item of the block is in dead_letters;
-- traced, while the internal transfers of the block were not read.
-- At most one block of a chain and number is canonical. Hashes are taken in any case and
-- stored in lower case. Ranges of numbers include both ends.

-- name: merge(hash, chain_id, number, parent_hash, block_timestamp, canonical, min_value_eth, complete, traced)<!
-- Adds a block, or widens what is known of a stored one. A lower threshold replaces the
-- stored one and brings its complete and traced; at the same threshold what was true once is
-- true; a higher threshold tells nothing new.
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
    complete,
    traced
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
    :complete,
    :traced
)
ON CONFLICT (hash, chain_id) DO UPDATE
    SET
        min_value_eth = least(t.min_value_eth, excluded.min_value_eth),
        complete = CASE
            WHEN excluded.min_value_eth < t.min_value_eth THEN excluded.complete
            WHEN excluded.min_value_eth = t.min_value_eth THEN t.complete OR excluded.complete
            ELSE t.complete
        END,
        traced = CASE
            WHEN excluded.min_value_eth < t.min_value_eth THEN excluded.traced
            WHEN excluded.min_value_eth = t.min_value_eth THEN t.traced OR excluded.traced
            ELSE t.traced
        END,
        updated_at = now()
    WHERE (
        excluded.min_value_eth < t.min_value_eth
        OR (
            excluded.min_value_eth = t.min_value_eth
            AND (
                (excluded.complete AND NOT t.complete)
                OR (excluded.traced AND NOT t.traced)
            )
        )
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: get(chain_id, hash)^
-- @batch
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
    t.updated_at,
    t.traced
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
    t.updated_at,
    t.traced
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.number = :number
    AND t.canonical;

-- name: get_earliest(chain_id)^
-- The canonical block with the lowest number.
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
    t.updated_at,
    t.traced
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.canonical
ORDER BY t.number ASC
LIMIT 1;

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
    t.updated_at,
    t.traced
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
    t.updated_at,
    t.traced
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
    t.updated_at,
    t.traced
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
    t.updated_at,
    t.traced
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
    t.updated_at,
    t.traced
FROM public.blocks AS t
WHERE
    t.chain_id = :chain_id
    AND t.number >= :first_number
    AND t.canonical
ORDER BY t.number ASC;

-- name: lock_shared(chain_id, first_number, last_number)$
-- @timeout 30s
-- Lets the rest of the transaction add the blocks first_number to last_number of a chain,
-- both included, beside others that add blocks, while none is orphaned or restored. Who adds
-- a neighbouring run waits, so that of the two the later one sees whether its blocks link
-- with those of the other. The first thing that a transaction which writes blocks does, after
-- renewing its claim, once, at READ COMMITTED: what it reads next is what was stored last.
-- Returns 3, the number of locks: the chain's, one below the run and one above, in this
-- order, as everybody takes them. Given up after 30 s.
-- Index: none, takes advisory locks, which the end of the transaction frees.
SELECT
    count(
        CASE
            WHEN e.number IS NULL
                THEN
                    pg_advisory_xact_lock_shared(hashtextextended(e.name, 0)) IS NOT NULL
            ELSE pg_advisory_xact_lock(hashtextextended(e.name, 0)) IS NOT NULL
        END
    ) AS lock_count
FROM (
    SELECT
        n.number,
        concat_ws(':', 'whaledb.blocks', CAST(:chain_id AS BIGINT), n.number) AS name
    FROM (
        VALUES
        (CAST(NULL AS BIGINT)),
        (CAST(:first_number AS BIGINT) - 1),
        (CAST(:last_number AS BIGINT))
    ) AS n (number)
    ORDER BY n.number ASC NULLS FIRST
) AS e;

-- name: lock_exclusive(chain_id)$
-- @timeout 30s
-- Lets the rest of the transaction orphan and restore blocks of a chain, while nobody else
-- writes blocks of it; in the place of lock_shared, never after it, as two that have the
-- shared lock would wait for each other. True, once the lock is there. Given up after 30 s.
-- Index: none, takes an advisory lock, which the end of the transaction frees.
SELECT
    pg_advisory_xact_lock(
        hashtextextended(concat_ws(':', 'whaledb.blocks', CAST(:chain_id AS BIGINT)), 0)
    ) IS NOT NULL AS locked;

-- name: list_known(chain_id, hashes)
-- The blocks of a chain with any of these hashes, canonical or orphaned, lowest number first,
-- then by hash; those that were never read are left out. The first 10000.
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
    t.updated_at,
    t.traced
FROM public.blocks AS t
WHERE
    t.hash = any(CAST(:hashes AS TEXT[]))
    AND t.chain_id = :chain_id
ORDER BY t.number ASC, t.hash ASC
LIMIT 10000;

-- name: list_displaced(chain_id, after_number, last_number, tip_number, tip_hash, kept_hashes, max_rows)
-- @returns DisplacedBlock
-- The canonical blocks that cannot stay when a branch becomes the chain, lowest number first:
-- those above after_number up to last_number, the one right above the branch's tip unless it
-- is the tip's child, and what descends from any of these above. The branch's own blocks,
-- kept_hashes (lower case), stay. At most max_rows, and then not always the lowest.
-- Index: idx_blocks_canonical_number, once more for each block that descends; LIMIT 1, as at
-- most one is canonical, keeps the planner from reading all blocks for a join instead. The
-- first LIMIT bounds what is read between after_number and last_number, however far apart.
WITH RECURSIVE displaced AS (
    (
        SELECT
            t.number,
            t.hash,
            t.finality
        FROM public.blocks AS t
        WHERE
            t.chain_id = :chain_id
            AND t.number > :after_number
            AND t.number <= :last_number
            AND t.canonical
            AND t.hash <> all(CAST(:kept_hashes AS TEXT[]))
        ORDER BY t.number ASC
        LIMIT :max_rows
    )
    UNION
    SELECT
        a.number,
        a.hash,
        a.finality
    FROM public.blocks AS a
    WHERE
        a.chain_id = :chain_id
        AND a.number = :tip_number + 1
        AND a.canonical
        AND a.parent_hash <> lower(:tip_hash)
    UNION
    SELECT
        c.number,
        c.hash,
        c.finality
    FROM displaced AS d
    CROSS JOIN LATERAL (
        SELECT
            u.number,
            u.hash,
            u.finality
        FROM public.blocks AS u
        WHERE
            u.chain_id = :chain_id
            AND u.number = d.number + 1
            AND u.canonical
            AND u.parent_hash = d.hash
            AND u.hash <> all(CAST(:kept_hashes AS TEXT[]))
        ORDER BY u.number ASC
        LIMIT 1
    ) AS c
)

SELECT
    b.number,
    b.hash,
    b.finality
FROM (
    SELECT
        r.number,
        r.hash,
        r.finality
    FROM displaced AS r
    LIMIT :max_rows -- noqa: AM09
) AS b
ORDER BY b.number ASC, b.hash ASC
LIMIT :max_rows;

-- name: orphan_branch(chain_id, hashes)!
-- Takes the blocks with these hashes (lower case) out of the chain; belongs in one
-- transaction with whale_transactions.orphan_blocks. Their finality begins again at pending.
-- Affects as many rows as were canonical; finalised ones, which no reorganisation undoes, and
-- unknown ones are left alone.
-- Index: blocks_pkey.
UPDATE public.blocks AS t
SET
    canonical = FALSE,
    orphaned_at = now(),
    finality = 'pending',
    updated_at = now()
WHERE
    t.hash = any(CAST(:hashes AS TEXT[]))
    AND t.chain_id = :chain_id
    AND t.canonical
    AND t.finality <> 'finalised';

-- name: restore_branch(chain_id, hashes)!
-- Takes back orphan_branch, for blocks (lower case) that a second reorganisation returned to
-- the chain; belongs in one transaction with whale_transactions.restore_blocks. What is
-- canonical at their numbers is orphaned first, else this is a unique violation.
-- Affects as many rows as were orphaned.
-- Index: blocks_pkey, idx_blocks_canonical_number.
UPDATE public.blocks AS t
SET
    canonical = TRUE,
    orphaned_at = NULL,
    updated_at = now()
WHERE
    t.hash = any(CAST(:hashes AS TEXT[]))
    AND t.chain_id = :chain_id
    AND NOT t.canonical;

-- name: get_finalised(chain_id)^
-- The highest block that is finalised among the latest 10000 canonical ones of a chain; no
-- row where none of them is, as on a chain whose finality nobody told.
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
    t.updated_at,
    t.traced
FROM (
    SELECT
        s.hash,
        s.chain_id,
        s.number,
        s.parent_hash,
        s.block_timestamp,
        s.canonical,
        s.orphaned_at,
        s.finality,
        s.min_value_eth,
        s.complete,
        s.created_at,
        s.updated_at,
        s.traced
    FROM public.blocks AS s
    WHERE
        s.chain_id = :chain_id
        AND s.canonical
    ORDER BY s.number DESC
    LIMIT 10000
) AS t
WHERE t.finality = 'finalised'
ORDER BY t.number DESC
LIMIT 1;

-- name: raise_finality(chain_id, number, hash, finality, max_rows)!
-- Raises the finality of the canonical blocks at and below a number, in the order pending,
-- safe, finalised, lowest first and at most max_rows of them; never lowers it. Nothing
-- unless the canonical block at that number has that hash: the finality that a node tells is
-- that of its own chain. Blocks that were stored later below the number are raised the next
-- time. Affects as many rows as rose; with max_rows of them, there may be more.
-- MATERIALIZED, as a subquery with a limit may else be run again for each row it is joined to.
-- Index: idx_blocks_not_finalised, idx_blocks_canonical_number, blocks_pkey.
WITH rising AS MATERIALIZED (
    SELECT
        s.hash,
        s.chain_id
    FROM public.blocks AS s
    WHERE
        s.chain_id = :chain_id
        AND s.number <= :number
        AND s.canonical
        AND s.finality <> 'finalised'
        AND (s.finality = 'pending' OR :finality = 'finalised')
        AND EXISTS (
            SELECT 1
            FROM public.blocks AS c
            WHERE
                c.chain_id = :chain_id
                AND c.number = :number
                AND c.canonical
                AND c.hash = lower(:hash)
        )
    ORDER BY s.number ASC
    LIMIT :max_rows
    FOR NO KEY UPDATE
)

UPDATE public.blocks AS t
SET
    finality = :finality,
    updated_at = now()
FROM rising AS r
WHERE
    t.hash = r.hash
    AND t.chain_id = r.chain_id
    AND t.finality <> :finality;

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
-- A reorganisation never deletes; it marks, with orphan_branch.
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
-- the last range that it returns, and of the highest block once more.
SELECT
    g.first_number,
    g.last_number,
    g.last_number - g.first_number + 1 AS block_count
FROM (
    (
        SELECT
            s.number_before + 1 AS first_number,
            s.number - 1 AS last_number
        FROM (
            SELECT
                t.number,
                lag(t.number, 1, CAST(:first_number AS BIGINT) - 1)
                    OVER (ORDER BY t.number)
                    AS number_before
            FROM public.blocks AS t
            WHERE
                t.chain_id = :chain_id
                AND t.number BETWEEN :first_number AND :last_number
                AND t.canonical
        ) AS s
        WHERE s.number > s.number_before + 1
        ORDER BY s.number ASC
        LIMIT :max_rows
    )
    UNION ALL
    SELECT
        coalesce(max(u.number), CAST(:first_number AS BIGINT) - 1) + 1 AS first_number,
        CAST(:last_number AS BIGINT) AS last_number
    FROM public.blocks AS u
    WHERE
        u.chain_id = :chain_id
        AND u.number BETWEEN :first_number AND :last_number
        AND u.canonical
) AS g
WHERE g.first_number <= g.last_number
ORDER BY g.first_number ASC
LIMIT :max_rows;
