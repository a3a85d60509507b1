"""Writes of market data that take more than one statement."""
