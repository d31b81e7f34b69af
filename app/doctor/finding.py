"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it stands: well; to be looked at some time; or not as it must be."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, and what to do where it does not stand well."""

    name: str
    level: Level
    text: str
    advice: str = ""


def ok(name: str, text: str) -> Finding:
    return Finding(name, Level.OK, text)


def warning(name: str, text: str, advice: str) -> Finding:
    return Finding(name, Level.WARNING, text, advice)


def problem(name: str, text: str, advice: str) -> Finding:
    return Finding(name, Level.PROBLEM, text, advice)


def amount(size: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    if size < 1024:
        return f"{size:.0f} bytes"
    power = min(4, (int(size).bit_length() - 1) // 10)
    return f"{size / 1024**power:.1f} {'KMGT'[power - 1]}iB"
