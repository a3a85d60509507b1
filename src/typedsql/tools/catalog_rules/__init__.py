"""Rules for what is in a database: who may see rows, and what indexes there are.

Asked of the catalogs of a live database, which it does not change. The rules of row level
security, views and functions are for schemas that an API exposes, where whoever has a token
sends statements of his own; those of indexes are for every schema of a project. What belongs to
an extension is left out: nobody here decides how that is made.
"""

from collections.abc import Collection
from typing import Any

from typedsql.tools.catalog_rules.finding import CatalogFinding
from typedsql.tools.catalog_rules.functions import function_findings
from typedsql.tools.catalog_rules.indexes import index_findings
from typedsql.tools.catalog_rules.policies import policy_findings
from typedsql.tools.catalog_rules.relations import relation_findings

__all__ = ["CatalogFinding", "catalog_findings"]


async def catalog_findings(
    connection: Any, *, schemas: Collection[str], exposed_schemas: Collection[str]
) -> list[CatalogFinding]:
    """Everything that breaks a rule, by rule and then by name.

    `schemas` are the project's own, `exposed_schemas` those that an API exposes; with none of
    these, foreign keys and indexes alone are looked at. `connection` is one of the driver's, of
    any role: the catalogs are readable to all.
    """
    exposed = sorted(exposed_schemas)
    own = sorted({*schemas, *exposed_schemas})
    found = await index_findings(connection, own)
    if exposed:
        found += await relation_findings(connection, exposed)
        found += await policy_findings(connection, exposed)
        found += await function_findings(connection, exposed)
    return sorted(found, key=lambda finding: (finding.rule, finding.object, finding.message))
