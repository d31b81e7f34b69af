"""The process as its operator sees it: health, readiness, metrics, several instances, an outage of the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from tests.populate import CHROME, VECTORS, A, populate, view
from tests.process import environment, serving
from tests.server import Server, running
from tests.stores import rename
from tests.test_metrics import parsed


def test_health(server: Server) -> None:
    assert server.client.get("/healthz").json() == {"ok": True}
    assert server.client.get("/readyz").json() == {"ok": True}


def test_metrics_count_what_was_collected_and_why_not(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", ignore_ip="8.8.8.3")) as server:
        website = server.create_website()
        for hit in VECTORS:
            server.client.post("/api/send", json=hit.body(website), headers=hit.visitor.headers)
        server.client.post(
            "/api/send", json=view(A, "2026-11-10 10:00:00").body(website), headers={"user-agent": "curl/8.0"}
        )
        server.client.post("/api/send", json={"type": "event"}, headers={"user-agent": CHROME})
        lines = server.client.get("/metrics").text.splitlines()
    # Seven hits of A and B are taken, four of C come from the ignored address.
    for expected in (
        'dashi_accepted_hits_total{type="event"} 5.0',
        'dashi_accepted_hits_total{type="identify"} 2.0',
        'dashi_dropped_hits_total{reason="ignored-address"} 4.0',
        'dashi_dropped_hits_total{reason="bot"} 1.0',
        'dashi_refused_hits_total{code="malformed"} 1.0',
        "dashi_rejected_rows 0.0",
    ):
        assert expected in lines


def test_an_outage_of_the_store_loses_nothing_and_readiness_says_so(server: Server, website: str) -> None:
    rename(server.runtime.events, "event", "away")
    try:
        populate(server, website, [view(A, "2026-11-10 10:00:00")])
        _until(lambda: server.client.get("/readyz").status_code == 503)
        answer = server.client.get("/readyz").json()
        assert answer["ok"] is False
        assert "event store refuses events" in answer["reason"]
    finally:
        rename(server.runtime.events, "away", "event")
    _until(lambda: server.client.get("/readyz").status_code == 200)
    assert [row["url_path"] for row in server.events(website)] == ["/"]


def _until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_base_path_moves_everything(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", base_path="/stats")) as server:
        website = server.create_website()
        populate(server, website, [view(A, "2026-11-10 10:00:00")])
        assert len(server.events(website)) == 1
        assert server.client.get("/script.js").status_code == 200
        assert server.client.get("/healthz").status_code == 200
        assert server.graphql("{ version }")["data"]["version"]
        root = server.url.removesuffix("/stats")
        for path in ("/api/heartbeat", "/script.js", "/healthz", "/graphql"):
            assert httpx.get(root + path).status_code == 404


def test_what_was_collected_is_there_after_a_restart(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(store)
    with running(settings) as server:
        website = server.create_website()
        populate(server, website, VECTORS)
    with running(settings) as server:
        stats = server.get(f"/api/websites/{website}/stats", startAt=0, endAt=1)
        assert stats["pageviews"]["value"] == 6
        populate(server, website, [view(A, "2026-11-12 10:00:00")])
        stats = server.get(f"/api/websites/{website}/stats", startAt=0, endAt=1)
        assert stats["pageviews"]["value"] == 7


def test_several_workers_on_postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Each process has a journal of its own, and what any of them accepted is counted."""
    url: str = request.getfixturevalue("postgres")()
    with serving(environment(tmp_path / "data", url, WORKERS="2"), tmp_path / "log") as process:
        headers = {"authorization": f"Bearer {process.token()}"}
        made = httpx.post(
            f"{process.url}/api/websites", json={"name": "x", "domain": "x.org"}, headers=headers
        )
        website = made.json()["id"]
        payload = {"website": website, "url": "/"}
        for sent in range(1, 41):  # a connection each, so that both processes get some
            answer = httpx.post(
                f"{process.url}/api/send",
                json={"type": "event", "payload": payload},
                headers={"user-agent": CHROME},
            )
            assert "sessionId" in answer.json()
            # Whichever process answers, it has waited for what the other accepted.
            stats = httpx.get(
                f"{process.url}/api/websites/{website}/stats",
                params={"startAt": 0, "endAt": 1},
                headers=headers,
            )
            assert stats.status_code == 200, stats.text + process.log.read_text()
            assert stats.json()["pageviews"]["value"] == sent
        assert len(list((tmp_path / "data" / "journal").glob("journal-*.sqlite"))) == 2
        # Whichever process is asked for figures, it adds those of the other, which are a few seconds old.
        accepted: dict[str, float] = {}
        deadline = time.monotonic() + 20
        while sum(accepted.values()) < 40 and time.monotonic() < deadline:
            page = httpx.get(f"{process.url}/metrics").text
            accepted = {
                dict(labels)["worker"]: value
                for (name, labels), value in parsed(page).items()
                if name == "dashi_accepted_hits_total"
            }
        assert (accepted.keys(), sum(accepted.values())) == ({"1", "2"}, 40)
        assert page.count("# TYPE dashi_accepted_hits_total counter") == 1
        # Each of them logs as the settings say.
        assert '"logger": "dashi.request"' in process.log.read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()
