"""Regular expressions that mean the same on every engine.

The engines share a core and differ around it: `\\b` is a word boundary to RE2 and a backspace to PostgreSQL, `\\w`
knows é on one and not on the other, look-ahead and large bounds exist on one only. So a pattern is read here, refused
if it uses more than the core, and written anew with nothing left to interpretation. The core: literals, `.`, `^`, `$`,
`[…]` with ranges, `( )`, `(?: )`, `|`, `*`, `+`, `?`, `{m}`, `{m,}`, `{m,n}` and their lazy forms, `\\d \\w \\s` and
`\\D \\W \\S` for ASCII, and `\\` before any other sign.

Both engines are automata, so no pattern takes exponential time; MAX_SIZE keeps the automaton itself small.
"""

from __future__ import annotations

import re
import string
from typing import Final

from app.errors import Invalid

MAX_LENGTH: Final = 200
# Characters to match once every counted repetition is written out. PostgreSQL takes 0.05 s to compile the worst
# pattern of this size and 2.4 s for one of 625.
MAX_SIZE: Final = 255
_MAX_BOUND: Final = 255  # PostgreSQL's

_SIGNS: Final = frozenset(string.punctuation) - {"_"}  # RE2 refuses an escaped underscore
_SHORTHANDS: Final = {"d": "0-9", "w": "0-9A-Z_a-z", "s": r"\t\n\v\f\r "}

_ITEM: Final = r"\\[dws]|\\[^0-9A-Za-z\x80-\U0010ffff]|[^\[\]\\]"
_ITEMS: Final = re.compile(_ITEM, re.DOTALL)
_TOKEN: Final = re.compile(
    rf"""(?P<open>\((?:\?:)?(?!\?))
    |(?P<close>\))
    |(?P<edge>[|^$])
    |(?P<any>\.)
    |(?P<set>\[\^?(?:{_ITEM})+\])
    |(?P<quantifier>(?:[*+?]|\{{(?P<least>[0-9]{{1,3}})(?P<comma>,(?P<most>[0-9]{{0,3}}))?\}})\??)
    |\\(?P<shorthand>[dwsDWS])
    |\\(?P<escaped>[^0-9A-Za-z\x80-\U0010ffff])
    |(?P<literal>[^()\[\]{{}}|^$*+?.\\])
    """,
    re.VERBOSE | re.DOTALL,
)


class _Refused(Exception):
    """Why a pattern is refused, in words for its author."""


def portable(pattern: str, field: str) -> str:
    """The pattern in a form that every engine reads alike.

    Raises Invalid, naming the field, for what is not of the core or larger than MAX_LENGTH and MAX_SIZE allow.
    """
    try:
        if len(pattern) > MAX_LENGTH:
            raise _Refused(f"at most {MAX_LENGTH} characters are allowed")
        return _written_anew(pattern)
    except _Refused as reason:
        raise Invalid(f"Pattern: {reason}", field=field) from None


def _written_anew(pattern: str) -> str:
    out: list[str] = []
    sizes = [0]  # of the open groups, outermost first
    repeatable = 0  # size of the atom that a quantifier here would repeat; 0 if there is none
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            raise _Refused(f"{pattern[at : at + 2]!r} at {at + 1} is not understood")
        kind, text, at = token.lastgroup or "", token[0], token.end()
        if kind == "quantifier":
            if not repeatable:
                raise _Refused(f"{text!r} has nothing to repeat")
            sizes[-1] += repeatable * (_times(token) - 1)
            repeatable = 0
        elif kind == "open":
            text = "(?:"
            sizes.append(0)
            repeatable = 0
        elif kind == "close":
            if len(sizes) == 1:
                raise _Refused("a ) has no (")
            repeatable = max(sizes.pop(), 1)
            sizes[-1] += repeatable
        elif kind == "edge":
            sizes[-1] += 1  # repeated in a group, edges cost as characters do
            repeatable = 0
        else:
            text = _atom(kind, token)
            sizes[-1] += 1
            repeatable = 1
        if sizes[-1] > MAX_SIZE:
            raise _Refused("its repetitions are too large")
        out.append(text)
    if len(sizes) > 1:
        raise _Refused("a ( is not closed")
    return "".join(out)


def _times(token: re.Match[str]) -> int:
    """How often a quantifier repeats, as far as the automaton's size is concerned."""
    if token["least"] is None:
        return 1
    least = int(token["least"])
    most = int(token["most"]) if token["most"] else least
    if not least <= most <= _MAX_BOUND:
        raise _Refused(f"{token[0]!r} needs bounds in order, up to {_MAX_BOUND}")
    return max(most, 1) + (token["comma"] is not None and not token["most"])


def _atom(kind: str, token: re.Match[str]) -> str:
    if kind == "set":
        return _set(token["set"][1:-1])
    if kind == "shorthand":
        letter = token["shorthand"]
        return f"[{'^' if letter.isupper() else ''}{_SHORTHANDS[letter.lower()]}]"
    return "." if kind == "any" else _plain(token[kind])


def _set(inside: str) -> str:
    negated = inside.startswith("^")
    items = _ITEMS.findall(inside[negated:])
    if not items:  # "[^]": engines disagree whether the bracket closes or is a member
        raise _Refused("a set is empty")
    out: list[str] = []
    at = 0
    while at < len(items):
        if items[at][0] == "\\" and items[at][1:] in _SHORTHANDS:
            out.append(_SHORTHANDS[items[at][1:]])
        elif at + 2 < len(items) and items[at + 1] == "-":
            first, last = items[at][-1], items[at + 2][-1]
            if items[at + 2][1:] in _SHORTHANDS or first > last:
                raise _Refused(f"{''.join(items[at : at + 3])!r} is no range")
            out.append(f"{_plain(first)}-{_plain(last)}")
            at += 2
        else:
            out.append(_plain(items[at][-1]))
        at += 1
    return f"[{'^' if negated else ''}{''.join(out)}]"


def _plain(char: str) -> str:
    return "\\" + char if char in _SIGNS else char
