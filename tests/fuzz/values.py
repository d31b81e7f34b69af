"""Values at the edges: of texts, numbers, times, zones, addresses and JSON. All fuzzers draw from these tables."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

NIL: Final = "00000000-0000-0000-0000-000000000000"

TEXTS: Final[tuple[str, ...]] = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",  # the first half of a pair
    "x\udfffy",  # the second
    "\ud83d\ude00",  # both, each for itself: JSON spells 😀 so
    "😀",
    "é",
    "e\u0301",
    "\u202etxet",
    "\ufeffx",
    "\ufffe\uffff",
    "\U0010ffff",
    "\x01\x1b[31m\x7f\x85",
    "\u2028\u2029",
    "\r\nset-cookie: x=1",
    "%",
    "%_\\",
    "%00",
    "%zz%f",
    "%c3%28",
    "%ed%a0%80",  # a half pair in UTF-8
    "'; DROP TABLE event; --",
    '"',
    "\\",
    "\\ud800",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "=1+1",
    "../../etc/passwd",
    "null",
    "undefined",
    "NaN",
    "true",
    "0",
    "-1",
    "1e400",
    "9" * 5000,
    "0x" + "f" * 400,
    "x" * 20_000,
    "İıſK",  # case folding changes their length or leads to ASCII
    "(" * 200,
    "[" * 200,
    "(a+)+$",
    "(a{1,255}){1,255}",
    "a{1000}",
    "\\b\\1(?=x)",
    ".*" * 99,
    "~x",
    "!~x",
    "!",
    ",,,,,,",
)
# Of each field that has a limit in UTF-16 units.
LIMITS: Final = (11, 35, 50, 64, 72, 100, 200, 255, 500)
_FILLERS: Final = ("x", "é", "😀", "\ud800", "%41")

NUMBERS: Final[tuple[Any, ...]] = (
    0,
    -0.0,
    1,
    -1,
    0.1,
    1.00005,
    1e-7,
    1e15,
    999_999_999_999_999.9,
    1e21,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    5e-324,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**53,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    10**400,
    True,
    "1",
    " 1 ",
    "1e3",
    "0x10",
    "0b2",
    "١",  # an Arabic digit
    "1_000",
    "Infinity",
)
TIMES: Final[tuple[str, ...]] = (
    "1970-01-01",
    "0001-01-01",
    "9999-12-31",
    "0000-01-01",
    "10000-01-01",
    "-0001-01-01",
    "2026-02-30",
    "2026-13-01",
    "2024-02-29T24:00:00Z",
    "2026-03-29T02:30:00",
    "2026-11-10T10:00:00.123456789Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-11-10T10:00:00+99:99",
    "2026-W46-2",
    "20261110",
    "2026-11-10T10:00:60Z",
    "١٩٧٠-٠١-٠١",
    "now",
    "",
    "\0",
)
ZONES: Final[tuple[str, ...]] = (
    "UTC",
    "utc",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "America/St_Johns",
    "Africa/Monrovia",  # offset of -0:44:30 until 1972
    "",
    "/etc/passwd",
    "../Europe/Berlin",
    "Europe/../Europe/Berlin",
    "Mars/Olympus",
    "\0",
    "Factory",
    "posixrules",
    "localtime",
    "+02:00",
    "x" * 5000,
)
ADDRESSES: Final[tuple[str, ...]] = (
    "8.8.8.8",
    "8.8.8.8:443",
    "08.8.8.8",
    "0x8.8.8.8",
    "134744072",
    "256.1.1.1",
    "1.2.3",
    "::",
    "::1",
    "[::1]",
    "[::1]:80",
    "[::1",
    "2001:db8::1",
    "2001:DB8:0:0:0:0:0:1",
    "::ffff:8.8.8.8",
    "::ffff:0808:0808",
    "64:ff9b::808:808",
    "fe80::1%eth0",
    "fe80::1%25eth0",
    "[fe80::1%eth0]:80",
    "fe80::%",
    "1:2:3:4:5:6:7:8:9",
    ":::",
    "::ffff:256.1.1.1",
    "2001:db8::1/64",
    "unknown",
    "_hidden",
    "",
    " 8.8.8.8 ",
    "8.8.8.8\0",
    "١.٢.٣.٤",
    "8" * 5000,
)
URLS: Final[tuple[str, ...]] = (
    "/",
    "",
    " ",
    "#",
    "?",
    "//",
    "///",
    "\\\\host\\share",
    "/a/../b/./c",
    "/%2e%2e/%2E/x",
    "/a%00b",
    "/a\0b?c\0d#e\0f",
    "/%ff%fe",
    "/%zz",
    "/%",
    "/%c3%a9/é",
    "/\ud800",
    "/x?utm_source=%00&utm_medium=%ff&utm_campaign=%zz",
    "/x?utm_source=\ud800",
    "/x?utm_source=a&utm_source=b&utm_term",
    "/x?" + "utm_source=" + "s" * 255,
    "/x?" + "utm_source=" + "s" * 256,
    "/x?gclid=%F0%9F%98%80&fbclid=%F0%9F",
    "/x?" + "&".join(f"k{i}" for i in range(2000)),
    "/" + "x" * 499,
    "/" + "x" * 500,
    "/" + "x" * 498 + "😀",
    "/" + "x" * 20_000,
    "/" + "%41" * 400,
    "https://example.com",
    "https://www.example.com/p?q#f",
    "HTTPS://EXAMPLE.COM/",
    "http://[::1]:80/",
    "http://[::ffff:1.2.3.4]/",
    "http://[fe80::1%25eth0]/",
    "http://[::1/",
    "http://a:0/",
    "http://a:99999/",
    "http://user:secret@host/",
    "http://0x7f.1/",
    "http://1.2.3.4.5/",
    "http://a b/",
    "http://a\0b/",
    "http://xn--/",
    "http://xn--a.b/",
    "http://bücher.example/",
    "http://" + "a" * 300 + ".example/",
    "http://",
    "http:",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "about:blank",
    "blob:https://x/y",
    "android-app://com.example",
    "\t/tab\n/line",
)


def text(chance: Random) -> str:
    """An odd text, or one at some limit or one past it."""
    if chance.random() < 0.3:
        return at_limit(chance, chance.choice(LIMITS))
    return chance.choice(TEXTS)


def at_limit(chance: Random, limit: int) -> str:
    """A text one unit below, at or above a limit."""
    filler = chance.choice(_FILLERS)
    wanted = limit + chance.choice((-1, 0, 0, 1, 1))
    units = len(filler.encode("utf-16-le", "surrogatepass")) // 2
    return filler * (wanted // units) + "x" * (wanted % units)


def anything(chance: Random, depth: int = 3) -> Any:
    """Any JSON value."""
    kind = chance.randrange(8)
    if kind == 0:
        return None
    if kind < 3:
        return chance.choice(NUMBERS)
    if kind < 5 or not depth:
        return chance.choice((text(chance), chance.choice(TIMES), chance.choice(ADDRESSES)))
    if kind < 6:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {text(chance): anything(chance, depth - 1) for _ in range(chance.randrange(4))}


def deep(chance: Random) -> Any:
    """Lists or objects in each other, around the depths at which parsers and printers give up."""
    levels = chance.choice((63, 64, 65, 254, 255, 256, 400))
    nested: Any = chance.choice(({}, [], 1))
    objects = chance.random() < 0.5
    for _ in range(levels):
        nested = {"a": nested} if objects else [nested]
    return nested


# JSON that no parser's value can spell: (text, what is odd about it).
RAW: Final[tuple[str, ...]] = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "-0",
    "1" + "0" * 400,
    "1" * 5000,
    "0." + "0" * 5000 + "1",
    "01",
    "1.",
    ".5",
    "+1",
    "'x'",
    "tru",
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\x"',
    '"\t"',
    '{"a":1,"a":2}',
    '{"a":1,}',
    "[1,]",
    "/**/1",
    "[" * 1024 + "]" * 1024,
    "[" * 1025 + "]" * 1025,
    '{"a":' * 990 + "1" + "}" * 990,
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 100_000 + "1" + "}" * 100_000,
    "[" * 100_000,
)
_HOLE: Final = "\ue000hole\ue000"


def spelled(value: Any, chance: Random) -> bytes:
    """A value as JSON: with escapes, or as UTF-8 in which half pairs are bytes that are none."""
    if chance.random() < 0.5:
        return json.dumps(value).encode()
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def with_raw(value: Any, raw: str) -> bytes:
    """A value as JSON, each `HOLE` in it replaced by a text that need not be JSON."""
    return json.dumps(value).replace(json.dumps(_HOLE), raw).encode()


HOLE: Final = _HOLE
