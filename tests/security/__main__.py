"""The list of numbered cases: the tests that carry each, and what became of them where.

    python -m tests.security [--major 15 --major 18] [--route direct ...] [--json]
    python -m tests.security --list [--json]

Runs the tests that carry a number on a server of its own for each release, two at a time, by each
route. Exits with 1 unless every case has a test and all of them passed by every route on every
release, with 2 where a run could not begin. With --list it runs nothing, and tells only which
tests there are.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tests.security.listing import Listing, as_text, listing
from tests.security.routes import ROUTES, Route
from tests.security.running import RunFailed, recorded, run
from typedsql.errors import Error

MAJORS = (15, 18)
AT_ONCE = 2
"""Releases that are tried at the same time."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.security",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--major", type=int, action="append", help="default: 15 and 18")
    parser.add_argument("--route", action="append", choices=ROUTES, help="default: all")
    parser.add_argument("--list", action="store_true", help="run nothing")
    parser.add_argument("--json", action="store_true", help="the list as JSON")
    options = parser.parse_args(arguments)
    majors: list[int] = list(dict.fromkeys(options.major or MAJORS))
    routes: list[Route] = list(dict.fromkeys(options.route or ROUTES))
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(AT_ONCE) as pool:
        folder = Path(name)
        try:
            if options.list:
                record, _ = recorded(folder / "list.json", {}, "--collect-only")
                return tell(listing({"": record}, []), as_json=options.json)
            runs = [pool.submit(run, major, routes, folder) for major in majors]
            records = [each.result() for each in runs]
        except (Error, RunFailed) as failure:
            print(failure, file=sys.stderr)
            return 2
    made = listing({str(m): record for m, (record, _) in zip(majors, records, strict=True)}, routes)
    if not made.complete:
        for major, (_, printed) in zip(majors, records, strict=True):
            print(f"-- PostgreSQL {major}\n{printed}", file=sys.stderr)
    return tell(made, as_json=options.json)


def tell(made: Listing, *, as_json: bool) -> int:
    """Print the list; 0 where nothing is wrong with it."""
    print(msgspec.json.encode(made).decode() if as_json else as_text(made))
    return 0 if made.complete else 1


if __name__ == "__main__":
    sys.exit(main())
