"""Python source of what is generated: rows, typed functions, the project value."""

from typedsql.project import Project
from typedsql.tools.emit.functions import NameTaken, queries_module
from typedsql.tools.emit.module import header
from typedsql.tools.emit.rows import rows_module

__all__ = ["NameTaken", "project_module", "queries_module", "queries_package", "rows_module"]


def project_module(project: Project) -> str:
    """The module with the Project value."""
    fields = "".join(
        f"    {name}={_literal(getattr(project, name))},\n"
        for name in project.__struct_fields__
        if name != "checkout"
    )
    opening = header("What this package was generated for.", project)
    return f"{opening}\nfrom typedsql.project import Project\n\nPROJECT = Project(\n{fields})\n"


def _literal(value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    items = ", ".join(_literal(item) for item in value)
    return f"({items},)" if len(value) == 1 else f"({items})"


def queries_package(project: Project) -> str:
    """The package of generated modules; empty, so that importing one loads only that one."""
    return header(f"Typed functions, a module for each file in {project.queries_dir}/.", project)
