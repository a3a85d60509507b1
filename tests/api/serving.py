"""The API on a free port of 127.0.0.1, in a thread, with the loop that its database needs."""

import contextlib
import socket
import threading
import time
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI

START_LIMIT_S = 30.0
STOP_LIMIT_S = 30.0
_LOOK_EVERY_S = 0.01


@contextlib.contextmanager
def served(app: FastAPI) -> Generator[str, None, None]:
    """The URL under which it is served while the block runs; stopped as SIGTERM would."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Quiet: the errors that it logs are those of the tests that provoke them.
        config = uvicorn.Config(app, log_level="critical", lifespan="on", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=_run, args=(server, listener), name="api")
        thread.start()
        try:
            _await_start(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STOP_LIMIT_S)
    if thread.is_alive():
        raise RuntimeError("the API did not stop")


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    # How uvicorn says that the application did not start; it is looked at below.
    with contextlib.suppress(SystemExit):
        server.run([listener])


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the API did not start")
        time.sleep(_LOOK_EVERY_S)
