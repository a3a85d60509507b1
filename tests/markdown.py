"""The code blocks of a Markdown file, so that they can be run as they stand.

The first word after the fence is the language, the second one says what the block is: the
file that it belongs to, or a name. To print a block by its name, with any Python 3.11:

    python3 -m tests.markdown README.md quickstart
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```(?P<language>\w+)(?: +(?P<label>\S+))?\n(?P<text>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """One code block; `label` is empty where the fence says only the language."""

    language: str
    label: str
    text: str
    line: int


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a file in their order.

    Raises ValueError where one is not fenced as this module reads it: it would never run.
    """
    content = path.read_text("utf-8")
    found = [
        Block(
            block["language"],
            block["label"] or "",
            block["text"],
            content.count("\n", 0, block.start()) + 1,
        )
        for block in _BLOCK.finditer(content)
    ]
    fences = len(re.findall(r"^\s*(?:```|~~~)", content, re.M))
    if fences != 2 * len(found):
        raise ValueError(f"{path.name}: a code block has no language, or is not closed")
    return found


def block_named(path: Path, label: str) -> Block:
    """The one block of that name."""
    (block,) = (block for block in blocks_of(path) if block.label == label)
    return block


if __name__ == "__main__":
    print(block_named(Path(sys.argv[1]), sys.argv[2]).text, end="")
