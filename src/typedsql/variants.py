"""Which statement runs: chosen by the parameters that are given and by the ordering.

Every statement was written down, prepared and typed when the code was generated. Choosing
one is a look-up, and what has no statement is refused before anything is sent.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Generic, NoReturn, Protocol, Self, TypeVar

from typedsql.errors import ChoiceRefused
from typedsql.query import Executor
from typedsql.statements import QueryFile, Statement

T = TypeVar("T", covariant=True)

Given = tuple[bool, ...]
"""For each group of optional parameters, in the order of the file, whether it is given."""


class Runner(Protocol[T]):
    """A statement bound to what it returns, of any kind that `typedsql.query` has."""

    _statement: Statement

    def bound_to(self, statement: Statement) -> Self: ...

    def run(self, db: Executor, *arguments: object) -> T: ...


class Variants(Generic[T]):
    """Runs the variant of a statement that fits what it is called with.

    The runner's own statement is the one with everything given and the first of the orderings.
    `others` are those of `file`, name and digest of each. It is run with the choice, and
    the arguments of the runner's own statement. A choice is the ordering, None where there is none
    to choose, and for each optional parameter, in the order of the file, whether it is None.
    """

    def __init__(
        self,
        runner: Runner[T],
        file: QueryFile,
        others: Mapping[tuple[Given, str | None], tuple[str, str]],
    ) -> None:
        statement = runner._statement  # pyright: ignore[reportPrivateUsage]
        self._name = statement.name
        self._groups = statement.optional
        self._orderings = tuple(item.name for item in statement.orderings)
        positions = {name: index for index, name in enumerate(statement.parameters)}
        first = self._orderings[0] if self._orderings else None
        everything = tuple(True for _ in self._groups)
        self._choices: dict[tuple[object, ...], tuple[Callable[..., T], _Pick]] = {
            self._key(everything, first): (runner.run, _everything)
        }
        for (given, ordering), (name, digest) in others.items():
            # What comes back is the same for all, and so is what may be None. That the runner's
            # own only reads was proven of all of them.
            other = file.bind(
                name,
                digest=digest,
                columns=statement.columns or (),
                nullable=statement.nullable,
                reads_only=statement.reads_only,
            )
            pick = _picker([positions[name] for name in other.parameters])
            self._choices[self._key(given, ordering)] = (runner.bound_to(other).run, pick)

    def _key(self, given: Given, ordering: str | None) -> tuple[object, ...]:
        """The ordering, and for each optional parameter whether it is left out."""
        absent = [
            not present for group, present in zip(self._groups, given, strict=True) for _ in group
        ]
        return (ordering, *absent)

    def run(self, db: Executor, choice: tuple[object, ...], *arguments: object) -> T:
        """Run the variant.

        Raises ChoiceRefused, a ValueError, and sends nothing, for an ordering that the file
        does not have, and where of parameters that belong together some are given and some not.
        """
        try:
            found = self._choices[choice]
        except Exception:  # an ordering that is not there, or cannot be hashed
            found = None
        if found is None:
            # Behind the block above, which would add what it raised, and that quotes the choice.
            self._refuse(choice[0], choice[1:])
        run, pick = found
        return run(db, *pick(arguments))

    def _refuse(self, ordering: object, absent: Sequence[object]) -> NoReturn:
        told = "there is no such variant"
        if self._orderings and ordering not in self._orderings:
            told = f"order_by must be one of {', '.join(map(repr, self._orderings))}"
        else:
            flags = iter(absent)
            for group in self._groups:
                missing = [name for name in group if next(flags)]
                if 0 < len(missing) < len(group):
                    told = (
                        f"{' and '.join(group)} belong together: give all of them or none; "
                        f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
                    )
                    break
        raise ChoiceRefused(f"{self._name}: {told}", query=self._name)


_Pick = Callable[[tuple[Any, ...]], tuple[Any, ...]]


def _everything(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return arguments


def _picker(positions: Sequence[int]) -> _Pick:
    """Takes the arguments at these positions, in this order."""
    if not positions:
        return lambda _: ()
    if len(positions) == 1:
        only = positions[0]
        return lambda arguments: (arguments[only],)
    return itemgetter(*positions)
