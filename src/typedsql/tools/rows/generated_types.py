"""What is generated for the types of a database: Literals for texts that are a list, Structs."""

from typedsql.tools.config import Declaration
from typedsql.tools.rows.catalog import Catalog, Column
from typedsql.tools.rows.catalog_types import PgType
from typedsql.tools.rows.fields import Alias, Field, Row, ShapeRefused, camel, is_name, optional
from typedsql.tools.rows.types import TypeRefused, Types


class GeneratedTypes:
    """The Python types of one project's database, and the names of what is generated for them.

    Raises ShapeRefused for names that clash or that Python cannot use.
    """

    def __init__(self, catalog: Catalog, declaration: Declaration) -> None:
        self._catalog = catalog
        self._declaration = declaration
        self.prefix = f"{declaration.package}.rows."
        """What the dotted names of generated types begin with."""
        self.claimed: dict[str, str] = {}
        """Each name of the module of rows that is taken, and what by."""
        self._named: dict[int, str] = {}
        self._texts: dict[tuple[str, str], str] = {}
        self.types = Types(catalog.types, self._named)
        self.aliases: list[Alias] = []
        self.composites: list[Row] = []
        """After those that they contain."""
        self._name_types()

    def text(self, column: Column | None) -> str | None:
        """The dotted name of the Literal that a column's texts are, None for any text."""
        return self._texts.get((column.table, column.name)) if column else None

    def struct_name(self, qualified: str) -> str:
        """The name of the Struct or Literal of a table or type."""
        name = qualified.rpartition(".")[2]
        rows = self._declaration.rows
        return rows.get(qualified) or rows.get(name) or camel(name)

    def claim(self, name: str, source: str) -> None:
        """Take a name of the module of rows. Raises ShapeRefused where it is taken."""
        other = self.claimed.setdefault(name, source)
        if other != source:
            raise ShapeRefused(
                f"[tool.typedsql.rows]: {other} and {source} would both be {name}",
                f'name one, as in "{source}" = "..."',
                rule="name",
            )

    def _name_types(self) -> None:
        own = [
            found
            for found in self._catalog.types.by_oid.values()
            if found.schema in self._declaration.schemas and not found.of_extension
        ]
        for found in own:
            if found.kind in ("d", "e"):
                name = self._alias(found.qualified, None, found.labels, found.comment)
                if name is not None:
                    self._named[found.oid] = name
        for table in self._catalog.tables.values():
            for column in table.columns:
                name = self._alias(table.qualified, column.name, column.labels, column.comment)
                name = name or self._of_domain(column)
                if name is not None:
                    self._texts[table.qualified, column.name] = name
        waiting = [found for found in own if found.kind == "c" and not found.of_relation]
        # A composite cannot contain itself, so that each turn finds one whose parts are known.
        while ready := [found for found in waiting if self._composite(found)]:
            waiting = [found for found in waiting if found not in ready]

    def _alias(
        self, source: str, column: str | None, labels: tuple[str, ...], comment: str | None
    ) -> str | None:
        """The dotted name of a new Literal; None for no labels, or no name that Python can use."""
        name = self.struct_name(source)
        if column is not None:
            rows = self._declaration.rows
            bare = source.rpartition(".")[2]
            name = (
                rows.get(f"{source}.{column}")
                or rows.get(f"{bare}.{column}")
                or name + camel(column)
            )
            source = f"{source}.{column}"
        if not labels or not is_name(name):
            return None
        self.claim(name, source)
        self.aliases.append(Alias(name, labels, comment))
        return self.prefix + name

    def _of_domain(self, column: Column) -> str | None:
        # The driver tells of a domain's column no more than the type below.
        domain = self._catalog.types.by_oid.get(column.type_oid)
        while domain is not None and domain.kind == "d":
            if domain.oid in self._named:
                return self._named[domain.oid]
            domain = self._catalog.types.by_oid.get(domain.base)
        return None

    def _composite(self, found: PgType) -> bool:
        """Generate the Struct of a composite type, if all its members can be typed now."""
        name = self.struct_name(found.qualified)
        if not found.members or not all(is_name(word) for word, _ in found.members):
            return False
        fields: list[Field] = []
        for member, kind in found.members:
            try:
                typed = self.types.member(kind)
            except TypeRefused:
                return False
            fields.append(Field(member, optional(typed.annotation, nullable=True)))
        if not is_name(name):
            return False
        self.claim(name, found.qualified)
        kinds = tuple(self.types.run_time_name(kind) for _, kind in found.members)
        self.composites.append(
            Row(name, tuple(fields), None, found.comment, (found.qualified, kinds))
        )
        self._named[found.oid] = self.prefix + name
        return True
