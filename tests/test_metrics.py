"""`/metrics`, read as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.errors import AppError
from app.migrations import newest
from app.scrape import check
from app.settings import Settings
from tests.populate import CHROME, VECTORS, A, view
from tests.server import Server, running

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """(name, labels) → value of each sample."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(server: Server, **headers: str) -> Samples:
    answer = server.client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def labels_of(samples: Samples, name: str) -> list[dict[str, str]]:
    return [dict(labels) for found, labels in samples if found == name]


def test_known_traffic_gives_known_figures(store: str, make_settings: Callable[..., Settings]) -> None:
    with running(make_settings(store, client_ip_header="X-Visitor", ignore_ip="8.8.8.3")) as server:
        website = server.create_website()
        for hit in VECTORS:
            server.client.post("/api/send", json=hit.body(website), headers=hit.visitor.headers)
        bot = view(A, "2026-11-10 10:00:00").body(website)
        server.client.post("/api/send", json=bot, headers={"user-agent": "curl/8.0", "x-visitor": "8.8.8.8"})
        server.client.post("/api/send", json={"type": "event"}, headers={"user-agent": CHROME})
        for password in ("wrong", "wrong again"):
            login = {"username": "admin", "password": password}
            assert server.client.post("/api/auth/login", json=login).status_code == 401
        for _ in range(3):
            server.get(f"/api/websites/{website}/stats", startAt=0, endAt=1)
        server.client.get(f"/api/websites/{website}/absent")
        assert "errors" not in server.graphql("query Mine { me { username } }")
        refused = server.graphql('mutation { login(username: "admin", password: "wrong") { token } }')
        assert "errors" in refused
        samples = scrape(server)
        asked_again = scrape(server)
        page = server.client.get("/metrics").text

    def is_(name: str, expected: float, **labels: str) -> None:
        assert value(samples, name, **labels) == expected, (name, labels)

    # Seven hits of A and B are taken, four of C come from the ignored address; the last two have no visitor's address.
    is_("dashi_accepted_hits_total", 5, type="event")
    is_("dashi_accepted_hits_total", 2, type="identify")
    is_("dashi_dropped_hits_total", 4, reason="ignored-address")
    is_("dashi_dropped_hits_total", 1, reason="bot")
    is_("dashi_refused_hits_total", 1, code="malformed")
    is_("dashi_collect_seconds_count", 8)
    is_("dashi_forwarding_headers_total", 11, header="x-forwarded-for", peer="trusted")
    is_("dashi_forwarding_headers_total", 1, header="x-visitor", peer="trusted")
    is_("dashi_forwarding_headers_total", 0, header="cf-connecting-ip", peer="trusted")
    is_("dashi_forwarding_headers_total", 0, header="x-forwarded-for", peer="other")
    is_("dashi_logins_total", 1, outcome="succeeded")
    is_("dashi_logins_total", 3, outcome="refused")
    for route, method, status, number in (
        ("/api/auth/login", "POST", "200", 1),
        ("/api/auth/login", "POST", "401", 2),
        ("/api/websites", "POST", "200", 1),
        ("/api/websites/{websiteId}/stats", "GET", "200", 3),
        ("(none)", "GET", "404", 1),
        ("/graphql", "POST", "200", 2),
    ):
        is_("dashi_requests_total", number, route=route, method=method, status=status)
    is_("dashi_request_seconds_count", 3, route="/api/auth/login", method="POST")
    is_("dashi_graphql_seconds_count", 1, kind="query")
    is_("dashi_graphql_seconds_count", 1, kind="mutation")
    # The scrape itself is counted once it is answered.
    assert value(samples, "dashi_requests_total", route="/metrics", method="GET", status="200") is None
    assert value(asked_again, "dashi_requests_total", route="/metrics", method="GET", status="200") == 1
    is_("dashi_journal_queue_length", 0)
    is_("dashi_journal_lag_batches", 0)
    is_("dashi_journal_lag_seconds", 0)
    is_("dashi_journal_unapplied_bytes", 0)
    is_("dashi_rejected_rows", 0)
    is_("dashi_store_refuses", 0)
    is_("dashi_apply_failures_total", 0)
    is_("dashi_subscriptions", 0)
    is_("dashi_tidied_rows_total", 0)
    is_("dashi_tidying", 0)
    is_("dashi_statement_seconds_count", 6)  # two for each question
    is_("dashi_journal_commit_seconds_count", 7)
    assert 1 <= (value(samples, "dashi_apply_seconds_count") or 0) <= 7
    [info] = labels_of(samples, "dashi_info")
    assert (info["store"], info["version"]) == (store, "0.1.0")
    assert (info["accounts_schema"], info["events_schema"]) == (newest("accounts"), newest("events"))
    assert info["store_version"][0].isdigit()
    for name in ("process_resident_memory_bytes", "process_open_fds", "dashi_journal_file_bytes"):
        assert (value(samples, name) or 0) > 0, name
    embedded = value(samples, "dashi_duckdb_file_bytes"), value(samples, "dashi_duckdb_wal_bytes")
    assert (embedded == (None, None)) == (store != "duckdb")
    # Nothing that was sent is a label.
    for sent in (website, "8.8.8", "wrong", "absent", "Mine", "Chrome/"):
        assert sent not in page


