"""PostgreSQL types and the Python types that the driver and our codecs make of them."""

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from typedsql.errors import CodeError
from typedsql.fitting import CHECKED
from typedsql.tools.rows.catalog_types import PgType, TypeCatalog

_ADDRESSES: Final = " | ".join(
    f"ipaddress.{name}" for name in ("IPv4Address", "IPv4Interface", "IPv6Address", "IPv6Interface")
)
SCALARS: Final = {
    "bool": "bool",
    "bpchar": "str",
    "bytea": "bytes",
    "char": "bytes",
    "cid": "int",
    "cidr": "ipaddress.IPv4Network | ipaddress.IPv6Network",
    "date": "datetime.date",
    "float4": "float",
    "float8": "float",
    "inet": _ADDRESSES,
    "int2": "int",
    "int4": "int",
    "int8": "int",
    "interval": "datetime.timedelta",
    "jsonpath": "str",
    "name": "str",
    "numeric": "decimal.Decimal",
    "oid": "int",
    "pg_lsn": "int",
    "text": "str",
    "time": "datetime.time",
    "timestamp": "datetime.datetime",
    "timestamptz": "datetime.datetime",
    "uuid": "uuid.UUID",
    "varchar": "str",
    "void": "None",
    "xid": "int",
    "xid8": "int",
    "xml": "str",
}
# Those that cross the wire as text, which the driver cannot do within a range or composite.
_AS_TEXT: Final = frozenset(
    {
        *("aclitem", "macaddr", "macaddr8", "refcursor", "tsquery", "tsvector"),
        *("regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper"),
        *("regoperator", "regproc", "regprocedure", "regrole", "regtype"),
    }
)
_REFUSED: Final = {
    "money": ("depends on a setting of the server", "cast it to numeric"),
    "timetz": ("loses the seconds of its offset in the driver", "cast it to text"),
    "record": (
        "has members of unknown types",
        "select them one by one, or cast the row to a composite type that a migration creates",
    ),
    "point": ("has no Python type here", "select its coordinates, p[0] and p[1]"),
}
DOCUMENTS: Final = frozenset({"json", "jsonb"})
RANGE: Final = "typedsql.values.Range"
# Whose bounds the run time can look at by the name of the range type alone.
_BUILTIN_RANGES: Final = frozenset({"pg_catalog"})


class TypeRefused(CodeError):
    """A type that has no Python form here. Its text is the message and the advice."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}: {advice}")
        self.message = message
        self.advice = advice


def refused_by_driver(failure: Exception) -> TypeRefused:
    """What to say where the driver does not prepare a statement, for a type in it.

    That is asyncpg.UnsupportedClientFeatureError, for a range or composite of a type that
    crosses the wire as text. It tells the type and not the place.
    """
    named = re.search(r'type "([^"]+)"\."([^"]+)"', str(failure))
    shown = ".".join(named.groups()) if named else "a type"
    return TypeRefused(
        f"a parameter or column has type {shown}, of which a part crosses the wire as text, so "
        "that the driver cannot read the whole",
        "select its parts one by one (those of a table's row nest by their names, as in AS "
        '"ticket.id"), and make it of single parameters, in the SQL',
    )


class Decoder(msgspec.Struct, frozen=True, kw_only=True):
    """What the run time makes of a value of the driver's; see `typedsql.decoding`."""

    kind: Literal["document", "range", "composite", "array"]
    type: str = ""
    """Dotted Python type of the document, or of the composite's Struct."""
    element: "Decoder | None" = None
    members: "tuple[tuple[int, Decoder], ...]" = ()
    """Of a composite the positions that are not taken as they are."""


class Typed(msgspec.Struct, frozen=True):
    """A Python type, and how a value of it is made where the driver's is another."""

    annotation: str
    """Dotted, without the ``| None`` of the value itself."""
    decoder: Decoder | None = None


