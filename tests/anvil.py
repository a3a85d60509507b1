"""A real node for tests: anvil, of npm's package @foundry-rs/anvil or of Foundry.

It is looked for in `ANVIL`, on the PATH, and in node_modules of the checkout. Where there
is none, the tests that need it are skipped, visibly; with `REQUIRE_ANVIL` set they fail.

It signs for its own accounts by itself (eth_sendTransaction), and for any other after
anvil_impersonateAccount, so that no test holds a key.
"""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.databases import ROOT

WEI_PER_ETHER = 10**18
BASE_FEE_WEI = 10**9
PRIORITY_FEE_WEI = 10**9
MAX_FEE_WEI = 10**11
REQUEST_TIMEOUT_S = 20.0
# Without it anvil mines a block for each transaction, and tests could not decide which
# transactions share a block.
NO_MINING = ("--no-mining",)


def anvil_program() -> Path | None:
    """The node's own binary; None where it is not installed.

    Raises:
        FileNotFoundError: `ANVIL` names a file that is not there.
    """
    named = os.environ.get("ANVIL")
    if named:
        program = Path(named)
        if not program.is_file():
            raise FileNotFoundError("ANVIL names a file that is not there")
        return _native(program)
    on_path = shutil.which("anvil")
    for program in ([Path(on_path)] if on_path else []) + [ROOT / "node_modules/.bin/anvil"]:
        if program.is_file():
            return _native(program)
    return None


def _native(program: Path) -> Path:
    """What npm's script starts: killing the script would leave that running."""
    resolved = program.resolve()
    if resolved.suffix != ".mjs":
        return resolved
    found = sorted(resolved.parent.parent.glob("anvil-*/bin/anvil"))
    return found[0] if found else resolved


class AnvilError(Exception):
    """Anvil answered with an error."""


class Anvil:
    """A running node; its chain is new at each start, and the same for the same requests."""

    def __init__(self, program: Path, options: tuple[str, ...]) -> None:
        self.port = 0
        self._program = program
        self._options = options
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, on the port that it had before if it is not the first time."""
        command = [str(self._program), "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--hardfork", "prague", *self._options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.port = _port(self._process.stdout)
        # What it says of each request would fill the pipe, and stop it.
        self.call("anvil_setLoggingEnabled", False)

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def pause(self) -> None:
        """Stops it from doing anything, its connections included."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        # It goes on for a moment after the signal, long enough for an answer.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def call(self, method: str, *params: object) -> Any:
        """The result of a method.

        Raises:
            AnvilError: there is none.
        """
        body = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        request = urllib.request.Request(  # noqa: S310 - an http URL of our own
            self.http_url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as answer:  # noqa: S310
            reply = json.load(answer)
        if "error" in reply:
            raise AnvilError(f"{method}: {reply['error']}")
        return reply["result"]

    def accounts(self) -> list[str]:
        """Addresses it signs for, each with 10,000 ether at the start."""
        return list(self.call("eth_accounts"))

    def send(
        self,
        sender: str,
        to: str | None,
        *,
        ether: int = 0,
        wei: int = 0,
        data: str = "0x",
        gas: int | None = None,
    ) -> str:
        """Hands in a transaction and gives its hash; `to` None creates a contract.

        With `gas` given, one that will fail is taken too. The same one at the same nonce has
        the same hash.
        """
        transaction = {
            "from": sender,
            "maxFeePerGas": hex(MAX_FEE_WEI),
            "maxPriorityFeePerGas": hex(PRIORITY_FEE_WEI),
            "value": hex(ether * WEI_PER_ETHER + wei),
            "data": data,
            **({} if to is None else {"to": to}),
            **({} if gas is None else {"gas": hex(gas)}),
        }
        return str(self.call("eth_sendTransaction", transaction))

    def mine(self, blocks: int = 1) -> int:
        """Mines blocks, the pending transactions in the first; gives the head's number."""
        for _ in range(blocks):
            self.call("evm_mine")
        return int(self.call("eth_blockNumber"), 16)

    def mine_at(self, timestamp: int) -> dict[str, Any]:
        """Mines the pending transactions into the block of this Unix time, and gives it.

        On the same parent, with the same transactions and time, it is the same block, to
        the hash: left to itself, anvil's base fee would go on from what was rewound.
        """
        self.call("evm_setNextBlockTimestamp", timestamp)
        self.call("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        self.mine()
        return self.head()

    def rewind(self, depth: int) -> None:
        """Takes the newest blocks off the chain; their transactions are gone."""
        self.call("anvil_rollback", depth)

    def reorganise(self, depth: int) -> None:
        """Replaces the newest blocks by as many new ones without any transaction."""
        self.call("anvil_reorg", depth, [])

    def head(self) -> dict[str, Any]:
        """The newest block, with hashes of transactions."""
        return dict(self.call("eth_getBlockByNumber", "latest", False))


@contextmanager
def running(*options: str) -> Iterator[Anvil]:
    """A node of one's own for the length of the block; `options` are anvil's.

    Skips the test where anvil is not installed, or fails it where `REQUIRE_ANVIL` is set.
    """
    program = anvil_program()
    if program is None:
        why = "anvil is not installed: npm install @foundry-rs/anvil, and name it in ANVIL"
        if os.environ.get("REQUIRE_ANVIL"):
            pytest.fail(f"{why} (REQUIRE_ANVIL is set)")
        pytest.skip(why)
    node = Anvil(program, options)
    try:
        yield node
    finally:
        node.kill()


def _port(output: IO[str]) -> int:
    """The port it chose, which it says when it is ready."""
    said: list[str] = []
    for line in output:
        said.append(line)
        if found := re.search(r"Listening on [\d.]+:(\d+)", line):
            return int(found[1])
    raise AnvilError(f"anvil did not start: {''.join(said)[-500:]}")