def test_lag_and_refusals_of_a_store_that_takes_nothing(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb")) as server:
        website = server.create_website()
        engine = server.runtime.events.engine
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE event RENAME TO away")
        for _ in range(3):
            hit = view(A, "2026-11-10 10:00:00").body(website)
            server.client.post("/api/send", json=hit, headers=A.headers)
        samples = scrape(server)
        while not value(samples, "dashi_apply_failures_total"):
            samples = scrape(server)
        lag = value(samples, "dashi_journal_lag_seconds") or 0
        assert value(samples, "dashi_store_refuses") == 1
        assert value(samples, "dashi_journal_lag_batches") == 3
        assert (value(samples, "dashi_journal_unapplied_bytes") or 0) > 0
        assert 0 < lag < 60
        assert (value(scrape(server), "dashi_journal_lag_seconds") or 0) > lag
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO event")
        while value(samples, "dashi_journal_lag_batches"):
            samples = scrape(server)
        assert value(samples, "dashi_journal_lag_seconds") == 0
        assert len(server.events(website)) == 3


def test_a_token_is_asked_for_where_there_is_one(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", metrics_token="let me see")) as server:
        for headers in (
            {},
            {"authorization": "Bearer let me"},
            {"authorization": "let me see"},
            server.admin,
        ):
            answer = server.client.get("/metrics", headers=headers)
            assert (answer.status_code, "dashi_" in answer.text) == (401, False)
        # With it, from anywhere.
        assert scrape(server, authorization="Bearer let me see", **{"x-forwarded-for": "8.8.8.8"})


def test_it_can_be_switched_off(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", metrics="off")) as server:
        assert server.client.get("/metrics").status_code == 404


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.1.2.3", {}, 200),
        ("::ffff:192.168.1.1", {}, 200),
        ("", {}, 200),
        ("8.8.8.8", {}, 403),
        ("::ffff:8.8.8.8", {}, 403),
        ("2600::1", {}, 403),
        ("nonsense", {}, 403),
        # Through a proxy beside the server everybody would come from this machine.
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, 403),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, 403),
        ("10.0.0.1", {"cf-connecting-ip": "8.8.8.8"}, 403),
        ("10.0.0.1", {"via": "1.1 proxy"}, 403),
    ],
)
def test_without_a_token_who_is_near_may_ask(peer: str, headers: dict[str, Any], status: int) -> None:
    found = 200
    try:
        check(Settings(), headers, peer)
    except AppError as error:
        found = error.status
    assert found == status
