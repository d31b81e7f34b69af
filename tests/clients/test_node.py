"""`@umami/node` 0.4.0: what a server's program sends without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.conftest import Running
from tests.clients.like import A_JWT, AN_ID
from tests.populate import IPHONE
from tests.server import Server

SENT = {"status": 200, "data": {"cache": A_JWT, "sessionId": AN_ID, "visitId": AN_ID}}


@pytest.fixture(scope="module")
def node(run_npm: Callable[..., Running]) -> Running:
    return run_npm("node")


@pytest.fixture
def site(live: Server, node: Running) -> str:
    """A fresh website that the client is set up for, knowing nobody's properties."""
    made = live.create_website()
    node.call("init", {"hostUrl": live.url, "websiteId": made, "userAgent": ""})
    node.call("reset")
    return made


def stored(live: Server, site: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in live.events(site)]


def test_a_page_view(live: Server, node: Running, site: str) -> None:
    sent = node.call(
        "track",
        {
            "url": "/home?utm_source=news",
            "title": "Home",
            "hostname": "www.example.com",
            "language": "de-AT",
            "screen": "1920x1080",
            "referrer": "https://t.co/x",
        },
    )
    assert sent == SENT
    columns = ("url_path", "url_query", "utm_source", "page_title", "hostname", "language", "screen")
    assert stored(live, site, *columns, "referrer_domain", "event_type", "event_name") == [
        ("/home", "utm_source=news", "news", "Home", "www.example.com", "de-AT", "1920x1080", "t.co", 1, "")
    ]
    # Node is no browser and says so.
    assert stored(live, site, "browser", "os", "device") == [("", "", "desktop")]


def test_an_event_by_name(live: Server, node: Running, site: str) -> None:
    assert node.call("track", "signup", {"plan": "pro", "seats": 3}) == SENT
    assert stored(live, site, "event_type", "event_name", "url_path", "hostname") == [
        (2, "signup", "", "localhost")
    ]
    assert [(row["data_key"], row["string_value"]) for row in live.event_data(site)] == [
        ("plan", "pro"),
        ("seats", "3.0000"),
    ]
    assert node.call("track", "signup") == SENT
    assert stored(live, site, "event_name") == [("signup",), ("signup",)]


def test_an_event_with_everything(live: Server, node: Running, site: str) -> None:
    given = {"name": "purchase", "url": "/buy", "data": {"revenue": 5, "currency": "EUR"}}
    assert node.call("track", given) == SENT
    assert stored(live, site, "event_name", "url_path") == [("purchase", "/buy")]
    assert [(row["currency"], float(row["revenue"])) for row in live.revenue(site)] == [("EUR", 5.0)]


def test_properties_add_up_until_reset(live: Server, node: Running, site: str) -> None:
    def properties() -> dict[str, str]:
        return {row["data_key"]: row["string_value"] for row in live.session_data(site)}

    assert node.call("identify", {"email": "a@b.c", "plan": "free"}) == SENT
    assert node.call("identify", {"plan": "pro"}) == SENT
    assert properties() == {"email": "a@b.c", "plan": "pro"}
    node.call("reset")
    assert node.call("identify", {"plan": "team"}) == SENT
    # The client forgot the address; the session did not.
    assert properties() == {"email": "a@b.c", "plan": "team"}
    assert live.events(site) == []


def test_a_visitors_agent(live: Server, node: Running, site: str) -> None:
    node.call("init", {"userAgent": IPHONE})
    assert node.call("track", {"url": "/", "screen": "390x844"}) == SENT
    assert stored(live, site, "browser", "os", "device") == [("ios", "iOS", "mobile")]


def test_what_is_refused(live: Server, node: Running, site: str) -> None:
    assert node.call("track", "n" * 51) == {"status": 400, "data": {"error": ["payload: "]}}
    assert node.threw("track", 5) == "Invalid payload."
    node.call("init", {"websiteId": "00000000-0000-4000-8000-000000000000"})
    assert node.call("track", {"url": "/"}) == {"status": 400, "data": {"error": "Website not found."}}
    assert live.events(site) == []
