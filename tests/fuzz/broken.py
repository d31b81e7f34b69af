"""Breaking what fits: documents by their tokens, bodies by their bytes, requests by their heads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final
from urllib.parse import quote

from tests.fuzz import values
from tests.fuzz.documents import Document
from tests.fuzz.wire import Headers, Request

_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.\.|[$@]?\w+|\S')
_STRANGE: Final = (
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "$",
    "@",
    "!",
    ":",
    "...",
    "&",
    "|",
    "#",
    '"',
    '"""',
    '"\\u0000"',
    '"\\ud800"',
    '"\\u{110000}"',
    "\0",
    "\ufeff",
    "𝕬",
    "1e999",
    "9" * 400,
    "-",
    "1.",
    "00",
    "null",
    "true",
    "NOPE",
    "$nope",
    "@skip",
    "@skip(if: true)",
    "@stream",
    "__typename",
    "__schema { types { name fields { name type { name ofType { name } } } } }",
    '__type(name: "Query") { name }',
    "_entities",
    "on",
    "fragment F0 on Website { id }",
    "query",
    "mutation",
    "subscription",
    "type Query { x: Int }",
    "...F0",
    "... on Nothing { id }",
)


def document(one: Document, chance: Random) -> Document:
    """The document with some of its tokens gone, doubled, exchanged or strange, or with variables that do not fit."""
    breaks: tuple[Callable[[Document, Random], Document], ...] = (_tokens, _tokens, _text, _variables, _huge)
    for _ in range(chance.choice((1, 1, 2))):
        one = chance.choice(breaks)(one, chance)
    return one


def _tokens(one: Document, chance: Random) -> Document:
    tokens = _TOKENS.findall(one.query)
    for _ in range(chance.choice((1, 1, 2, 5))):
        if not tokens:
            break
        at = chance.randrange(len(tokens))
        match chance.randrange(5):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[at])
            case 2:
                other = chance.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens.insert(at, chance.choice(_STRANGE))
            case _:
                tokens[at] = chance.choice((chance.choice(_STRANGE), json.dumps(values.text(chance))))
    return replace(one, query=" ".join(tokens))


def _text(one: Document, chance: Random) -> Document:
    query = one.query
    at = chance.randrange(len(query) + 1)
    match chance.randrange(3):
        case 0:
            query = query[:at]
        case 1:
            query = query[:at] + values.text(chance) + query[at:]
        case _:
            query = query[at:] + query[:at]
    return replace(one, query=query)


def _variables(one: Document, chance: Random) -> Document:
    variables: dict[str, Any] = dict(one.variables)
    for name in list(variables):
        match chance.randrange(4):
            case 0:
                variables[name] = values.anything(chance)
            case 1:
                variables[name] = _inside(variables[name], chance)
            case 2:
                del variables[name]
            case _:
                pass
    variables[values.text(chance)] = values.anything(chance)
    return replace(one, variables=variables)


def _inside(value: Any, chance: Random) -> Any:
    """The value, with something odd at one place in it."""
    if isinstance(value, dict) and value:
        name = chance.choice(list(value))
        return {**value, name: _inside(value[name], chance), **({"x": 1} if chance.random() < 0.2 else {})}
    if isinstance(value, list) and value:
        return [*value[:-1], _inside(value[-1], chance)]
    return chance.choice((values.anything(chance), None, [value], {"a": value}, values.deep(chance)))


def _huge(one: Document, chance: Random) -> Document:
    """Past a limit in one way: depth, length, number of values."""
    levels = chance.choice((20, 200, 2000, 30_000))
    match chance.randrange(6):
        case 0:
            return replace(one, query="{ website(id: 1) " * levels)
        case 1:
            return replace(one, query="{" * levels)
        case 2:
            return replace(one, query=f"query($v: JSON = {'[' * levels}{']' * levels}) {{ version }}")
        case 3:
            return replace(one, query=f'{{ websites(search: "{"x" * levels * 20}") {{ totalCount }} }}')
        case 4:
            return replace(one, query=f"{{ {' '.join(f'a{i}: version' for i in range(levels))} }}")
        case _:
            return replace(one, variables={**one.variables, "v0": [values.text(chance)] * levels})


