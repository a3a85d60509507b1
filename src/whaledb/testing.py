"""A pytest plugin for the tests of whoever uses whaledb.

In conftest.py (or `-p whaledb.testing` on pytest's command line):

    pytest_plugins = ["whaledb.testing"]

Each test that names one of these gets a migrated database of its own, a copy of a
template: `whaledb_db` (the library, connected), `whaledb_connection` (a plain asyncpg
connection), `whaledb_target`, `whaledb_url` (for code that connects by itself, in tests
that need not be asynchronous). `whaledb_rolled_back` is cheaper: a transaction in a
database that all tests share. See typedsql/testing/README.md for the rest.
"""

import pytest

from typedsql.testing import register
from whaledb.project import PROJECT


def pytest_configure(config: pytest.Config) -> None:
    """Called by pytest once the plugin is loaded."""
    register(config, PROJECT)
