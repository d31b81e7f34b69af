"""The code blocks of a document, for tests that run what it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else its fence says, its text, and where it stands."""

    language: str
    said: str
    text: str
    heading: str
    line: int


def blocks(document: str) -> list[Block]:
    """All fenced blocks of a document named from the root of the repository, in order."""
    found: list[Block] = []
    heading, opened, lines = "", None, []
    for number, line in enumerate((ROOT / document).read_text("utf-8").splitlines(), 1):
        if opened is None and (fence := re.fullmatch(r"```(\w+) ?(.*)", line)):
            opened, lines = (fence[1], fence[2], number), []
        elif opened is not None and line == "```":
            language, said, begun = opened
            found.append(Block(language, said, "\n".join(lines), heading, begun))
            opened = None
        elif opened is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    assert opened is None, f"{document}: a block is not closed"
    return found


def dashboard() -> str:
    """The operation that the README shows off."""
    [found] = [block.text for block in blocks("README.md") if block.text.startswith("query Dashboard(")]
    return found
