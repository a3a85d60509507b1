"""Amounts as options of a command take them."""

from decimal import Decimal, InvalidOperation

from typedsql.cli.invocation import WrongUsage


def amount_of(option: str, text: str, *, expected: str) -> Decimal:
    """What an option says. Raises WrongUsage where it is no number; `expected` says of what."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise WrongUsage(f"{option} has to be an amount of {expected}") from None


def ether(text: str) -> Decimal:
    """What --min-value-eth says. Raises WrongUsage where it is no number."""
    return amount_of("--min-value-eth", text, expected="ether, such as 100 or 0.5")
