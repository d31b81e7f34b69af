"""The two PyPI packages that import as `umami`: `umami-analytics` 1.0.0 and `umami-analytics-py` 0.2.26.

Which calls speak v2, and why the others cannot: docs/clients.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from app.auth import STOCK_ADMIN_ID
from tests.clients.conftest import Running
from tests.clients.like import A_JWT, AN_ID, AN_INSTANT
from tests.populate import VECTORS, populate
from tests.server import PASSWORD, Server

NEW, OLD = "umami-analytics", "umami-analytics-py"
CREDENTIALS = {"username": "admin", "password": PASSWORD}
SENT = {"cache": A_JWT, "sessionId": AN_ID, "visitId": AN_ID}
RANGE = {"start_at": "2026-11-10T00:00:00+00:00", "end_at": "2026-11-11T23:59:59+00:00"}
# Each function has a twin for asyncio.
TWINS = pytest.mark.parametrize("twin", ["", "_async"], ids=["sync", "async"])


@pytest.fixture(scope="module")
def clients(run_python: Callable[[str], Running], live: Server) -> dict[str, Running]:
    """Both packages, knowing the server and logged in."""
    running = {name: run_python(name) for name in (NEW, OLD)}
    for client in running.values():
        client.call("set_url_base", {"url": live.url})
        client.call("set_hostname", {"hostname": "example.com"})
        client.call("login", CREDENTIALS)
    return running


@pytest.fixture(params=[NEW, OLD])
def client(request: pytest.FixtureRequest, clients: dict[str, Running]) -> Running:
    return clients[request.param]


@pytest.fixture
def new(clients: dict[str, Running]) -> Running:
    return clients[NEW]


@pytest.fixture
def old(clients: dict[str, Running]) -> Running:
    return clients[OLD]


@pytest.fixture
def site(live: Server, clients: dict[str, Running]) -> str:
    """A fresh website that both packages are set up for."""
    made = live.create_website()
    for client in clients.values():
        client.call("set_website_id", {"website_id": made})
    return made


def stored(live: Server, site: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in live.events(site)]


@TWINS
def test_login(client: Running, twin: str) -> None:
    assert client.call(f"login{twin}", CREDENTIALS) == {
        "token": A_JWT,
        "user": {
            "id": str(STOCK_ADMIN_ID),
            "username": "admin",
            "role": "admin",
            "createdAt": AN_INSTANT,
            "isAdmin": True,
        },
    }
    assert client.call("is_logged_in", {}) is True
    assert client.call(f"verify_token{twin}", {}) is True
    refused = client.threw(f"login{twin}", {**CREDENTIALS, "password": "not the password"})
    assert refused.startswith("HTTPStatusError: Client error '401 Unauthorized'")


def test_nobody_is_logged_in_at_first(run_python: Callable[[str], Running], live: Server) -> None:
    for name in (NEW, OLD):
        stranger = run_python(name)
        stranger.call("set_url_base", {"url": live.url})
        assert stranger.call("is_logged_in", {}) is False
        assert stranger.call("verify_token", {}) is False
        assert stranger.threw("websites", {}).startswith("OperationNotAllowedError: ")


@TWINS
def test_websites(live: Server, client: Running, twin: str) -> None:
    # The packages read the first page alone, which is in the order of names.
    name = f"!{uuid4().hex}"
    made = live.create_website(name=name)
    (found,) = [row for row in client.call(f"websites{twin}", {}) if row["id"] == made]
    # Only the newer package knows of websites listed for a team.
    assert found.pop("createUser", None) is None
    admin = {"id": str(STOCK_ADMIN_ID), "username": "admin"}
    assert found == {
        "id": made,
        "name": name,
        "domain": "example.com",
        "shareId": None,
        "resetAt": None,
        "userId": admin["id"],
        "createdAt": AN_INSTANT,
        "updatedAt": AN_INSTANT,
        "deletedAt": None,
        "teamId": None,
        "user": admin,
    }


@TWINS
def test_page_view(live: Server, client: Running, site: str, twin: str) -> None:
    given = {
        "page_title": "Home",
        "url": "/home",
        "referrer": "https://t.co/x",
        "language": "de-AT",
        "screen": "390x844",
        "ip_address": "9.9.9.9",
    }
    client.call(f"new_page_view{twin}", given)
    columns = ("url_path", "page_title", "hostname", "referrer_domain", "language", "screen")
    assert stored(live, site, *columns, "event_type", "event_name") == [
        ("/home", "Home", "example.com", "t.co", "de-AT", "390x844", 1, "")
    ]
    (os,) = stored(live, site, "os")
    assert os == ("Mac OS",)


def test_event(live: Server, client: Running, site: str) -> None:
    given = {"event_name": "signup", "url": "/join", "custom_data": {"plan": "pro", "seats": 3}}
    client.call("new_event", given)
    assert stored(live, site, "event_name", "url_path", "page_title", "event_type") == [
        ("signup", "/join", "signup", 2)
    ]
    assert [(row["data_key"], row["string_value"]) for row in live.event_data(site)] == [
        ("plan", "pro"),
        ("seats", "3.0000"),
    ]


@pytest.mark.parametrize(("name", "argument"), [(NEW, "distinct_id"), (OLD, "id")])
def test_event_of_somebody_known(
    live: Server, clients: dict[str, Running], site: str, name: str, argument: str
) -> None:
    clients[name].call("new_event", {"event_name": "a", argument: "user-1"})
    clients[name].call("new_page_view", {"page_title": "b", "url": "/b", argument: "user-1"})
    sessions = stored(live, site, "session_id", "distinct_id")
    assert [distinct for _, distinct in sessions] == ["user-1", "user-1"]
    assert len({session for session, _ in sessions}) == 1


@TWINS
def test_what_the_new_package_gives_of_an_event(live: Server, new: Running, site: str, twin: str) -> None:
    assert new.call(f"new_event{twin}", {"event_name": "signup"}) == SENT
    assert new.call(f"new_page_view{twin}", {"page_title": "Home", "url": "/"}) == SENT
    assert new.call(f"new_revenue_event{twin}", {"revenue": 19.99, "currency": "EUR"}) == SENT
    assert stored(live, site, "event_name") == [("signup",), ("",), ("revenue",)]
    assert [(row["event_name"], row["currency"], float(row["revenue"])) for row in live.revenue(site)] == [
        ("revenue", "EUR", 19.99)
    ]


def test_the_old_packages_event_for_asyncio_is_stored_and_then_raises(
    live: Server, old: Running, site: str
) -> None:
    """It takes the answer for base64, which it was before v2."""
    assert old.threw("new_event_async", {"event_name": "signup"}).startswith(
        ("Error: ", "UnicodeDecodeError: ", "JSONDecodeError: ")
    )
    assert stored(live, site, "event_name") == [("signup",)]


def test_tracking_can_be_switched_off(live: Server, client: Running, site: str) -> None:
    client.call("disable", {})
    client.call("new_event", {"event_name": "signup"})
    client.call("new_page_view", {"page_title": "Home", "url": "/"})
    client.call("enable", {})
    assert live.events(site) == []
    client.call("new_event", {"event_name": "signup"})
    assert len(live.events(site)) == 1


@TWINS
def test_active_users(new: Running, old: Running, site: str, twin: str) -> None:
    assert new.call(f"active_users{twin}", {}) == 0
    new.call("new_event", {"event_name": "signup"})
    assert new.call(f"active_users{twin}", {}) == 1
    # It reads `x`, which v2 does not send: Umami 2.19 gives it 0 as well.
    assert old.call(f"active_users{twin}", {}) == 0


@TWINS
def test_heartbeat(new: Running, old: Running, twin: str) -> None:
    assert new.call(f"heartbeat{twin}", {}) is True
    # It sends POST, which is not this route's method in Umami 2.19 either.
    assert old.call(f"heartbeat{twin}", {}) is False


def test_stats_of_the_old_package(live: Server, old: Running, site: str) -> None:
    populate(live, site, VECTORS)
    figures = ("pageviews", "visitors", "visits", "bounces", "totaltime")

    def expected(*values: int) -> dict[str, dict[str, int]]:
        return {name: {"value": value, "prev": 0} for name, value in zip(figures, values, strict=True)}

    assert old.call("website_stats", RANGE) == expected(6, 3, 4, 2, 180)
    assert old.call("website_stats", {**RANGE, "country": "DE"}) == expected(1, 1, 1, 1, 0)
    assert old.call("website_stats", {**RANGE, "url": "~pric"}) == expected(2, 2, 2, 2, 0)
    assert old.call("website_stats", {**RANGE, "host": "elsewhere"}) == expected(0, 0, 0, 0, 0)


def test_stats_of_the_old_package_for_asyncio_are_refused(old: Running, site: str) -> None:
    """It misspells the range: `start_at` and `end_at`."""
    refused = old.threw("website_stats_async", RANGE)
    assert refused.startswith("HTTPStatusError: Client error '400 Bad Request'")


@TWINS
def test_stats_of_the_new_package_are_of_v3(new: Running, site: str, twin: str) -> None:
    """It wants bare numbers where v2 has each with that of the period before."""
    refused = new.threw(f"website_stats{twin}", RANGE)
    assert refused.startswith("ValidationError: 5 validation errors for WebsiteStats")


def test_event_data_of_the_old_package(live: Server, old: Running, site: str) -> None:
    populate(live, site, VECTORS)
    api = "stats?startAt=1794268800000&endAt=1794441599000"
    stats = {"events": 3, "properties": 13, "fields": 13, "records": 15}
    assert old.call("get_website_event_data", {"api": api}) == stats
    assert old.call("get_request", {"api": f"/api/websites/{site}/event-data/{api}"}) == stats
