"""Hypothesis strategies: bodies of `POST /api/send` and `/api/batch`, and the requests that carry them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz import values
from tests.fuzz.broken import HEADERS
from tests.fuzz.wire import Headers, Request
from tests.populate import ANDROID, CHROME, IPHONE

HUGE: Final = 10 << 20
_MOST_IN_A_BATCH: Final = 10_000


def _limited(limit: int) -> SearchStrategy[str]:
    """Texts one UTF-16 unit below, at and above a limit."""

    def fit(filler: str, more: int) -> str:
        units = len(filler.encode("utf-16-le", "surrogatepass")) // 2
        return filler * ((limit + more) // units) + "x" * ((limit + more) % units)

    return st.builds(fit, st.sampled_from(("x", "é", "😀", "\ud800", "%41")), st.sampled_from((-1, 0, 1)))


def _text(*limits: int) -> SearchStrategy[str]:
    anything = st.text(st.characters(exclude_categories=()), max_size=20)  # half pairs and NUL included
    return st.one_of(st.sampled_from(values.TEXTS), anything, *map(_limited, limits))


_numbers = st.one_of(
    st.sampled_from(values.NUMBERS), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)
_leaves = st.one_of(st.none(), st.booleans(), _numbers, _text(500), st.sampled_from(values.TIMES))
_keys = st.one_of(
    st.sampled_from(("a", "b", "a.b", "a.b.c", "", ".", "revenue", "currency", "x" * 501)), _text(500)
)
_json = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=8,
)


def _nested(levels: int) -> dict[str, Any]:
    one: dict[str, Any] = {"leaf": 1}
    for _ in range(levels - 1):
        one = {"n": one}
    return one


def _wide(count: int) -> dict[str, Any]:
    return {f"k{i}": i for i in range(count)}


_data = st.one_of(
    st.dictionaries(_keys, _json, max_size=6),
    st.fixed_dictionaries(
        {
            "revenue": st.one_of(
                _numbers, _text(), st.sampled_from(("12.34", "1e400", "-5", " 7 ", "999999999999999.99995"))
            )
        },
        optional={"currency": st.one_of(st.sampled_from(("USD", "usd", "", "\0", "x" * 101)), _text(100))},
    ),
    st.sampled_from((1, 63, 64, 65, 200)).map(_nested),
    st.sampled_from((999, 1000, 1001)).map(_wide),
    st.sampled_from(
        [
            {"a": {"b": 1}, "a.b": 2},
            {"": {"": {"": 1}}},
            {"x" * 499: {"y" * 499: 1, "z": 2}},
            {"l": [[]] * 1000},
        ]
    ),
    _json,
)
_times = st.one_of(
    st.sampled_from(
        (
            0,
            1,
            1_762_768_800,
            4_102_444_799,
            4_102_444_800,
            1_762_768_800_000,
            -1,
            1.5,
            1e308,
            "12",
            " 12 ",
            "1e3",
        )
    ),
    st.integers(0, 4_102_444_799),
    _numbers,
)
_addresses = st.one_of(st.sampled_from(values.ADDRESSES), st.ip_addresses().map(str))
_agents = st.one_of(st.sampled_from((CHROME, IPHONE, ANDROID, "", "curl/8", "Googlebot/2.1")), _text(500))
# Field of a payload → values at its edges. All of them may be of another type altogether.
FIELDS: Final[Mapping[str, SearchStrategy[Any]]] = {
    "url": st.one_of(st.sampled_from(values.URLS), _text(500).map(lambda text: f"/{text}"), _text()),
    "referrer": st.one_of(
        st.sampled_from(values.URLS), _text(500).map(lambda text: f"https://a.example/{text}")
    ),
    "hostname": st.one_of(
        _text(100), st.sampled_from(("EXAMPLE.com", "[::1]", "a b", "xn--", "example.com:80", "%00"))
    ),
    "language": _text(35),
    "screen": st.one_of(
        _text(11), st.sampled_from(("1920x1080", "0x0", "-1x-1", "1e9x1", "99999x99999", "x", "1920"))
    ),
    "title": _text(500),
    "name": _text(50),
    "tag": _text(50),
    "id": _text(50, 500),
    "data": _data,
    "ip": _addresses,
    "userAgent": _agents,
    "timestamp": _times,
    "website": st.sampled_from(("", values.NIL, "nope", None, 5)),
    "unknown": _json,
}


@st.composite
def hit(draw: DrawFn, website: str) -> dict[str, Any]:
    """One hit, up to three of its fields odd; about half of them are taken."""
    payload: dict[str, Any] = {
        "website": website,
        "url": "/p",
        "hostname": "example.com",
        "screen": "1920x1080",
    }
    if draw(st.integers(0, 2)) == 0:
        payload["name"] = "named"
    for name in draw(st.lists(st.sampled_from(list(FIELDS)), max_size=3, unique=True)):
        odd = draw(st.integers(0, 30)) == 0
        payload[name] = draw(_json if odd else FIELDS[name])
    kind = draw(st.sampled_from(("event",) * 22 + ("identify",) * 6 + ("", "Event", None, [], 5)))
    return {"type": kind, "payload": payload}


def spelled(value: Any) -> SearchStrategy[bytes]:
    """The value as JSON: escaped, or as UTF-8 in which half pairs are bytes that are none."""
    return st.sampled_from(
        (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    )


_IP_HEADERS: Final = (
    "cf-connecting-ip",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "true-client-ip",
    "x-client-ip",
)
_PLACES: Final = ("cf-ipcountry", "cf-region-code", "cf-ipcity", "x-vercel-ip-country", "x-vercel-ip-city")
_values = st.one_of(
    st.binary(max_size=30),
    _text(20, 50).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from((b"US", b"%C3%A9", b"%00", b"%zz", b"\xc3\xa9", b"\xff", b"T1", b"D\0E")),
).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b""))
_forwarded = _addresses.flatmap(
    lambda ip: st.sampled_from(
        (ip, f"{ip}, 10.0.0.1", f'for="{ip}";proto=https', f"for={ip}", f"[{ip}]:80", f"{ip}%eth0")
    )
).map(lambda text: text.replace("\0", "").encode("utf-8"))
_header = st.one_of(
    st.sampled_from(HEADERS),
    st.tuples(st.sampled_from(_IP_HEADERS).map(str.encode), _forwarded),
    st.tuples(st.sampled_from(_PLACES).map(str.encode), _values),
)


@st.composite
def headers(draw: DrawFn) -> Headers:
    agent = (b"user-agent", draw(st.sampled_from((CHROME, IPHONE, ANDROID))).encode())
    return (agent, *draw(st.lists(_header, max_size=3)))


@st.composite
def body(draw: DrawFn, website: str) -> bytes:
    """A body of `/api/send`: two of three are JSON that may be taken, the others are broken in one way."""
    one = draw(hit(website))
    sent = draw(spelled(one))
    match draw(st.sampled_from(range(20, -1, -1))):
        case 0:
            name = draw(st.sampled_from(list(FIELDS)))
            one["payload"][name] = values.HOLE
            return values.with_raw(
                one, draw(st.sampled_from(range(len(values.RAW))).map(values.RAW.__getitem__))
            )
        case 1:
            return draw(st.sampled_from(range(len(values.RAW))).map(values.RAW.__getitem__)).encode(
                "utf-8", "surrogatepass"
            )
        case 2:
            at = draw(st.integers(0, len(sent)))
            return sent[:at] + draw(st.binary(max_size=8)) + sent[at:]
        case 3:
            return sent[: draw(st.integers(0, len(sent)))]
        case 4:
            # Twice the same key: the last one counts, as in browsers.
            twice = f'{{"payload":{{"website":5}},"type":"nope",{json.dumps(one)[1:]}'
            return twice.encode()
        case 5:
            return draw(st.sampled_from((b"\xef\xbb\xbf", b" \n\t", b"\0", b"\xff\xfe"))) + sent
        case 6:
            return gzip.compress(sent, mtime=0)
        case 7:
            one["payload"]["data"] = {"k": "\ud83d", "\udc00": "x"}
            return json.dumps(one).encode()
    return sent


@st.composite
def send(draw: DrawFn, website: str) -> Request:
    """A request to `/api/send`; one of a hundred is ten megabytes large."""
    request = Request(
        b"POST",
        b"/api/send",
        (
            *draw(headers()),
            (b"content-type", draw(st.sampled_from((b"application/json", b"text/plain", b"")))),
        ),
        draw(body(website)),
    )
    form = draw(st.sampled_from(range(100)))
    if form == 99:
        request = replace(request, body=draw(_huge(website)))
    if form > 93:
        request = replace(request, chunks=draw(st.sampled_from((1, 3, 200))))
    if form in (90, 91, 92, 93, 94):
        request = replace(request, headers=(*request.headers, (b"content-encoding", b"gzip")))
    return request


# What a body of ten megabytes is filled with: before, again and again, after.
_FILLINGS: Final = (
    ('"', "x", '"'),
    ("", "[", ""),
    ("", '{"a":', ""),
    ("", " ", "1"),
    ("", "9", ""),
    ('"', "\\ud800", '"'),
)


@st.composite
def _huge(draw: DrawFn, website: str) -> bytes:
    before, again, after = draw(st.sampled_from(_FILLINGS))
    payload = {"website": website, "url": "/", "title": values.HOLE}
    filled = before + again * (HUGE // len(again)) + after
    return values.with_raw({"type": "event", "payload": payload}, filled)


@st.composite
def batch(draw: DrawFn, website: str) -> Request:
    """A request to `/api/batch`: mostly a few hits, seldom as many as may be or one more, or no list at all."""
    form = draw(st.sampled_from(range(60)))
    if form == 59:
        plain = {"type": "event", "payload": {"website": website, "url": "/many", "name": "many"}}
        count = draw(st.sampled_from((0, 1000, _MOST_IN_A_BATCH + 1)))
        sent: Any = [plain] * count
    elif form == 58:
        sent = draw(_json)
    else:
        sent = draw(st.lists(st.one_of(hit(website), hit(website), hit(website), _json), max_size=8))
    return Request(b"POST", b"/api/batch", draw(headers()), draw(spelled(sent)))
