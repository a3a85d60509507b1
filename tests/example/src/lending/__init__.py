"""A lending library's database."""
