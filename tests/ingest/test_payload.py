"""What is accepted, what is refused, and in which words (Umami v2 REST behaviour §1.2, §2.1, §2.2)."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Malformed
from app.ingest.payload import Hit, parse_hit

WEBSITE = "765B9d7c-35d0-4c93-a87f-c869a11eabf2"


def event(**payload: Any) -> dict[str, Any]:
    return {"type": "event", "payload": {"website": WEBSITE} | payload}


def problems(body: object) -> list[tuple[str, str]]:
    with pytest.raises(Malformed) as caught:
        parse_hit(body)
    return caught.value.problems


def test_everything_given() -> None:
    body = {
        "type": "identify",
        "payload": {
            "website": WEBSITE,
            "hostname": "example.com",
            "screen": "1920x1080",
            "language": "en-US",
            "title": "Home",
            "url": "/p?q=1",
            "referrer": "https://x.org/",
            "name": "signup",
            "data": {"plan": "pro"},
            "tag": "a",
            "id": "user-1",
            "ip": "8.8.8.8",
            "userAgent": "Mozilla/5.0",
            "timestamp": 1_762_768_800,
            "unknown": None,
        },
        "unknown": 1,
    }
    assert parse_hit(body) == Hit(
        kind="identify",
        website=WEBSITE,
        website_id=UUID(WEBSITE),
        url="/p?q=1",
        referrer="https://x.org/",
        hostname="example.com",
        language="en-US",
        screen="1920x1080",
        title="Home",
        name="signup",
        tag="a",
        data={"plan": "pro"},
        ip="8.8.8.8",
        user_agent="Mozilla/5.0",
        timestamp=1_762_768_800,
        distinct_id="user-1",
    )


def test_nothing_but_the_website_given() -> None:
    assert parse_hit(event()) == Hit(
        kind="event",
        website=WEBSITE,
        website_id=UUID(WEBSITE),
        url="/undefined",
        referrer="",
        hostname="",
        language="",
        screen="",
        title="",
        name="",
        tag="",
        data=None,
        ip="",
        user_agent=None,
        timestamp=None,
        distinct_id="",
    )


def test_an_empty_url_is_the_root_and_an_empty_agent_none() -> None:
    hit = parse_hit(event(url="", userAgent="", data={}))
    assert (hit.url, hit.user_agent, hit.data) == ("", None, {})


@pytest.mark.parametrize("body", [None, [], "x", 1, True, [event()]])
def test_a_body_that_is_no_object_has_no_field_to_name(body: object) -> None:
    assert problems(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("type", "Required"), ("payload", "Required")]),
        ({"payload": {"website": WEBSITE}}, [("type", "Required")]),
        ({"payload": {}}, [("type", "Required"), ("payload", "")]),
        ({"type": "event"}, [("payload", "Required")]),
        ({"type": "event", "payload": None}, [("payload", "Expected object, received null")]),
        ({"type": "event", "payload": "x"}, [("payload", "Expected object, received string")]),
        ({"type": "event", "payload": []}, [("payload", "Expected object, received array")]),
        ({"type": "event", "payload": 1.5}, [("payload", "Expected object, received number")]),
        ({"type": "event", "payload": True}, [("payload", "Expected object, received boolean")]),
        (
            event() | {"type": "x\ud800"},
            [("type", "Invalid enum value. Expected 'event' | 'identify', received 'x\ufffd'")],
        ),
        (event() | {"type": None}, [("type", "Expected 'event' | 'identify', received null")]),
        (event() | {"type": ["event"]}, [("type", "Expected 'event' | 'identify', received array")]),
        (event() | {"type": {}}, [("type", "Expected 'event' | 'identify', received object")]),
    ],
)
def test_problems_of_the_two_fields(body: object, expected: list[tuple[str, str]]) -> None:
    assert problems(body) == expected


FIELDS = (
    "website",
    "url",
    "referrer",
    "hostname",
    "language",
    "screen",
    "title",
    "name",
    "tag",
    "data",
    "ip",
)
ALL_FIELDS = (*FIELDS, "userAgent", "timestamp", "id")


@pytest.mark.parametrize("field", ALL_FIELDS)
@pytest.mark.parametrize("value", [None, True, [], ["x"]])
def test_null_and_wrong_types_are_refused_everywhere(field: str, value: Any) -> None:
    assert problems(event(**{field: value})) == [("payload", "")]


@pytest.mark.parametrize("field", [name for name in ALL_FIELDS if name not in ("data", "timestamp")])
@pytest.mark.parametrize("value", [1, {}])
def test_texts_must_be_texts(field: str, value: Any) -> None:
    assert problems(event(**{field: value})) == [("payload", "")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("website", ""),
        ("website", WEBSITE.replace("-", "")),
        ("website", f"{{{WEBSITE}}}"),
        ("website", f"{WEBSITE}\n"),
        ("website", f"\0{WEBSITE}"),
        ("website", "g" + WEBSITE[1:]),
        ("url", "//"),
        ("url", "http://h:99999/"),
        ("url", "https://exa mple.org/"),
        ("referrer", "https://"),
        ("ip", ""),
        ("ip", "1.2.3"),
        ("ip", "1.2.3.256"),
        ("ip", "01.2.3.4"),
        ("ip", "1.2.3.4/32"),
        ("ip", "fe80::1%eth0"),
        ("ip", "[::1]"),
        ("data", "x"),
        ("data", 1),
        ("timestamp", ""),
        ("timestamp", " "),
        ("timestamp", "x"),
        ("timestamp", "1.5"),
        ("timestamp", 1.5),
        ("timestamp", -1),
        ("timestamp", 4_102_444_800),
        ("timestamp", 10**400),
        ("timestamp", math.nan),
        ("timestamp", math.inf),
        ("timestamp", {}),
    ],
)
def test_refused_values(field: str, value: Any) -> None:
    assert problems(event(**{field: value})) == [("payload", "")]


@pytest.mark.parametrize(
    ("field", "limit"), [("hostname", 100), ("language", 35), ("screen", 11), ("name", 50), ("tag", 50)]
)
def test_lengths_are_limited(field: str, limit: int) -> None:
    longest = "é" * limit
    assert getattr(parse_hit(event(**{field: longest})), field) == longest
    assert problems(event(**{field: longest + "x"})) == [("payload", "")]
    # An emoji is two units of UTF-16, in which the reference counts.
    emoji = "😀" * (limit // 2)
    assert getattr(parse_hit(event(**{field: emoji})), field) == emoji
    assert problems(event(**{field: emoji + "😀"})) == [("payload", "")]


def test_titles_ids_and_agents_have_no_limit() -> None:
    hit = parse_hit(event(title="t" * 9999, id="i" * 9999, userAgent="u" * 9999))
    assert (len(hit.title), len(hit.distinct_id), len(hit.user_agent or "")) == (9999, 9999, 9999)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (1_762_768_800.0, 1_762_768_800), ("1762768800", 1_762_768_800), ("1e9", 10**9), ("12.0", 12),
     (4_102_444_799, 4_102_444_799)],
)  # fmt: skip
def test_timestamps(value: Any, seconds: int) -> None:
    timestamp = parse_hit(event(timestamp=value)).timestamp
    assert timestamp == seconds
    assert type(timestamp) is int


@pytest.mark.parametrize("ip", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:1.2.3.4", "::1"])
def test_ips_are_kept_as_sent(ip: str) -> None:
    assert parse_hit(event(ip=ip)).ip == ip


def test_any_version_of_uuid_is_a_website() -> None:
    hit = parse_hit({"type": "event", "payload": {"website": "00000000-0000-0000-0000-000000000000"}})
    assert hit.website_id == UUID(int=0)


def test_what_no_store_takes_is_removed() -> None:
    hit = parse_hit(event(name="a\0b", title="\ud83d", id="\ud83d\ude00", url="/\udc00"))
    assert (hit.name, hit.title, hit.distinct_id, hit.url) == ("ab", "\ufffd", "😀", "/\ufffd")


def test_data_that_too_large_is_refused() -> None:
    data: dict[str, Any] = {}
    for _ in range(63):
        data = {"a": data}
    assert parse_hit(event(data=data)).data == data
    assert problems(event(data={"a": data})) == [("payload", "")]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(ALL_FIELDS), ANY_JSON), ANY_JSON)
def test_anything_is_either_read_or_malformed(payload: dict[str, Any], kind: object) -> None:
    for body in (event(**payload), {"type": kind, "payload": payload}, {"type": "event", "payload": kind}):
        fields, words = outcome(body)
        assert fields <= {"type", "payload"}
        assert words.encode().decode() == words


def outcome(body: object) -> tuple[set[str], str]:
    """The fields at fault, and all words that go back out or into a store."""
    try:
        hit = parse_hit(body)
    except Malformed as refusal:
        return {field for field, _ in refusal.problems}, "".join(text for _, text in refusal.problems)
    return set(), hit.url + hit.referrer + hit.hostname + hit.title + hit.name + hit.distinct_id
