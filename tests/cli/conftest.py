"""Fixtures shared with the tests of migration runs."""

from tests.engine.conftest import looking

__all__ = ["looking"]
