"""Contracts that move ether in each way that a trace can show, for a local node.

Each is put at a fixed address by anvil_setCode. A call in the comments is
`kind(to, value)`; in bytecode it is `PUSH1 0` four times (no data in or out), the value
where its kind has one, the address, GAS, the call itself, and POP of its result.
"""

from decimal import Decimal

RICH = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
"""An account that anvil has unlocked, by its default mnemonic."""

ALL_KINDS = "0x00000000000000000000000000000000000a0a00"
FORWARDS = "0x00000000000000000000000000000000000b0b00"
RECEIVES = "0x00000000000000000000000000000000000c0c00"
REVERTS = "0x00000000000000000000000000000000000d0d00"
DESTROYED = "0x00000000000000000000000000000000000e0e00"
STOPS = "0x00000000000000000000000000000000000f0f00"
IDENTITY = "0x0000000000000000000000000000000000000004"
ECRECOVER = "0x0000000000000000000000000000000000000001"

_ZEROES = "6000" * 4

CODE = {
    # call(RECEIVES, CALLVALUE)
    FORWARDS: _ZEROES + "34" + "73" + RECEIVES[2:] + "5af150",
    # call(RECEIVES, 7); PUSH1 0 PUSH1 0 REVERT
    REVERTS: _ZEROES + "6007" + "73" + RECEIVES[2:] + "5af150" + "60006000fd",
    # PUSH20 RECEIVES SELFDESTRUCT
    DESTROYED: "73" + RECEIVES[2:] + "ff",
    # STOP
    STOPS: "00",
    ALL_KINDS: "".join(
        [
            # 0: staticcall(IDENTITY), which Parity does not number
            _ZEROES + "6004" + "5afa50",
            # 1: call(SHA-256, 0), which Parity does not number
            _ZEROES + "6000" + "6002" + "5af150",
            # 2: call(FORWARDS, 3)
            _ZEROES + "6003" + "73" + FORWARDS[2:] + "5af150",
            # 3: call(REVERTS, 8)
            _ZEROES + "6008" + "73" + REVERTS[2:] + "5af150",
            # 4: call(STOPS, more than there is), which is never entered
            _ZEROES + "6c" + "ff" * 13 + "73" + STOPS[2:] + "5af150",
            # 5: delegatecall(STOPS)
            _ZEROES + "73" + STOPS[2:] + "5af450",
            # 6: delegatecall(IDENTITY), which Parity does not number
            _ZEROES + "6004" + "5af450",
            # 7: callcode(STOPS, 5)
            _ZEROES + "6005" + "73" + STOPS[2:] + "5af250",
            # 8: callcode(IDENTITY, 5)
            _ZEROES + "6005" + "6004" + "5af250",
            # 9: call(ECRECOVER, 6)
            _ZEROES + "6006" + "6001" + "5af150",
            # 10: call(DESTROYED, 9)
            _ZEROES + "6009" + "73" + DESTROYED[2:] + "5af150",
            # 11: PUSH1 0 PUSH1 0 PUSH1 11 CREATE POP, of a contract without code
            "60006000" + "600b" + "f050",
            # 12: PUSH1 1 PUSH1 0 PUSH1 0 PUSH1 12 CREATE2 POP
            "600160006000" + "600c" + "f550",
            # 13: CREATE with more than there is, which is never entered
            "60006000" + "6b" + "ff" * 12 + "f050",
            # 14: PUSH1 0xfe PUSH1 0 MSTORE8, CREATE with 13 of that byte, INVALID
            "60fe600053" + "60016000" + "600d" + "f050",
            # 15: call(RECEIVES, 2)
            _ZEROES + "6002" + "73" + RECEIVES[2:] + "5af150",
        ]
    ),
}

CREATION_CODE = _ZEROES + "6002" + "73" + RECEIVES[2:] + "5af150"
"""call(RECEIVES, 2) while a contract without code is created."""

ALL_KINDS_VALUE_WEI = 1000

Moved = tuple[str, str, str, Decimal]


def wei(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-18)


def moved_by_all_kinds(created: str, created2: str) -> list[Moved]:
    """What ALL_KINDS moves: trace path, from, to and ether."""
    return [
        ("0", ALL_KINDS, FORWARDS, wei(3)),
        ("0_0", FORWARDS, RECEIVES, wei(3)),
        ("5", ALL_KINDS, ECRECOVER, wei(6)),
        ("6", ALL_KINDS, DESTROYED, wei(9)),
        ("6_0", DESTROYED, RECEIVES, wei(9)),
        ("7", ALL_KINDS, created, wei(11)),
        ("8", ALL_KINDS, created2, wei(12)),
        ("10", ALL_KINDS, RECEIVES, wei(2)),
    ]
