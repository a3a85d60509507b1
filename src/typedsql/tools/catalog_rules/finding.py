"""What is wrong with a database as it is, whatever statements are run on it."""

import msgspec


class CatalogFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a database that breaks a rule. Holds names of the catalog and no rows."""

    rule: str
    """Kebab-case name of the rule: row-security, per-row-identity, duplicate-index, ..."""
    object: str
    """What breaks it, as CREATE names it: a table, view or function with its schema, the name of
    a policy, constraint or index without."""
    message: str
    """What is wrong, in half a sentence."""
    advice: str
    """What to do, in half a sentence."""
