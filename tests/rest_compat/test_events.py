"""Events and event data over REST, on both stores (Umami v2 REST behaviour §1.5, §1.6, §3.7 and the data of §6.3)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.populate import VECTORS, A, B, happening, populate, view
from tests.rest_compat.people import Headers
from tests.rest_compat.test_stats import RANGE, ms
from tests.server import Server

DATA = ("events", "fields", "properties", "values", "stats")
OLD = ("events", "fields", "stats")


@pytest.fixture(scope="module")
def vectors(server: Server) -> str:
    """A website with the conformance data."""
    website = server.create_website("Vectors")
    populate(server, website, VECTORS)
    return website


def test_an_event_in_full(server: Server, website: str) -> None:
    [answer] = populate(
        server,
        website,
        [view(A, "2026-11-10 10:00:00", "/?utm_source=news", title="Home", referrer="https://t.co/x")],
    )
    page = server.get(f"/api/websites/{website}/events", **RANGE)
    [stored] = server.events(website)
    assert page == {
        "data": [
            {
                "id": str(stored["event_id"]),
                "websiteId": website,
                "sessionId": answer["sessionId"],
                "createdAt": "2026-11-10T10:00:00.000Z",
                "urlPath": "/",
                "urlQuery": "utm_source=news",
                "referrerPath": "/x",
                "referrerQuery": "",
                "referrerDomain": "t.co",
                "pageTitle": "Home",
                "eventType": 1,
                "eventName": None,
            }
        ],
        "count": 1,
        "page": 1,
        "pageSize": 10,
    }


def test_what_is_absent_is_null(server: Server, website: str) -> None:
    populate(server, website, [happening(A, "2026-11-10 10:00:00", "", "click", title="")])
    [row] = server.get(f"/api/websites/{website}/events", **RANGE)["data"]
    names = ("urlPath", "urlQuery", "referrerPath", "referrerQuery", "referrerDomain", "pageTitle")
    assert [row[name] for name in names] == ["/", "", None, None, None, None]
    assert (row["eventType"], row["eventName"]) == (2, "click")


PAGES: list[tuple[dict[str, Any], list[int], int, int]] = [
    ({}, [0, 1, 2, 3, 4, 5, 6, 7, 8], 1, 10),
    ({"pageSize": 4}, [0, 1, 2, 3], 1, 4),
    ({"pageSize": "4", "page": "2"}, [4, 5, 6, 7], 2, 4),
    ({"pageSize": 4, "page": 3}, [8], 3, 4),
    ({"pageSize": 3, "page": 3}, [6, 7, 8], 3, 3),
    ({"pageSize": 4, "page": 4}, [], 4, 4),
    ({"pageSize": 2_147_483_647, "page": 2_147_483_647}, [], 2_147_483_647, 2_147_483_647),
]


@pytest.mark.parametrize(("params", "places", "page", "size"), PAGES, ids=lambda value: str(value))
def test_pages(
    server: Server, vectors: str, params: dict[str, Any], places: list[int], page: int, size: int
) -> None:
    stored = sorted(server.events(vectors), key=lambda row: row["created_at"], reverse=True)
    answer = server.get(f"/api/websites/{vectors}/events", **RANGE, **params)
    assert list(answer) == ["data", "count", "page", "pageSize"]
    assert (answer["count"], answer["page"], answer["pageSize"]) == (9, page, size)
    assert [row["id"] for row in answer["data"]] == [str(stored[place]["event_id"]) for place in places]


@pytest.mark.parametrize(
    ("order_by", "shown"),
    [
        ("createdAt", lambda row: row["createdAt"]),
        ("urlPath", lambda row: row["urlPath"]),
        ("eventType", lambda row: row["eventType"]),
        ("eventName", lambda row: row["eventName"] or ""),
        ("referrerDomain", lambda row: row["referrerDomain"] or ""),
        ("id", lambda row: row["id"]),
        ("sessionId", lambda row: row["sessionId"]),
        ("websiteId", lambda row: row["websiteId"]),
    ],
)
def test_order_by_a_property_is_ascending_and_newest_first_within(
    server: Server, vectors: str, order_by: str, shown: Any
) -> None:
    url = f"/api/websites/{vectors}/events"
    newest_first = server.get(url, **RANGE)["data"]
    answer = server.get(url, **RANGE, orderBy=order_by)
    assert answer["orderBy"] == order_by
    assert answer["data"] == sorted(newest_first, key=shown)
    second = server.get(url, **RANGE, orderBy=order_by, pageSize=2, page=2)
    assert second["data"] == answer["data"][2:4]


@pytest.mark.parametrize(
    "order_by", ["", "created_at", "nonsense", "createdat", "-createdAt", "id; --", "\0"]
)
def test_an_order_there_is_not_is_ignored(server: Server, vectors: str, order_by: str) -> None:
    url = f"/api/websites/{vectors}/events"
    assert server.get(url, **RANGE, orderBy=order_by) == server.get(url, **RANGE)


def test_filters_are_dropped(server: Server, vectors: str) -> None:
    filters = {"country": "DE", "url": "/nowhere", "event": "signup", "segment": "none"}
    assert server.get(f"/api/websites/{vectors}/events", **RANGE, **filters)["count"] == 9
    for route in ("fields", "properties", "stats"):
        url = f"/api/websites/{vectors}/event-data/{route}"
        assert server.get(url, **RANGE, **filters) == server.get(url, **RANGE)


@pytest.mark.parametrize(
    ("params", "paths"),
    [
        ({"search": "RIC"}, ["/pricing", "/pricing"]),
        ({"query": "RIC"}, ["/pricing", "/pricing"]),
        ({"search": "RIC", "query": "nothing"}, ["/pricing", "/pricing"]),
        ({"search": "", "query": "signup"}, ["/pricing"]),
        ({"search": "signup", "orderBy": "urlPath"}, ["/pricing"]),
        ({"search": "'; DROP TABLE event; --"}, []),
        ({"search": "\\"}, []),
        ({"search": "😀"}, []),
    ],
    ids=str,
)
def test_search(server: Server, vectors: str, params: dict[str, str], paths: list[str]) -> None:
    answer = server.get(f"/api/websites/{vectors}/events", **RANGE, **params)
    assert [row["urlPath"] for row in answer["data"]] == paths
    assert answer["count"] == len(paths)


def test_all_time(server: Server, vectors: str, website: str) -> None:
    everything = {"startAt": 0, "endAt": 1}
    assert server.get(f"/api/websites/{vectors}/events", **everything)["count"] == 9
    assert server.get(f"/api/websites/{vectors}/event-data/stats", **everything)["records"] == 15
    assert server.get(f"/api/websites/{website}/events", **everything) == {
        "data": [],
        "count": 0,
        "page": 1,
        "pageSize": 10,
    }
    empty = {"events": 0, "properties": 0, "fields": 0, "records": 0}
    assert server.get(f"/api/websites/{website}/event-data/stats", **everything) == empty


def test_the_range_cuts(server: Server, vectors: str) -> None:
    second_day = {"startAt": ms("2026-11-11 00:00:00"), "endAt": RANGE["endAt"]}
    url = f"/api/websites/{vectors}"
    assert server.get(f"{url}/events", **second_day)["count"] == 2
    assert server.get(f"{url}/event-data/stats", **second_day) == {
        "events": 1,
        "properties": 2,
        "fields": 2,
        "records": 2,
    }
    at = ms("2026-11-10 10:05:00")  # both ends belong to it
    [row] = server.get(f"{url}/event-data/values", startAt=at, endAt=at, eventName="signup", propertyName="n")
    assert row == {"value": "3", "total": 1}
    before = {"startAt": at - 60_000, "endAt": at - 1}
    assert server.get(f"{url}/event-data/fields", **before) == []


def test_nothing_from_before_a_reset(server: Server, website: str) -> None:
    url = f"/api/websites/{website}"
    long_ago = {"startAt": ms("2024-11-10 00:00:00"), "endAt": ms("2024-11-11 00:00:00")}
    hit = happening(A, "2024-11-10 10:00:00", "/", "click", {"n": 1})
    for counted in (1, 0):
        populate(server, website, [hit])  # the second time it comes late: it happened before the reset
        assert server.get(f"{url}/events", **long_ago)["count"] == counted
        assert len(server.get(f"{url}/event-data/fields", **long_ago)) == counted
        assert server.get(f"{url}/event-data/stats", **long_ago)["records"] == counted
        assert server.client.post(f"{url}/reset", headers=server.admin).json() == {"ok": True}


def test_data_of_one_event(server: Server, vectors: str) -> None:
    url = f"/api/websites/{vectors}/event-data/events"
    rows = server.get(url, **RANGE, event="purchase")
    assert rows == [
        {"eventName": "purchase", "propertyName": name, "dataType": kind, "propertyValue": value, "total": 1}
        for name, kind, value in (
            ("currency", 1, "USD"),
            ("currency", 1, "usd"),
            ("revenue", 1, "5"),
            ("revenue", 2, "19.9900"),
        )
    ]
    assert server.get(url, **RANGE, event="nothing") == []
    assert server.get(url, **RANGE, event="") == server.get(url, **RANGE)
    assert "propertyValue" not in server.get(url, **RANGE)[0]
    # The number as it is stored.
    numbers = {row["propertyName"]: row["propertyValue"] for row in server.get(url, **RANGE, event="signup")}
    assert (numbers["n"], numbers["when"]) == ("3.0000", "2024-01-02T03:04:05.000Z")


def test_most_frequent_first(server: Server, website: str) -> None:
    plans = ["b", "a", "b", "c", "a", "b"]
    populate(
        server,
        website,
        [happening(A, f"2026-11-10 10:0{n}:00", "/", "buy", {"plan": plan}) for n, plan in enumerate(plans)],
    )
    populate(server, website, [happening(B, "2026-11-10 11:00:00", "/", "ask", {"plan": "z", "n": 1})])
    url = f"/api/websites/{website}/event-data"
    values = server.get(f"{url}/values", **RANGE, eventName="buy", propertyName="plan")
    assert values == [{"value": v, "total": n} for v, n in (("b", 3), ("a", 2), ("c", 1))]
    fields = server.get(f"{url}/fields", **RANGE)
    assert [(row["propertyName"], row["value"], row["total"]) for row in fields] == [
        ("n", "1", 1),
        ("plan", "b", 3),
        ("plan", "a", 2),
        ("plan", "c", 1),
        ("plan", "z", 1),
    ]
    properties = server.get(f"{url}/properties", **RANGE)
    assert [tuple(row.values()) for row in properties] == [
        ("buy", "plan", 6),
        ("ask", "n", 1),
        ("ask", "plan", 1),
    ]
    events = server.get(f"{url}/events", **RANGE, event="buy")
    assert [(row["propertyValue"], row["total"]) for row in events] == [("b", 3), ("a", 2), ("c", 1)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("n", ["n"]),
        ("N", []),
        ("~NESTED", ["nested.x", "nested.y.z"]),
        ("!~n", ["d2", "d3", "f", "ok", "tags"]),
        ("!plan", ["d2", "d3", "f", "n", "nested.x", "nested.y.z", "nul", "ok", "tags", "when"]),
        ("", []),
        ("~", ["d2", "d3", "f", "n", "nested.x", "nested.y.z", "nul", "ok", "plan", "tags", "when"]),
        ("~%", []),
    ],
)
def test_properties_by_name(server: Server, vectors: str, name: str, found: list[str]) -> None:
    rows = server.get(f"/api/websites/{vectors}/event-data/properties", **RANGE, propertyName=name)
    assert [row["propertyName"] for row in rows if row["eventName"] == "signup"] == found


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"eventName": "signup", "propertyName": "plan"}, [{"value": "pro", "total": 1}]),
        ({"eventName": "Signup", "propertyName": "plan"}, []),
        ({"eventName": "signup", "propertyName": "~plan"}, []),  # no operators here
        ({"eventName": "signup", "propertyName": ""}, []),
        ({"eventName": "", "propertyName": "plan"}, []),
        ({"propertyName": "plan"}, []),
        ({"eventName": "signup"}, []),
        ({}, []),
    ],
    ids=str,
)
def test_values_need_event_and_property(
    server: Server, vectors: str, params: dict[str, str], found: list[Any]
) -> None:
    assert server.get(f"/api/websites/{vectors}/event-data/values", **RANGE, **params) == found


def test_data_of_page_views_has_no_event_name(server: Server, website: str) -> None:
    populate(server, website, [view(A, "2026-11-10 10:00:00", "/", data={"theme": "dark"})])
    url = f"/api/websites/{website}/event-data"
    row = {"eventName": None, "propertyName": "theme"}
    assert server.get(f"{url}/events", **RANGE) == [{**row, "dataType": 1, "total": 1}]
    assert server.get(f"{url}/properties", **RANGE) == [{**row, "total": 1}]
    assert server.get(f"{url}/values", **RANGE, eventName="", propertyName="theme") == []
    assert server.get(f"{url}/stats", **RANGE)["events"] == 1


@pytest.mark.parametrize("route", OLD)
def test_paths_of_older_clients(server: Server, vectors: str, route: str) -> None:
    new = server.get(f"/api/websites/{vectors}/event-data/{route}", **RANGE)
    assert new
    assert server.get(f"/api/event-data/{route}", **RANGE, websiteId=vectors) == new
    # What the client of 0.80 sends: the website in the path and in the query.
    assert server.get(f"/api/websites/{vectors}/event-data/{route}", **RANGE, websiteId="x") == new


def test_an_older_client_asks_for_one_event(server: Server, vectors: str) -> None:
    rows = server.get("/api/event-data/events", **RANGE, websiteId=vectors, event="signup")
    assert len(rows) == 11
    assert rows[0]["propertyValue"] == "2024-01-02T03:04:05Z"


NAN = "Expected number, received nan"


@pytest.mark.parametrize(
    ("path", "query", "error"),
    [
        ("{site}/events", "", [f"startAt: {NAN}", f"endAt: {NAN}"]),
        (
            "{site}/events",
            "startAt=0&endAt=1.5&page=0&pageSize=x",
            [
                "endAt: Expected integer, received float",
                "page: Number must be greater than 0",
                f"pageSize: {NAN}",
            ],
        ),
        (
            "{site}/events",
            "startAt=0&endAt=1&pageSize=0&page=1e10",
            [
                "page: Number must be less than or equal to 2147483647",
                "pageSize: Number must be greater than 0",
            ],
        ),
        *((f"{{site}}/event-data/{route}", "endAt=0", [f"startAt: {NAN}"]) for route in DATA),
        ("{site}/export", "startAt=x&endAt=0", [f"startAt: {NAN}"]),
        *(
            (f"event-data/{route}", "", ["websiteId: Required", f"startAt: {NAN}", f"endAt: {NAN}"])
            for route in OLD
        ),
        *(
            (f"event-data/{route}", "startAt=0&endAt=1&websiteId=x", ["websiteId: Invalid uuid"])
            for route in OLD
        ),
    ],
)
@pytest.mark.parametrize("who", ["admin", "nobody"])
def test_malformed(
    live: Server, live_website: str, path: str, query: str, error: list[str], who: str
) -> None:
    """What was sent is checked before who sent it."""
    url = "/api/" + path.format(site=f"websites/{live_website}")
    answer = live.client.get(f"{url}?{query}", headers=live.admin if who == "admin" else {})
    assert (answer.status_code, answer.json()) == (400, {"error": error})


ROUTES = ("events", *(f"event-data/{route}" for route in DATA), "export")


@pytest.mark.parametrize("route", ROUTES)
def test_who_may_read(live: Server, shared: tuple[str, Headers], bob: Headers, route: str) -> None:
    website, share = shared
    url = f"/api/websites/{website}/{route}"
    other = f"/api/websites/{live.create_website()}/{route}"
    refused = (401, {"error": "Unauthorized"})
    assert live.client.get(url, params=RANGE, headers=share).status_code == 200
    for path, headers in ((url, {}), (url, bob), (other, share)):
        answer = live.client.get(path, params=RANGE, headers=headers)
        assert (answer.status_code, answer.json()) == refused
    unknown = f"/api/websites/{uuid4()}/{route}"
    answer = live.client.get(unknown, params=RANGE, headers=live.admin)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})
    answer = live.client.get(f"/api/websites/no-uuid/{route}", params=RANGE, headers=live.admin)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


@pytest.mark.parametrize("route", OLD)
def test_who_may_read_at_the_old_paths(
    live: Server, shared: tuple[str, Headers], bob: Headers, route: str
) -> None:
    website, share = shared
    url = f"/api/event-data/{route}"
    params = {**RANGE, "websiteId": website}
    assert live.client.get(url, params=params, headers=share).status_code == 200
    for headers in ({}, bob):
        answer = live.client.get(url, params=params, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})
    answer = live.client.get(url, params={**params, "websiteId": str(uuid4())}, headers=live.admin)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


@pytest.mark.parametrize("value", ["\0", "x\0", "'", "%", "\\", "😀", "~" * 2000, "!", "!~", "~"])
@pytest.mark.parametrize(
    ("route", "name"),
    [
        ("events", "search"),
        ("events", "orderBy"),
        ("event-data/events", "event"),
        ("event-data/properties", "propertyName"),
        ("event-data/values", "propertyName"),
        ("event-data/values", "eventName"),
    ],
)
def test_texts_are_values(server: Server, vectors: str, route: str, name: str, value: str) -> None:
    params = {"eventName": "signup", "propertyName": "n", **RANGE, name: value}
    query = "&".join(f"{key}={quote(str(text))}" for key, text in params.items())
    answer = server.client.get(f"/api/websites/{vectors}/{route}?{query}", headers=server.admin)
    assert answer.status_code == 200