class Types:
    """The Python types of one database.

    `named` gives the dotted Python name of each enum, composite and labelled domain that
    something is generated for, by oid.
    """

    def __init__(self, catalog: TypeCatalog, named: Mapping[int, str]) -> None:
        self._catalog = catalog
        self._named = named

    def result(
        self,
        oid: int,
        *,
        text: str | None = None,
        document: str | None = None,
        elements_not_null: bool = False,
    ) -> Typed:
        """The type of a result column. Raises TypeRefused for what cannot be decoded.

        `text` is the type to say for a text (a Literal of its labels), `document` that of
        a JSON document; both are also for the elements of an array. Members of a composite
        may be None, and so may elements of an array unless they are proven not to be:
        nothing keeps NULL out of what is stored.
        """
        found = self._catalog.by_oid[oid]
        if found.element:
            self._check_multirange(oid, self._catalog.without_domains(found.element))
            element = self.result(found.element, text=text, document=document)
            decoder = element.decoder
            return Typed(
                f"list[{element.annotation}{'' if elements_not_null else ' | None'}]",
                decoder and Decoder(kind="array", element=decoder),
            )
        if found.kind == "d" and not found.labels:
            return self.result(
                found.base, text=text, document=document, elements_not_null=elements_not_null
            )
        if found.kind in "rm":
            bound = self.result(self._bounds(found))
            ranged = Decoder(kind="range")
            if found.kind == "r":
                return Typed(f"{RANGE}[{bound.annotation}]", ranged)
            return Typed(
                f"list[{RANGE}[{bound.annotation}]]", Decoder(kind="array", element=ranged)
            )
        if found.kind == "c":
            return self._composite(found)
        if found.schema == "pg_catalog" and found.name in DOCUMENTS:
            kind = document or "typing.Any"
            return Typed(kind, Decoder(kind="document", type=kind))
        return Typed(self._scalar(found, text))

    def parameter(self, oid: int, *, text: str | None = None, document: str | None = None) -> str:
        """The dotted type of a parameter, without Optional. Raises TypeRefused.

        Arrays and multiranges are taken from any sequence.
        """
        found = self._catalog.by_oid[oid]
        sequence = "collections.abc.Sequence"
        if found.element:
            element = self._catalog.without_domains(found.element)
            self._check_multirange(oid, element)
            if element.name in CHECKED and element.oid != found.element:
                shown = self._catalog.shown(oid)
                raise TypeRefused(
                    f"has type {shown}, whose elements are not checked by the driver",
                    f"take an array of {element.name} and cast it to {shown} in the SQL",
                )
            if element.schema == "pg_catalog" and element.name in DOCUMENTS:
                return f"{sequence}[{document} | None]" if document else f"{sequence}[object]"
            return f"{sequence}[{self.parameter(found.element, text=text)} | None]"
        if found.kind == "d" and not found.labels:
            return self.parameter(found.base, text=text, document=document)
        if found.kind in "rm":
            bound = self.parameter(self._bounds(found))
            if found.schema not in _BUILTIN_RANGES:
                raise TypeRefused(
                    f"has type {found.qualified}, whose bounds are not checked by the driver",
                    f"build it in the SQL from its bounds: {found.name}(:lower, :upper)",
                )
            ranged = f"{RANGE}[{bound}]"
            return ranged if found.kind == "r" else f"{sequence}[{ranged}]"
        if found.kind == "c":
            return self._composite(found).annotation
        if found.schema == "pg_catalog" and found.name in DOCUMENTS:
            return document or "object"
        return self._scalar(found, text)

    def member(self, oid: int) -> Typed:
        """The type of a composite's member. Raises TypeRefused for what the driver cannot read."""
        self._check_binary(oid)
        return self.result(oid)

    def run_time_name(self, oid: int) -> str:
        """A type as the run time's checks of arguments know it."""
        found = self._catalog.without_domains(oid)
        if found.element:
            return f"{self.run_time_name(found.element)}[]"
        return found.name if found.schema == "pg_catalog" else found.qualified

    def _composite(self, found: PgType) -> Typed:
        shown = found.qualified
        if found.of_relation:
            raise TypeRefused(
                f"has type {shown}, a table's row as one value",
                f'select its columns, nested by their names: AS "{found.name}.column"',
            )
        if found.oid not in self._named:
            # Either it cannot be typed, which a member says, or nobody declared its schema.
            for name, member in found.members:
                try:
                    self.member(member)
                except TypeRefused as failure:
                    raise TypeRefused(
                        f"has type {shown}, whose member {name} {failure.message}",
                        "select the members one by one, (value).member, and write "
                        f"CAST(ROW(:a, :b) AS {shown}) for a parameter",
                    ) from None
            raise TypeRefused(
                f"has type {shown}, for which no Struct is generated",
                f"add {found.schema} to schemas in [tool.typedsql], and see that its name and "
                "those of its members are ones that Python can use",
            )
        members = tuple(
            (index, decoder)
            for index, (_, member) in enumerate(found.members)
            if (decoder := self.member(member).decoder) is not None
        )
        name = self._named[found.oid]
        return Typed(name, Decoder(kind="composite", type=name, members=members))

    def _bounds(self, found: PgType) -> int:
        try:
            self._check_binary(found.subtype)
        except TypeRefused as failure:
            shown = self._catalog.shown(found.oid)
            raise TypeRefused(
                f"has type {shown}, whose bounds are of a type that {failure.message}",
                "select lower(value) and upper(value), and for a parameter write "
                f"{found.name}(:lower, :upper)",
            ) from None
        return found.subtype

    def _check_multirange(self, oid: int, element: PgType) -> None:
        if element.kind == "m":
            raise TypeRefused(
                f"has type {self._catalog.shown(oid)}, which the driver cannot tell from an array "
                "of two dimensions",
                "use single multiranges",
            )

    def _check_binary(self, oid: int) -> None:
        """Refuses what crosses the wire as text: within another value the driver cannot read it."""
        found = self._catalog.without_domains(oid)
        if found.element:
            self._check_binary(found.element)
        elif found.kind == "b" and (
            found.schema != "pg_catalog" or found.name in _AS_TEXT or found.name == "numeric"
        ):
            shown = self._catalog.shown(found.oid)
            raise TypeRefused(
                f"is {shown}, which the driver cannot read within another value",
                "select it by itself",
            )

    def _scalar(self, found: PgType, text: str | None) -> str:
        if found.oid in self._named:
            return self._named[found.oid]
        if found.kind in "de" or (found.kind == "b" and found.schema != "pg_catalog"):
            # The driver exchanges the text of types that came with an extension.
            root = self._catalog.without_domains(found.oid)
            return "str" if root.kind in "e" or root.schema != "pg_catalog" else SCALARS[root.name]
        if text is not None and found.name in ("text", "varchar"):
            return text
        if found.name in _AS_TEXT:
            return "str"
        if found.name in SCALARS:
            return SCALARS[found.name]
        why, advice = _REFUSED.get(found.name, ("has no Python type here", "cast it to text"))
        raise TypeRefused(f"has type {found.name}, which {why}", f"{advice} in the SQL")
