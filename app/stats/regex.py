"""Regular expressions that mean the same on every engine.

The engines share a core and differ around it: `\\b` is a word boundary to RE2 and a backspace to PostgreSQL, look-ahead
and back references exist on one only. What is beyond the core is refused. Both run automata without backtracking, and
`open_scope` has the engine itself try a pattern before it is used.
"""

from __future__ import annotations

import re
from typing import Final

from app.errors import Invalid

MAX_LENGTH: Final = 200

# What lies beyond the core, and what to write instead.
_BEYOND: Final = (
    (re.compile(r"\\[^dDwWsS\W_]|\\_"), "only the escapes \\d \\w \\s and those of punctuation"),
    (re.compile(r"\(\?(?!:)"), "of the groups only ( ) and (?: )"),
    (re.compile(r"[*+?}]\+"), "no possessive repetition"),
    (
        re.compile(r"\{,|\{(2(5[6-9]|[6-9]\d)|[3-9]\d\d|\d{4,})|,(2(5[6-9]|[6-9]\d)|[3-9]\d\d|\d{4,})\}"),
        "counts up to 255",
    ),
    (re.compile(r"\[\[|\[\^?\]"), "no classes by name, and none that begins with ]"),
)


def portable(pattern: str, name: str = "matches") -> str:
    """The pattern, if every engine reads it alike. Raises Invalid, with `name` as the field, if not."""
    if len(pattern) > MAX_LENGTH:
        raise Invalid(f"A regular expression has at most {MAX_LENGTH} characters", field=name)
    plain = pattern.replace("\\\\", "")
    for beyond, allowed in _BEYOND:
        if beyond.search(plain):
            raise Invalid(f"A regular expression may have {allowed}", field=name)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise Invalid(f"Not a regular expression: {error}", field=name) from None
    return pattern
