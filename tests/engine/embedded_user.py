"""A process that uses an embedded server until its standard input ends.

    python embedded_user.py FOLDER [SHARED_COPIES]

Prints one line once it may connect: the server's process number and its socket's folder.
"""

import sys
from pathlib import Path

from typedsql import embedded
from typedsql.embedded import programs
from typedsql.errors import Error

if __name__ == "__main__":
    if len(sys.argv) > 2:
        programs.SHARED_COPIES = Path(sys.argv[2])
    try:
        server = embedded.start(Path(sys.argv[1]), settings={"fsync": "off"})
    except Error as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
    pid = (server.folder / "data" / "postmaster.pid").read_text().split("\n")[0]
    print(pid, server.target().host, flush=True)
    sys.stdin.read()
    server.stop()
