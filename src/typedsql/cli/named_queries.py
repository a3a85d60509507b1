"""The named queries of a project: generated functions, found by ``file.name``."""

import difflib
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any

import msgspec

from typedsql.cli.invocation import WrongUsage
from typedsql.project import Project

SUGGESTIONS = 3

_SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z])")


class NamedQuery(msgspec.Struct, frozen=True):
    """A generated function and how its result is to be read."""

    name: str
    function: Any
    runner: Any
    """What the generated module bound the statement to."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Annotation of each parameter; the database itself is not one of them."""
        hints = typing.get_type_hints(self.function)
        return {
            key: hints[key]
            for key, parameter in inspect.signature(self.function).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }

    @property
    def defaulted(self) -> frozenset[str]:
        """The parameters that need not be given."""
        empty = inspect.Parameter.empty
        signature = inspect.signature(self.function)
        return frozenset(
            key for key, found in signature.parameters.items() if found.default is not empty
        )

    @property
    def summary(self) -> str:
        """First sentence of what the SQL file says about it."""
        return first_sentence(self.function.__doc__ or "")


def first_sentence(text: str) -> str:
    """Of a comment's first paragraph, on one line."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    return _SENTENCE_END.split(paragraph, maxsplit=1)[0]


def find_query(project: Project, name: str) -> NamedQuery:
    """The generated function of a statement. Raises WrongUsage, with suggestions."""
    stem, _, short = name.partition(".")
    if stem.isidentifier() and stem in _stems(project):
        module = _module(project, stem)
        found = _queries_in(module).get(short)
        if found is not None:
            return found
        if short in _merges_in(module):
            raise WrongUsage(
                f"{name} stores rows that a program gives it: call it from Python, as"
                f" {module.__name__}.{short}"
            )
    known = sorted(item.name for item in all_queries(project))
    everything = f"see them all with `{project.command} query`"
    if name in _stems(project):
        some = [item for item in known if item.startswith(f"{name}.")][:SUGGESTIONS]
        raise WrongUsage(
            f"{name} is a file of queries: name one of them, such as {', '.join(some)};"
            f" {everything}"
        )
    raise WrongUsage(f"there is no query {name}: {did_you_mean(name, known) or everything}")


def did_you_mean(name: str, known: Sequence[str]) -> str | None:
    """A question with the names that a misspelt one may stand for; None if none is near.

    Of dotted names those with the same first part come first.
    """
    close = _similar(name, known)
    return f"did you mean {' or '.join(close)}?" if close else None


def _similar(name: str, known: Sequence[str]) -> list[str]:
    folded = {item.casefold(): item for item in known}
    stem, dot, short = name.casefold().rpartition(".")
    if dot:
        stem = _nearest(stem, {item.rpartition(".")[0] for item in folded}) or stem
    in_file = {item.rpartition(".")[2]: item for item in folded if item.startswith(f"{stem}.")}
    if short in in_file:
        return [folded[in_file[short]]]
    close = [in_file[item] for item in difflib.get_close_matches(short, in_file, n=SUGGESTIONS)]
    elsewhere = [item for item in folded if item.endswith(f".{short}")]
    alike = difflib.get_close_matches(name.casefold(), folded, n=SUGGESTIONS)
    return [folded[item] for item in close or elsewhere or alike]


def _nearest(word: str, known: Collection[str]) -> str | None:
    """The word itself if it is known, else the one it may stand for."""
    if word in known:
        return word
    return next(iter(difflib.get_close_matches(word, sorted(known), n=1)), None)


def _stems(project: Project) -> list[str]:
    package = importlib.import_module(f"{project.package}.queries")
    return [item.name for item in pkgutil.iter_modules(package.__path__)]


def _module(project: Project, stem: str) -> ModuleType:
    return importlib.import_module(f"{project.package}.queries.{stem}")


def _queries_in(module: ModuleType) -> dict[str, NamedQuery]:
    """Each function that has a statement bound under its name with a leading underscore."""
    stem = module.__name__.rpartition(".")[2]
    return {
        key: NamedQuery(f"{stem}.{key}", function, vars(module)[f"_{key}"])
        for key, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and f"_{key}" in vars(module)
        and key not in _merges_in(module)
    }


def _merges_in(module: ModuleType) -> set[str]:
    """The functions that take rows, which nobody writes on a command line."""
    from typedsql.bulk import BulkMerge

    bound = {key for key, value in vars(module).items() if isinstance(value, BulkMerge)}
    return {key.removeprefix("_") for key in bound if key.startswith("_")}


def all_queries(project: Project) -> list[NamedQuery]:
    """Every named query; imports all generated modules, and the driver with them."""
    modules = (_module(project, stem) for stem in _stems(project))
    return [item for module in modules for item in _queries_in(module).values()]
