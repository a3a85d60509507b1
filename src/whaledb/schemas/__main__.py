"""Prints the JSON Schema of all requests and responses: ``python -m whaledb.schemas``."""

import sys

from whaledb.schemas.json_schema import json_schema_text

if __name__ == "__main__":
    sys.stdout.write(json_schema_text())
