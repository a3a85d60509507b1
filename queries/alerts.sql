-- What users want to be told about. Owner: accounts.
-- conditions: a JSON object whose shape depends on alert_type. enabled: false pauses an
-- alert. Under row level security an API role sees and writes its own alerts only; the
-- statements without mine in their name are for a server that decides itself whose they are.

-- name: insert(user_id, alert_type, conditions, enabled)<!
-- Adds an alert for a user and returns it whole.
-- Index: alerts_pkey.
INSERT INTO public.alerts AS t (
    user_id,
    alert_type,
    conditions,
    enabled
)
VALUES (
    :user_id,
    :alert_type,
    :conditions,
    :enabled
)
RETURNING
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at;

-- name: insert_mine(alert_type, conditions, enabled)<!
-- Adds an alert for the user of the session (auth.uid(), the default of user_id) and returns
-- it whole. Without a user in the session it is refused: by row level security where that
-- applies, else as a not-null violation.
-- Index: alerts_pkey.
INSERT INTO public.alerts AS t (
    alert_type,
    conditions,
    enabled
)
VALUES (
    :alert_type,
    :conditions,
    :enabled
)
RETURNING
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at;

-- name: merge(id, user_id, alert_type, conditions, enabled)<!
-- Adds an alert under an id that the caller chose, or writes it anew.
-- Returns true when added, false when changed, and no row when there was nothing to change
-- or the alert is the one of another user; an alert never changes hands.
-- Index: alerts_pkey.
INSERT INTO public.alerts AS t (
    id,
    user_id,
    alert_type,
    conditions,
    enabled
)
VALUES (
    :id,
    :user_id,
    :alert_type,
    :conditions,
    :enabled
)
ON CONFLICT (id) DO UPDATE
    SET
        alert_type = excluded.alert_type,
        conditions = excluded.conditions,
        enabled = excluded.enabled,
        updated_at = now()
    WHERE (
        t.user_id = excluded.user_id
        AND (t.alert_type, t.conditions, t.enabled) IS DISTINCT FROM (
            excluded.alert_type,
            excluded.conditions,
            excluded.enabled
        )
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: get(id)^
-- One alert.
-- Index: alerts_pkey.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE t.id = :id;

-- name: list_by_user(user_id, before_created_at, before_id, max_rows)
-- @optional before_created_at, before_id
-- The alerts of a user, newest first; those that follow the alert named by the before
-- parameters, where they are given.
-- Index: idx_alerts_user_id, backwards, from before_created_at.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE
    t.user_id = :user_id
    AND (t.created_at, t.id) < (:before_created_at, :before_id)
ORDER BY t.created_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_mine(before_created_at, before_id, max_rows)
-- @optional before_created_at, before_id
-- The alerts of the user of the session (auth.uid()), newest first; none without a user.
-- Those that follow the alert named by the before parameters, where they are given.
-- Index: idx_alerts_user_id, backwards, from before_created_at.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE
    t.user_id = (SELECT auth.uid())
    AND (t.created_at, t.id) < (:before_created_at, :before_id)
ORDER BY t.created_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_enabled(after_id, max_rows)
-- @optional after_id
-- The enabled alerts of every user by id, to be matched against new rows; those after the
-- given one, where it is given.
-- Index: alerts_pkey; enabled is filtered on the way.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE
    t.id > :after_id
    AND t.enabled
ORDER BY t.id ASC
LIMIT :max_rows;

-- name: list_enabled_with_owner(after_id, max_rows)
-- @optional after_id
-- @returns AlertWithOwner
-- The enabled alerts of every user by id, each with the profile of its owner, as who sends a
-- notification needs them; those after the given one, where it is given.
-- owner is None for an account that never made a profile.
-- Index: alerts_pkey; enabled is filtered on the way. users_pkey for the profiles.
SELECT
    t.id AS "alert.id",
    t.user_id AS "alert.user_id",
    t.alert_type AS "alert.alert_type",
    t.conditions AS "alert.conditions",
    t.enabled AS "alert.enabled",
    t.created_at AS "alert.created_at",
    t.updated_at AS "alert.updated_at",
    u.id AS "owner.id",
    u.display_name AS "owner.display_name",
    u.preferences AS "owner.preferences",
    u.created_at AS "owner.created_at",
    u.updated_at AS "owner.updated_at"
FROM public.alerts AS t
LEFT JOIN public.users AS u ON t.user_id = u.id
WHERE
    t.id > :after_id
    AND t.enabled
ORDER BY t.id ASC
LIMIT :max_rows;

-- name: count_by_user(user_id)$
-- How many alerts a user has, paused ones included.
-- Index: idx_alerts_user_id.
SELECT count(*) AS alert_count
FROM public.alerts AS t
WHERE t.user_id = :user_id;

-- name: stream_enabled()
-- The enabled alerts of every user by id.
-- Index: alerts_pkey; enabled is filtered on the way.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE t.enabled
ORDER BY t.id ASC;

-- name: update(id, alert_type, conditions, enabled)!
-- Writes an alert anew. Affects 1 row, or 0 when there is no such alert or it says so
-- already.
-- Index: alerts_pkey.
UPDATE public.alerts AS t
SET
    alert_type = :alert_type,
    conditions = :conditions,
    enabled = :enabled,
    updated_at = now()
WHERE
    t.id = :id
    AND (t.alert_type, t.conditions, t.enabled) IS DISTINCT FROM (
        :alert_type,
        :conditions,
        :enabled
    );

-- name: update_enabled(id, enabled)!
-- Resumes (true) or pauses (false) an alert. Affects 1 row, or 0 when there is no such alert
-- or it says so already.
-- Index: alerts_pkey.
UPDATE public.alerts AS t
SET
    enabled = :enabled,
    updated_at = now()
WHERE
    t.id = :id
    AND t.enabled <> :enabled;

-- name: delete(id)!
-- Removes an alert. Affects 1 row, or 0 when there is none.
-- Index: alerts_pkey.
DELETE FROM public.alerts AS t
WHERE t.id = :id;
