"""python -m tests.benchmarks: see README.md in this folder."""

import sys

from tests.benchmarks.command import main

if __name__ == "__main__":
    sys.exit(main())
