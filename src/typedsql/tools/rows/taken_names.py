"""The names that a generated module has for itself, which no row may have."""

import re
from collections.abc import Iterable
from typing import Final

from typedsql.tools.rows.types import RANGE, SCALARS

_BUILTIN: Final = ("bool", "bytes", "dict", "float", "int", "list", "object", "str")
_ENGINE: Final = {
    "typedsql.bulk": ("BulkMerge", "MergeLimits", "MergeReport", "OnProgress", "OnRejected"),
    "typedsql.database": ("Database",),
    "typedsql.decoding": ("Items", "Members", "Nested", "Ranges"),
    "typedsql.query": (
        *("Affected", "Batched", "ExactlyOne", "ExactlyOneValue", "Executor", "Many", "One"),
        *("RowStream", "Stream", "Value"),
    ),
    "typedsql.statements": ("QueryFile",),
    "typedsql.values": ("Composite",),
    "typedsql.variants": ("Variants",),
    "msgspec": ("Struct",),
    "typing": ("Any", "Literal", "Unpack"),
    "collections.abc": ("AsyncIterable", "Coroutine", "Iterable", "Sequence"),
}
_DOTTED: Final = re.compile(r"\b((?:\w+\.)+)(\w+)\b")


def taken_names(package: str, documents: Iterable[str]) -> dict[str, str]:
    """Each such name and what it is, whether or not a module turns out to import it.

    `documents` are the dotted types of [tool.typedsql.documents].
    """
    names = {name: f"Python's {name}" for name in _BUILTIN}
    names["PROJECT"] = f"{package}.project.PROJECT"
    for module, found in _ENGINE.items():
        names |= {name: f"{module}.{name}" for name in found}
    for annotation in (*SCALARS.values(), RANGE, *documents):
        for module, name in _DOTTED.findall(annotation):
            if module != f"{package}.rows.":
                names.setdefault(name, f"{module}{name}")
    return names
