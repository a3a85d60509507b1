"""All that are measured, ours first."""

from tests.benchmarks.peers import Peer, psqlpy, psycopg3, raw, sqlalchemy2, stock_aiosql, typed

PEERS: tuple[Peer, ...] = (
    typed.PEER,
    raw.PLAIN,
    raw.NUMERIC_CODEC,
    raw.ALL_CODECS,
    stock_aiosql.PEER,
    psycopg3.ARGS_ROW,
    psycopg3.CLASS_ROW,
    psqlpy.PEER,
    sqlalchemy2.CORE,
    sqlalchemy2.ORM,
)
