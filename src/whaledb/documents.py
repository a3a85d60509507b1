"""The JSON documents that JSONB columns hold.

Named in pyproject.toml under [tool.typedsql.documents]; the generator writes the
reference into the rows, the engine decodes each document with msgspec.
"""

from typing import Any

JSONObject = dict[str, Any]
"""A JSON object of any shape. Numbers with a fraction or exponent decode to Decimal."""
