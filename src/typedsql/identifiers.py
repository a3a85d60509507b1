"""Names in SQL: what cannot be a parameter is quoted, and nothing else is put into a statement."""


def quoted(name: str) -> str:
    """A name as it stands in SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def quoted_table(table: str) -> str:
    """A table's name, qualified or not: what stands before the first dot is its schema."""
    return ".".join(map(quoted, table.split(".", 1)))
