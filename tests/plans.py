"""What a plan of the server reads, as EXPLAIN tells it in JSON."""

import re
from collections.abc import Iterator
from typing import Any, Final

PARTITION: Final = re.compile(r"_y\d{4}m\d{2}")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def indexes(plan: dict[str, Any]) -> set[str]:
    """Those that the plan uses; the one of a partition by its parent's name."""
    return {PARTITION.sub("", node["Index Name"]) for node in nodes(plan) if "Index Name" in node}
