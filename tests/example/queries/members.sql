-- People who may borrow books. Owner: the desk.

-- name: insert(name, home, joined, preferences)<!
-- @one
-- Adds a member and returns the row whole.
INSERT INTO public.members AS m (name, home, joined, preferences)
VALUES (:name, :home, :joined, :preferences)
RETURNING
    m.id,
    m.name,
    m.home,
    m.joined,
    m.preferences;

-- name: get(id)^
-- @batch
-- One member. Index: members_pkey.
SELECT
    m.id,
    m.name,
    m.home,
    m.joined,
    m.preferences
FROM public.members AS m
WHERE m.id = :id;

-- name: list_page(after_id, max_rows)
-- @optional after_id
-- Members by number, those after one, or from the first.
-- Index: members_pkey.
SELECT
    m.id,
    m.name,
    m.home,
    m.joined,
    m.preferences
FROM public.members AS m
WHERE m.id > :after_id
ORDER BY m.id ASC
LIMIT :max_rows;
