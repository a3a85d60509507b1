"""A table, and statements that are lost on their way, for tests of what is done about it."""

from pathlib import Path
from typing import Any

import asyncpg

from tests.engine.query_folder import QueryFolder

SCHEMA = """
DROP TABLE IF EXISTS public.notes, public.balances, public.counter, public.pairs;
DROP TYPE IF EXISTS public.pair;
DROP SEQUENCE IF EXISTS public.attempts;
CREATE TABLE public.notes (id BIGINT GENERATED ALWAYS AS IDENTITY, word TEXT NOT NULL);
CREATE SEQUENCE public.attempts;
CREATE OR REPLACE FUNCTION public.fail_as(state TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM nextval('public.attempts');
        RAISE EXCEPTION 'on purpose' USING ERRCODE = state;
    END
$$;
CREATE OR REPLACE PROCEDURE public.note_and_fail(word TEXT, state TEXT) LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.notes (word) VALUES (word);
        COMMIT;
        RAISE EXCEPTION 'on purpose' USING ERRCODE = state;
    END
$$;
CREATE OR REPLACE FUNCTION public.dawdle() RETURNS TRIGGER LANGUAGE plpgsql AS $$
    BEGIN
        -- Only the first time; a sequence is not rolled back.
        IF nextval('public.attempts') = 1 THEN
            PERFORM pg_sleep(TG_ARGV[0]::FLOAT8);
        END IF;
        RETURN NULL;
    END
$$;
"""

SLOW_COMMIT = """
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON public.notes DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION public.dawdle({seconds})
"""

QUERIES = """\
-- name: insert_note(word)!
INSERT INTO public.notes (word) VALUES (:word);

-- name: count_notes()$
-- @one
SELECT count(*) AS notes FROM public.notes;

-- name: find_note(word)$
SELECT n.word FROM public.notes AS n WHERE n.word = :word;

-- name: list_notes()
SELECT n.word FROM public.notes AS n ORDER BY n.id;

-- name: stream_notes()
SELECT n.word FROM public.notes AS n ORDER BY n.id;

-- name: fail_as(state)$
SELECT public.fail_as(:state) AS failed;

-- name: call_and_fail(word, state)!
/* the words */ CALL public.note_and_fail(:word, :state);
"""


async def note_folder(root: Path, connection: "asyncpg.Connection") -> QueryFolder:
    """The statements, with what they need made in the database of `connection`."""
    await connection.execute(SCHEMA)
    folder = QueryFolder(root, QUERIES)
    assert folder.told == []
    return folder


class Notes:
    """The statements as generated code calls them."""

    def __init__(self, folder: QueryFolder) -> None:
        self.insert: Any = folder.bound("insert_note")
        self.count: Any = folder.bound("count_notes", reads_only=True)
        self.find: Any = folder.bound("find_note", reads_only=True)
        self.find_unproven: Any = folder.bound("find_note")
        self.list_all: Any = folder.bound("list_notes", reads_only=True)
        self.stream: Any = folder.bound("stream_notes", reads_only=True)
        self.fail_as: Any = folder.bound("fail_as")
        self.call_and_fail: Any = folder.bound("call_and_fail")


async def stored(connection: "asyncpg.Connection") -> list[str]:
    """The words that are stored, in the order of their numbers."""
    rows = await connection.fetch("SELECT word FROM public.notes ORDER BY id")
    return [row[0] for row in rows]


async def attempts(connection: "asyncpg.Connection") -> int:
    """How often `fail_as` was run."""
    found: int = await connection.fetchval(
        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.attempts"
    )
    return found
