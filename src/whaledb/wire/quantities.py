"""Exact values from the hex strings of Ethereum's JSON-RPC.

Quantities and data are strings there (`"0x1bc16d674ec80000"`), never JSON numbers, so no
value passes through a float. Rules: https://ethereum.org/developers/docs/apis/json-rpc,
"Hex encoding". Leading zeros, which some nodes write, are accepted.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Final

LARGEST_BIGINT: Final = 2**63 - 1
LARGEST_UINT256: Final = 2**256 - 1
WEI_DECIMALS: Final = 18

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_TIMESTAMP: Final = int((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH).total_seconds())
# The default context keeps 28 digits; a uint256 has 78.
_EXACT = Context(prec=100)


class Unreadable(ValueError):
    """The data is not what it should be; the message is the reason kept in dead_letters.

    The message names the field and the rule, never the content.
    """


def quantity(text: str, *, name: str, largest: int) -> int:
    """The number that a hex quantity stands for.

    Raises:
        Unreadable: it is no hex quantity, or is over `largest`.
    """
    if _QUANTITY.fullmatch(text) is None:
        raise Unreadable(
            f'{name} is not a hex quantity: expected "0x" and 1 to 64 hexadecimal digits'
        )
    number = int(text, 16)
    if number > largest:
        limit = "2^63-1, the most that BIGINT holds" if largest == LARGEST_BIGINT else largest
        raise Unreadable(f"{name} is out of range: it is over {limit}")
    return number


def block_or_transaction_hash(text: str, *, name: str) -> str:
    """The hash in lower case, as it is stored."""
    if _HASH.fullmatch(text) is None:
        raise Unreadable(f'{name} is not a hash: expected "0x" and 64 hexadecimal digits')
    return text.lower()


def address(text: str, *, name: str) -> str:
    """The address in lower case, as it is stored; EIP-55 mixed case is accepted unchecked."""
    if _ADDRESS.fullmatch(text) is None:
        raise Unreadable(f'{name} is not an address: expected "0x" and 40 hexadecimal digits')
    return text.lower()


def ether_from_wei(wei: int) -> Decimal:
    """Ether, exact to the last of its 18 decimals, whatever the current decimal context."""
    return _EXACT.scaleb(Decimal(wei), -WEI_DECIMALS)


def moment(seconds: int, *, name: str) -> datetime:
    """The UTC time of a Unix timestamp in seconds."""
    if seconds > _LARGEST_TIMESTAMP:
        raise Unreadable(f"{name} is out of range: it is after the year 9999")
    return _EPOCH + timedelta(seconds=seconds)
