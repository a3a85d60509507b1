-- Who has, had or wants which copy. Owner: the desk. fine_eur: euros.

-- name: insert(book_id, member_id, state, period)<!
-- @one
-- Adds a loan and returns its number. A second loan of a copy that is out is a unique
-- violation.
INSERT INTO public.loans AS l (book_id, member_id, state, period)
VALUES (:book_id, :member_id, :state, :period)
RETURNING
    l.id,
    l.state,
    l.period;

-- name: list_by_member(member_id, max_rows)
-- @timeout 2s
-- Books a member has or had, each with the history of its loans to that member.
-- Index: loans_member_idx.
SELECT
    b.id AS book_id,
    b.title,
    jsonb_agg(
        jsonb_build_object(
            'book_id', l.book_id, 'state', l.state, 'since', lower(l.period)
        )
        ORDER BY l.id ASC
    ) AS history,
    array_agg(l.state ORDER BY l.id ASC) AS states
FROM public.loans AS l
INNER JOIN public.books AS b ON l.book_id = b.id
WHERE l.member_id = :member_id
GROUP BY b.id
ORDER BY b.id ASC
LIMIT :max_rows;

-- name: update_state(id, state)!
-- @batch update_states by id
-- Moves a loan on. 0 means that there is none of that number. Index: loans_pkey.
UPDATE public.loans AS l
SET state = :state
WHERE l.id = :id;

-- name: update_states(id, state)
-- @returns UpdatedLoan
-- Moves loans on, given as arrays of equal length, as update_state does one; what calls of it
-- become that are made at the same time. Returns the position of each that there is, from 1.
-- Loans are locked by number, so that two such statements do not deadlock. Index: loans_pkey.
WITH given AS (
    SELECT
        g.id,
        g.state,
        g.ordinal
    FROM
        unnest(
            CAST(:id AS BIGINT[]),
            CAST(:state AS PUBLIC.LOAN_STATE[])
        ) WITH ORDINALITY AS g (id, state, ordinal)
),

locked AS MATERIALIZED (
    SELECT l.id
    FROM public.loans AS l
    WHERE l.id IN (SELECT g.id FROM given AS g)
    ORDER BY l.id ASC
    FOR UPDATE
),

written AS (
    UPDATE public.loans AS l
    SET state = g.state
    FROM given AS g, locked AS k
    WHERE
        l.id = k.id
        AND g.id = k.id
    RETURNING l.id
)

SELECT
    g.ordinal,
    CAST(1 AS BIGINT) AS affected
FROM written AS w
INNER JOIN given AS g ON w.id = g.id;

-- name: sum_fines(member_id)$
-- What a member owes, in euros; 0 for who owes nothing. Index: loans_member_idx.
SELECT coalesce(sum(l.fine_eur), 0) AS fines_eur
FROM public.loans AS l
WHERE l.member_id = :member_id;
