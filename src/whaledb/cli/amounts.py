"""Amounts on the command line."""

from decimal import Decimal, InvalidOperation

from typedsql.cli.invocation import WrongUsage


def ether(text: str) -> Decimal:
    """What --min-value-eth says. Raises WrongUsage where it is no number."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise WrongUsage(
            "--min-value-eth has to be an amount of ether, such as 100 or 0.5"
        ) from None
