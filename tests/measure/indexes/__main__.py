import sys

from tests.measure.indexes.command import main

if __name__ == "__main__":
    sys.exit(main())