def body(sent: bytes, chance: Random) -> bytes:
    """Bytes that were JSON."""
    at = chance.randrange(len(sent) + 1)
    match chance.randrange(7):
        case 0:
            return sent[:at]
        case 1:
            return sent[:at] + chance.randbytes(chance.choice((1, 4, 50))) + sent[at:]
        case 2:
            return chance.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b\x08\0", b"  ", b"\0")) + sent
        case 3:
            return chance.choice(values.RAW).encode("utf-8", "surrogatepass")
        case 4:
            return sent + sent
        case 5:
            return sent.decode("utf-8", "replace").encode(
                chance.choice(("utf-16", "utf-32", "utf-7")), "replace"
            )
        case _:
            return b""


HEADERS: Final[Headers] = (
    (b"content-encoding", b"gzip"),
    (b"content-encoding", b"identity, br"),
    (b"content-type", b""),
    (b"content-type", b"text/plain"),
    (b"content-type", b"multipart/form-data; boundary=x"),
    (b"content-type", b"application/x-www-form-urlencoded"),
    (b"content-type", b"application/json; charset=utf-16"),
    (b"content-type", b'application/json; boundary="' + b"x" * 5000),
    (b"accept", b"text/event-stream"),
    (b"accept", b"text/html"),
    (b"accept", b"application/graphql-response+json"),
    (b"accept", b"*/*;q=nan"),
    (b"accept", b"," * 500),
    (b"accept-language", b"\xff\xfe"),
    (b"authorization", b"Bearer"),
    (b"authorization", b"Bearer \xff\xfe"),
    (b"authorization", b"Bearer " + b"x" * 8000),
    (b"authorization", b"Bearer eyJhbGciOiJub25lIn0.e30."),
    (b"authorization", b"Basic YWRtaW46"),
    (b"x-umami-api-key", b"dashi_\xff"),
    (b"x-umami-share-token", b"a.b.c"),
    (b"x-umami-cache", b"a.b.c"),
    (b"x-umami-cache", b"\xff" * 300),
    (b"if-none-match", b'W/"\xff", *'),
    (b"range", b"bytes=0-1,5-"),
    (b"expect", b"200-nothing"),
    (b"x-http-method-override", b"DELETE"),
    (b"x-forwarded-proto", b"https, gopher"),
    (b"x-forwarded-host", b"\xff"),
    (b"x-forwarded-for", b"\xff\xfe, 1.2.3.4"),
    (b"forwarded", b'for="[::1"; for=;;;,=,for'),
    (b"cookie", b"a=\xff; b"),
    (b"x" * 200, b"y"),
    (b"x-empty", b""),
    (b"user-agent", b""),
    (b"user-agent", b"\xff\xc3\x28" * 30),
    (b"user-agent", b"x" * 9000),
)
_METHODS: Final = (b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE")


def request(one: Request, chance: Random) -> Request:
    """The request with an odd head, a broken body, or both."""
    match chance.randrange(6):
        case 0:
            return replace(one, body=body(one.body, chance))
        case 1 | 2:
            return replace(one, headers=(*one.headers, *chance.sample(HEADERS, chance.choice((1, 2, 4)))))
        case 3:
            return replace(one, method=chance.choice(_METHODS))
        case 4:
            return replace(one, chunks=chance.choice((1, 2, 7)))
        case _:
            return replace(one, target=target(one.target, chance))


def target(path: bytes, chance: Random) -> bytes:
    """The path and query with something odd in them; spaces and line ends stay out, which would be another request."""
    odd = values.text(chance)[:3000].encode("utf-8", "surrogatepass")
    if chance.random() < 0.7:
        odd = quote(odd, safe="%;&=+").encode()
    odd = re.sub(rb"[\0-\x20\x7f]", b"_", odd)
    at = chance.randrange(1, len(path) + 1)
    return path[:at] + odd + path[at:]
