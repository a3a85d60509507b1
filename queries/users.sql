-- Profiles of the users whom the auth schema knows. Owner: accounts.
-- preferences: a JSON object, {} until something is chosen. display_name: NULL until given.
-- A profile goes when its auth.users row goes.

-- name: insert(id, display_name, preferences)<!
-- Adds a profile and returns it whole. id is that of the auth.users row. A profile that is
-- there already is a unique violation; use merge where it may be.
-- Index: users_pkey.
INSERT INTO public.users AS t (
    id,
    display_name,
    preferences
)
VALUES (
    :id,
    :display_name,
    :preferences
)
RETURNING
    t.id,
    t.display_name,
    t.preferences,
    t.created_at,
    t.updated_at;

-- name: merge(id, display_name, preferences)<!
-- Adds a profile, or writes its name and preferences; a NULL name is written too.
-- Returns true when added, false when changed, and no row when there was nothing to change.
-- Index: users_pkey.
INSERT INTO public.users AS t (
    id,
    display_name,
    preferences
)
VALUES (
    :id,
    :display_name,
    :preferences
)
ON CONFLICT (id) DO UPDATE
    SET
        display_name = excluded.display_name,
        preferences = excluded.preferences,
        updated_at = now()
    WHERE (t.display_name, t.preferences) IS DISTINCT FROM (
        excluded.display_name,
        excluded.preferences
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: get(id)^
-- @batch
-- One profile.
-- Index: users_pkey.
SELECT
    t.id,
    t.display_name,
    t.preferences,
    t.created_at,
    t.updated_at
FROM public.users AS t
WHERE t.id = :id;

-- name: list_all(after_id, max_rows)
-- @optional after_id
-- Every profile by id; those after the given one, where it is given.
-- Index: users_pkey.
SELECT
    t.id,
    t.display_name,
    t.preferences,
    t.created_at,
    t.updated_at
FROM public.users AS t
WHERE t.id > :after_id
ORDER BY t.id ASC
LIMIT :max_rows;

-- name: count()$
-- How many profiles there are; under row level security, how many the caller may see.
-- Index: none, reads the table.
SELECT count(*) AS user_count
FROM public.users;

-- name: stream_all()
-- Every profile by id.
-- Index: users_pkey.
SELECT
    t.id,
    t.display_name,
    t.preferences,
    t.created_at,
    t.updated_at
FROM public.users AS t
ORDER BY t.id ASC;

-- name: update_display_name(id, display_name)!
-- Writes the name; NULL takes it back. Affects 1 row, or 0 when there is no such profile or
-- it says so already.
-- Index: users_pkey.
UPDATE public.users AS t
SET
    display_name = :display_name,
    updated_at = now()
WHERE
    t.id = :id
    AND t.display_name IS DISTINCT FROM :display_name;

-- name: update_preferences(id, preferences)!
-- Replaces the preferences as a whole. Affects 1 row, or 0 when there is no such profile or
-- it says so already.
-- Index: users_pkey.
UPDATE public.users AS t
SET
    preferences = :preferences,
    updated_at = now()
WHERE
    t.id = :id
    AND t.preferences IS DISTINCT FROM :preferences;

-- name: delete(id)!
-- Removes a profile; the auth.users row stays. Affects 1 row, or 0 when there is none.
-- Index: users_pkey.
DELETE FROM public.users AS t
WHERE t.id = :id;

-- name: is_account_stand_in()$
-- Whether auth.users is the stand-in that the migrations make on plain PostgreSQL. False on
-- Supabase, where the table belongs to Auth.
-- Index: none, reads the catalogs alone.
SELECT count(*) > 0 AS is_stand_in
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    n.nspname = 'auth'
    AND c.relname = 'users'
    AND obj_description(c.oid, 'pg_class') LIKE '%[auth shim]';

-- name: merge_account(id)!
-- Adds an account to the stand-in for auth.users, for tests and demonstrations.
-- Affects 1 row, or 0 when the account is there already or auth.users is not the stand-in: on
-- Supabase accounts are made by Auth, and nothing is written here.
-- Index: users_pkey of auth.users.
INSERT INTO auth.users (id)
SELECT CAST(:id AS UUID) AS id
WHERE
    EXISTS (
        SELECT 1
        FROM pg_catalog.pg_class AS c
        INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
        WHERE
            n.nspname = 'auth'
            AND c.relname = 'users'
            AND obj_description(c.oid, 'pg_class') LIKE '%[auth shim]'
    )
ON CONFLICT (id) DO NOTHING;
