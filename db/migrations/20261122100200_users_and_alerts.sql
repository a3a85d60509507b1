-- Why:    what belongs to a person: the profile and the alerts. Both hang on auth.users and
--         go with the account. An alert always has an owner, since a row without one would
--         be visible to nobody under row level security.
-- Locks:  SHARE ROW EXCLUSIVE on auth.users for the foreign keys (down: ACCESS EXCLUSIVE);
--         catalog only, the new tables are empty, so nothing is scanned. Sign-ins queue
--         behind whoever waits for that lock, so it gives up after 5 s: run it again.
-- Deploy: before the code that reads or writes these tables.

-- migrate:up
SET LOCAL lock_timeout = '5s';

CREATE TABLE public.users (
    id UUID NOT NULL,
    display_name TEXT,
    preferences JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_id_fkey FOREIGN KEY (id) REFERENCES auth.users (id) ON DELETE CASCADE
);

COMMENT ON TABLE public.users IS
'Profiles and preferences of accounts, at most one row for each account.';
COMMENT ON COLUMN public.users.id IS
'Identifier of the account in auth.users; the profile goes when the account is deleted.';
COMMENT ON COLUMN public.users.display_name IS
'Name to show, 1 to 200 characters; NULL where none was chosen.';
COMMENT ON COLUMN public.users.preferences IS
'Settings of the account, a JSON object; empty where everything is as by default.';
COMMENT ON COLUMN public.users.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.users.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.users FROM PUBLIC, anon, authenticated;

CREATE TABLE public.alerts (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL DEFAULT auth.uid(),
    alert_type TEXT NOT NULL,
    conditions JSONB NOT NULL,
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT alerts_pkey PRIMARY KEY (id),
    CONSTRAINT alerts_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE
);

COMMENT ON TABLE public.alerts IS
'Conditions under which an account wants to be told, one row for each alert.';
COMMENT ON COLUMN public.alerts.id IS
'Surrogate identifier.';
COMMENT ON COLUMN public.alerts.user_id IS
'Account that owns the alert, by default the one in whose name the transaction runs; the '
'alert goes when the account is deleted.';
COMMENT ON COLUMN public.alerts.alert_type IS
'Kind of alert in snake_case, such as whale_transfer.';
COMMENT ON COLUMN public.alerts.conditions IS
'When the alert fires, a JSON object whose members depend on alert_type.';
COMMENT ON COLUMN public.alerts.enabled IS
'Whether the alert may fire.';
COMMENT ON COLUMN public.alerts.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.alerts.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.alerts FROM PUBLIC, anon, authenticated;

-- migrate:down
-- Lossy: drops every alert and every profile with its preferences. Accounts stay.
SET LOCAL lock_timeout = '5s';

DROP TABLE public.alerts;
DROP TABLE public.users;
