"""Typed functions of the statements that the benchmark measures."""
