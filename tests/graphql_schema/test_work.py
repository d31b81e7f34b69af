"""What an operation makes the stores do, as `extensions.work` tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.populate import VECTORS, Hit
from tests.server import Server

Populate = Callable[[str, Iterable[Hit]], Any]

PERIOD = '{ start: "2026-11-10T00:00:00Z", end: "2026-11-11T23:59:59Z" }'
SESSIONS = ("BROWSER", "OS", "DEVICE", "COUNTRY", "REGION", "CITY", "LANGUAGE")
EVENTS = ("PATH", "TITLE", "REFERRER", "EVENT", "QUERY")
TILES = {
    "totals": "totals(compare: PREVIOUS) { visitors { value previous change } pageviews { value } bounceRate { value } }",
    "series": "series(unit: DAY) { at visitors pageviews }",
    **{
        name.lower(): f"{name.lower()}: breakdown(by: [{name}], first: 10) {{ nodes {{ values visitors share }} }}"
        for name in (*SESSIONS, *EVENTS)
    },
}


@pytest.fixture
def ask(server: Server, website: str, populate: Populate) -> Callable[..., tuple[Any, Any]]:
    """`ask("totals {…}")`: (fields of `analytics` over the conformance data, the work they took)."""
    populate(website, VECTORS)
    return lambda fields: asked(
        server, f'{{ website(id: "{website}") {{ analytics(period: {PERIOD}) {{ {fields} }} }} }}'
    )


def asked(server: Server, query: str) -> tuple[Any, Any]:
    answer = server.client.post(
        "/graphql", json={"query": query, "extensions": {"work": True}}, headers=server.admin
    ).json()
    assert "errors" not in answer, answer
    data = answer["data"]
    return data["website"]["analytics"] if "website" in data else data, answer["extensions"]["work"]


def test_a_dashboard_of_fourteen_tiles_is_three_scans(
    ask: Callable[..., tuple[Any, Any]], server: Server
) -> None:
    together, work = ask(" ".join(TILES.values()))
    assert len(TILES) == 14
    assert (work["statements"], work["scans"]) == (3, 3)
    alone = [ask(tile) for tile in TILES.values()]
    assert {key: value for figures, _ in alone for key, value in figures.items()} == together
    # A share needs the visitors of the whole beside the rows. The few paths and titles that lead take three reads of one
    # column each where they are asked for alone, unless counting all is as quick.
    led = 2 if server.runtime.events.counts_directly else 4
    scans = {tile: work["scans"] for tile, (_, work) in zip(TILES, alone, strict=True)}
    assert scans == dict.fromkeys(TILES, 2) | {"totals": 1, "series": 1, "path": led, "title": led}
    assert together["country"]["nodes"][0] == {"values": ["US"], "visitors": 2, "share": 2 / 3}


def test_what_has_cursors_shares_its_reads_with_what_has_none(ask: Callable[..., tuple[Any, Any]]) -> None:
    paged = [tile.replace("{ nodes", "{ pageInfo { hasNextPage endCursor } nodes") for tile in TILES.values()]
    assert sum("endCursor" in tile for tile in paged) == 12
    some, work = ask(" ".join(paged))
    # One more statement asks which moment the cursors are of; it reads no events.
    assert (work["statements"], work["scans"]) == (4, 3)
    mixed, work = ask(" ".join([*list(TILES.values())[:8], *paged[8:]]))
    assert (work["statements"], work["scans"]) == (4, 3)
    assert mixed["country"]["nodes"] == some["country"]["nodes"]
    second, work = ask(
        f'breakdown(by: [PATH], first: 1, after: "{some["path"]["pageInfo"]["endCursor"]}") {{ nodes {{ values }} }} '
        + TILES["totals"]
    )
    assert (second["breakdown"]["nodes"], work["scans"]) == ([], 2)


def test_only_what_is_selected_is_read(ask: Callable[..., tuple[Any, Any]]) -> None:
    for fields, scans in (
        ("period { start }", 0),
        ("totals { __typename }", 0),
        ("series { at }", 0),
        ("totals { visitors { value } }", 1),
        ("totals(compare: PREVIOUS) { visitors { value } }", 1),
        ("totals(compare: PREVIOUS) { visitors { previous } } series { visitors }", 1),
        ("channels { visitors }", 1),
        ("breakdown(by: [ENTRY]) { nodes { visitors } }", 2),
        (
            "a: breakdown(by: [QUERY]) { nodes { visitors } } b: breakdown(by: [QUERY]) { nodes { visitors } }",
            1,
        ),
    ):
        assert ask(fields)[1]["scans"] == scans, fields


def test_another_filter_is_another_scan(server: Server, website: str) -> None:
    fields = "totals { visitors { value } }"
    _, work = asked(
        server,
        f'{{ website(id: "{website}") {{ analytics(period: {PERIOD}) {{ {fields} }} '
        f'mobile: analytics(period: {PERIOD}, where: {{ device: {{ eq: "mobile" }} }}) {{ {fields} }} }} }}',
    )
    assert work["scans"] == 2


def test_all_websites_are_one_scan(server: Server, populate: Populate) -> None:
    name = "fifty websites at once"
    ids = {server.create_website(name) for _ in range(50)}
    some = sorted(ids)[:2]
    for site in some:
        populate(site, VECTORS)
    figures = "totals(compare: PREVIOUS) { visitors { value previous } } series(unit: DAY) { visitors }"
    found, work = asked(
        server,
        f'{{ websites(first: 50, search: "{name}") {{ nodes {{ id analytics(period: {PERIOD}) {{ {figures} }} }} }} }}',
    )
    assert (work["statements"], work["scans"]) == (1, 1)
    # The list itself, and the websites once more, each under the rights of who asks.
    assert work["accountStatements"] < 10
    figures_of = {node["id"]: node["analytics"] for node in found["websites"]["nodes"]}
    assert set(figures_of) == ids
    for site, analytics in figures_of.items():
        visitors = [3, 1] if site in some else [0, 0]
        assert analytics["series"]["visitors"] == visitors
        assert analytics["totals"]["visitors"] == {"value": 3 if site in some else 0, "previous": 0}


def test_a_website_that_fails_keeps_its_siblings(server: Server, website: str) -> None:
    other = server.create_website()
    answer = server.graphql(
        f'{{ good: website(id: "{website}") {{ analytics(period: {PERIOD}) {{ totals {{ visits {{ value }} }} '
        f'breakdown(by: [PATH], after: "x") {{ nodes {{ visits }} }} }} }} '
        f'bad: website(id: "{other}") {{ analytics(period: {{ start: "2026-11-10", end: "2026-11-09" }}) '
        "{ totals { visits { value } } } } }"
    )
    assert answer["data"]["good"]["analytics"] == {"totals": {"visits": {"value": 0}}, "breakdown": None}
    assert answer["data"]["bad"] == {"analytics": None}
    assert sorted((error["path"], error["extensions"]["field"]) for error in answer["errors"]) == [
        (["bad", "analytics"], "start"),
        (["good", "analytics", "breakdown"], "after"),
    ]


def test_work_is_told_to_those_who_ask(server: Server) -> None:
    for extensions in ({}, {"work": False}, {"work": "yes"}, None):
        answer = server.client.post(
            "/graphql", json={"query": "{ version }", "extensions": extensions}, headers=server.admin
        )
        assert "work" not in answer.json().get("extensions", {})
