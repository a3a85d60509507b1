"""Serve the API: python -m tests.api.app [--host HOST] [--port PORT]."""

import argparse

import uvicorn

GRACE_S = 20
"""How long requests under way may take once the process is told to stop."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.api.app", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    uvicorn.run(
        "tests.api.app:create_app",
        factory=True,
        host=options.host,
        port=options.port,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


if __name__ == "__main__":
    main()
