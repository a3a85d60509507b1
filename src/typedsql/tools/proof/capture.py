"""The analysed and rewritten tree of a statement, as PostgreSQL prints it for its developers.

``debug_print_rewritten`` has any user told what the server has understood: names resolved
to objects, views expanded, the joins that may null a column noted at each use of it
(``varnullingrels``, since PostgreSQL 16). Nothing is created and nothing runs.
"""

import asyncio
from typing import Any, Final

from typedsql.errors import CodeError
from typedsql.tools.proof.node_tree import Node, read_node_tree

_ON: Final = (
    "SET debug_print_rewritten = on; SET debug_pretty_print = off; SET client_min_messages = log"
)
_OFF: Final = "RESET client_min_messages; RESET debug_print_rewritten; RESET debug_pretty_print"
_TITLE: Final = "rewritten parse tree"


async def capture(connection: Any, sql: str) -> tuple[Any, list[Node]]:
    """Prepare one statement; the prepared statement and its queries after rewriting.

    There is one query but where rules add others. Raises asyncpg.PostgresError for what
    PostgreSQL refuses, and CodeError where it did not tell the tree.
    """
    heard: list[Any] = []

    def listen(_: Any, message: Any) -> None:
        if str(message.message).startswith(_TITLE):
            heard.append(message)

    await connection.execute(_ON)
    connection.add_log_listener(listen)
    try:
        prepared = await connection.prepare(sql)
        # Listeners are called by the event loop, after this.
        await asyncio.sleep(0)
    finally:
        connection.remove_log_listener(listen)
        await connection.execute(_OFF)
    if not heard:
        raise CodeError(
            "PostgreSQL did not tell what it made of the statement: is it of the release that "
            "the analysis is written for?"
        )
    # Ours is the first: the driver asks about types it does not know afterwards.
    queries: list[Node] = read_node_tree(heard[0].detail)
    return prepared, queries
