-- Why:    policies, defaults and foreign keys need the roles anon, authenticated and
--         service_role, auth.users and auth.uid(). Supabase has them; plain PostgreSQL gets
--         a stand-in here, so that the same migrations run on both. Each object is made only
--         where it is absent: on Supabase, where auth belongs to another role, this file
--         changes nothing.
-- Locks:  none on existing tables; new catalog rows only.
-- Deploy: before everything else.

-- migrate:up
DO $$
DECLARE
    role_name TEXT;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN to_regrole(role_name) IS NOT NULL;
        -- Roles belong to the whole cluster: another database may be creating the same one.
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
            EXECUTE format(
                'COMMENT ON ROLE %I IS %L',
                role_name,
                'API role as on Supabase; it cannot log in, a session switches to it. [auth shim]'
            );
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            RAISE NOTICE 'role % was created by another session at the same time', role_name;
        END;
    END LOOP;
END;
$$;

-- The catalogs are asked, not to_regclass(): that needs USAGE on the schema to answer.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'auth') THEN
        CREATE SCHEMA auth;
        COMMENT ON SCHEMA auth IS
            'Stand-in for the schema of Supabase Auth on plain PostgreSQL. [auth shim]';
        GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
    END IF;

    IF NOT EXISTS (
        SELECT FROM pg_class AS c
        INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'auth' AND c.relname = 'users'
    ) THEN
        CREATE TABLE auth.users (
            id UUID NOT NULL,
            CONSTRAINT users_pkey PRIMARY KEY (id)
        );
        COMMENT ON TABLE auth.users IS
            'Accounts that may own rows, one per person who can sign in. [auth shim]';
        COMMENT ON COLUMN auth.users.id IS
            'Identifier of the account, the claim sub of its tokens.';
        REVOKE ALL ON TABLE auth.users FROM PUBLIC, anon, authenticated;
    END IF;

    IF NOT EXISTS (
        SELECT FROM pg_proc AS p
        INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'auth' AND p.proname = 'uid' AND p.pronargs = 0
    ) THEN
        -- The nullif calls matter: after a local set_config the setting returns to '', not
        -- to NULL, and ''::UUID would fail on every session that is used again.
        CREATE FUNCTION auth.uid() RETURNS UUID
        LANGUAGE sql STABLE SET search_path = ''
        AS $body$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim.sub', TRUE), ''),
                nullif(current_setting('request.jwt.claims', TRUE), '')::JSONB ->> 'sub'
            )::UUID
        $body$;
        COMMENT ON FUNCTION auth.uid() IS
            'Account in whose name the transaction runs; NULL outside of one. [auth shim]';
    END IF;

    IF NOT EXISTS (
        SELECT FROM pg_proc AS p
        INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'auth' AND p.proname = 'role' AND p.pronargs = 0
    ) THEN
        CREATE FUNCTION auth.role() RETURNS TEXT
        LANGUAGE sql STABLE SET search_path = ''
        AS $body$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim.role', TRUE), ''),
                nullif(current_setting('request.jwt.claims', TRUE), '')::JSONB ->> 'role'
            )
        $body$;
        COMMENT ON FUNCTION auth.role() IS
            'API role that the token names; NULL outside of a request. [auth shim]';
    END IF;

    IF NOT EXISTS (
        SELECT FROM pg_proc AS p
        INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'auth' AND p.proname = 'jwt' AND p.pronargs = 0
    ) THEN
        CREATE FUNCTION auth.jwt() RETURNS JSONB
        LANGUAGE sql STABLE SET search_path = ''
        AS $body$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim', TRUE), ''),
                nullif(current_setting('request.jwt.claims', TRUE), '')
            )::JSONB
        $body$;
        COMMENT ON FUNCTION auth.jwt() IS
            'Claims of the token; NULL outside of a request. [auth shim]';
    END IF;
END;
$$;

-- migrate:down
-- Lossy: the accounts of the stand-in are gone. Only what carries its mark is dropped, so
-- nothing on Supabase; and never a role, which other databases of the cluster may use.
DO $$
DECLARE
    function_name TEXT;
BEGIN
    FOREACH function_name IN ARRAY ARRAY['uid', 'role', 'jwt'] LOOP
        IF EXISTS (
            SELECT FROM pg_proc AS p
            INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
            WHERE
                n.nspname = 'auth' AND p.proname = function_name AND p.pronargs = 0
                AND obj_description(p.oid, 'pg_proc') LIKE '%[auth shim]'
        ) THEN
            EXECUTE format('DROP FUNCTION auth.%I()', function_name);
        END IF;
    END LOOP;

    IF EXISTS (
        SELECT FROM pg_class AS c
        INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE
            n.nspname = 'auth' AND c.relname = 'users'
            AND obj_description(c.oid, 'pg_class') LIKE '%[auth shim]'
    ) THEN
        DROP TABLE auth.users;
    END IF;

    IF EXISTS (
        SELECT FROM pg_namespace AS n
        WHERE n.nspname = 'auth' AND obj_description(n.oid, 'pg_namespace') LIKE '%[auth shim]'
    ) THEN
        BEGIN
            DROP SCHEMA auth;
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'schema auth stays: it holds objects that these migrations did not make';
        END;
    END IF;
END;
$$;
