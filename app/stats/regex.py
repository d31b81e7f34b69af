"""Regular expressions that mean the same on every engine.

The engines share a core and differ around it: `\\b` is a word boundary to RE2 and a backspace to PostgreSQL, `\\w`
knows é on one and not on the other, look-ahead and large bounds exist on one only. So a pattern is read here, refused
if it uses more than the core, and written anew with nothing left to interpretation. The core: literals, `.`, `^`, `$`,
`[…]` with ranges and `^`, `( )`, `(?: )`, `|`, `*`, `+`, `?`, `{m}`, `{m,}`, `{m,n}` and their lazy forms,
`\\d \\w \\s \\D \\W \\S` for ASCII, and `\\` before punctuation.

Both engines are automata without backtracking; `MAX_SIZE` keeps the automaton itself small.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from app.errors import Invalid

MAX_LENGTH: Final = 200
# Characters to match with every counted repetition written out.
MAX_SIZE: Final = 1000
_MAX_BOUND: Final = 255  # PostgreSQL's

_SHORTHANDS: Final = {"d": "0-9", "w": "0-9A-Za-z_", "s": r" \t\n\r\f\v"}
_BOUND: Final = re.compile(r"\{([0-9]{1,3})(,([0-9]{0,3}))?\}")
_QUANTIFIERS: Final = "*+?{"


@dataclass
class _Group:
    """An open group: how it was opened, what it holds, and how large that is."""

    opening: str
    out: list[str] = field(default_factory=list)
    size: int = 0


def portable(pattern: str, name: str = "matches") -> str:
    """The pattern in the form every engine reads alike.

    Raises Invalid, with `name` as the field, for anything beyond the core, beyond MAX_LENGTH characters or MAX_SIZE.
    """
    if len(pattern) > MAX_LENGTH:
        raise Invalid(f"A pattern has at most {MAX_LENGTH} characters", field=name)
    try:
        return _read(pattern)
    except _Refused as reason:
        raise Invalid(f"Pattern: {reason}", field=name) from None


class _Refused(Exception):
    """Why a pattern is refused, in words for its author."""


def _read(pattern: str) -> str:
    groups = [_Group("")]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "(":
            if pattern.startswith("(?", at) and not pattern.startswith("(?:", at):
                raise _Refused("of the groups only ( ) and (?: ) are known")
            at += 3 if pattern.startswith("(?:", at) else 1
            groups.append(_Group("(?:"))
            continue
        if char in "|^$":
            groups[-1].out.append(char)
            at += 1
            continue
        atom, size, at = _atom(pattern, at, groups)
        quantifier, times, at = _quantifier(pattern, at)
        groups[-1].out.append(atom + quantifier)
        groups[-1].size += size * times
        if groups[-1].size > MAX_SIZE:
            raise _Refused("its repetitions are too large")
    if len(groups) > 1:
        raise _Refused("a ( is not closed")
    return "".join(groups[0].out)


def _atom(pattern: str, at: int, groups: list[_Group]) -> tuple[str, int, int]:
    """(text, size, position after it) of what a quantifier may follow."""
    char = pattern[at]
    if char == ")":
        if len(groups) == 1:
            raise _Refused("a ) has no (")
        group = groups.pop()
        return f"{group.opening}{''.join(group.out)})", max(group.size, 1), at + 1
    if char in _QUANTIFIERS:
        raise _Refused(f"{char} has nothing to repeat")
    if char == "[":
        return *_bracket(pattern, at + 1), 1 + at + _bracket_length(pattern, at + 1)  # type: ignore[return-value]
    return "", 0, at
