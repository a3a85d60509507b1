"""A pytest plugin for the tests of any project: a migrated database for each test.

In a project's own package, or in the conftest.py of its tests:

    from shop.project import PROJECT
    from typedsql.testing import register

    def pytest_configure(config):
        register(config, PROJECT)

The fixtures begin with the project's name: `shop_db`, `shop_url` and so on; README.md
beside this file lists them. There is no entry point that pytest would find by itself:
to install a package must not change the test runs of everybody in the same environment.
"""

from typedsql.testing.databases import EMPTY, Databases
from typedsql.testing.plugin import register
from typedsql.testing.server import ServerChoice, TestServer, choose_server

__all__ = ["EMPTY", "Databases", "ServerChoice", "TestServer", "choose_server", "register"]
