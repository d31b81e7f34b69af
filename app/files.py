"""What is asked of files in several places."""

from __future__ import annotations

from pathlib import Path


def size(file: Path) -> int:
    """In bytes; 0 for what is not there."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def free_name(file: Path, word: str) -> Path:
    """A name beside a file that is to be set aside: `name.word-1`, or the next number that nothing has."""
    number = 1
    while (aside := file.with_name(f"{file.name}.{word}-{number}")).exists():
        number += 1
    return aside
