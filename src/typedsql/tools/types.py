"""PostgreSQL types and the Python types that the driver and our codecs make of them."""

from typing import Final

import msgspec

from typedsql.errors import CodeError

_SCALARS: Final = {
    "bool": "bool",
    "bpchar": "str",
    "bytea": "bytes",
    "date": "datetime.date",
    "float4": "float",
    "float8": "float",
    "int2": "int",
    "int4": "int",
    "int8": "int",
    "interval": "datetime.timedelta",
    "name": "str",
    "numeric": "decimal.Decimal",
    "oid": "int",
    "text": "str",
    "time": "datetime.time",
    "timestamp": "datetime.datetime",
    "timestamptz": "datetime.datetime",
    "uuid": "uuid.UUID",
    "varchar": "str",
    "void": "None",
    "xid8": "int",
}
DOCUMENTS: Final = frozenset({"json", "jsonb"})


class SQLType(msgspec.Struct, frozen=True):
    """A type as PostgreSQL describes it for a parameter or result column."""

    name: str
    """As the driver names it; an array's ends in []."""
    kind: str
    """scalar, array, composite or range."""

    @property
    def is_document(self) -> bool:
        return self.name in DOCUMENTS


def python_type(kind: SQLType, where: str, *, parameter: bool) -> str:
    """A dotted Python type, without Optional. Raises CodeError for what cannot be decoded.

    Array parameters are Sequences and array results lists, both with elements that may be
    None: an array can always hold NULLs.
    """
    if kind.kind == "array":
        element_name = kind.name.removesuffix("[]")
        element = _SCALARS.get(element_name)
        if element is not None:
            container = "collections.abc.Sequence" if parameter else "list"
            return f"{container}[{element} | None]"
        if element_name in DOCUMENTS and parameter:
            return "collections.abc.Sequence[object]"
    elif kind.is_document:
        return "object" if parameter else "typing.Any"
    elif kind.kind == "scalar" and kind.name in _SCALARS:
        return _SCALARS[kind.name]
    raise CodeError(
        f"{where} has type {kind.name}, which has no Python type here: "
        "cast it in the SQL, for example to text"
    )
