"""How many rows a statement returns: at least, at most, and why."""
