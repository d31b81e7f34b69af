"""A disk without room: hits are refused, nothing acknowledged is lost, and room alone is enough to go on."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.faults.disk import small_disk
from tests.faults.load import Site, readiness, told_plainly, until, wait_until_ready
from tests.process import environment, serving

# Both doors need a secret; the fault is not to be about it.
LIMITS = {"DUCKDB_MEMORY_LIMIT": "256MB"}


def test_a_full_disk_under_the_journal(tmp_path: Path) -> None:
    """The store is elsewhere, and so are the accounts: only taking hits is impossible."""
    (tmp_path / "elsewhere").mkdir()
    env = environment(
        tmp_path / "data",
        f"sqlite:///{tmp_path}/elsewhere/accounts.sqlite",
        EVENTS_URL=f"duckdb:///{tmp_path}/elsewhere/events.duckdb",
        **LIMITS,
    )
    with small_disk(tmp_path / "data", "12m") as disk, serving(env, tmp_path / "log") as process:
        site = Site(process)
        with site.load(process, "a") as load:
            load.wait_for(100)
            disk.fill()
            load.wait_for_refusals(50)
            assert set(load.refused) == {"The journal cannot be written: there is no room left on its disk"}
            status, reason = readiness(process)
            assert (status, reason) == (
                503,
                "The journal cannot be written: there is no room left on its disk",
            )
            disk.make_room()
            load.wait_for(100)
        site.note(load)
        wait_until_ready(process)
        site.judge(process)
        told_plainly(process)


def test_a_full_disk_under_the_event_store(tmp_path: Path) -> None:
    """Hits are taken as before; they are counted once the store has room. DuckDB has to be opened anew for that."""
    env = environment(tmp_path / "data", EVENTS_URL=f"duckdb:///{tmp_path}/small/events.duckdb", **LIMITS)
    with small_disk(tmp_path / "small", "16m") as disk, serving(env, tmp_path / "log") as process:
        site = Site(process)
        with site.load(process, "a") as load:
            load.wait_for(100)
            disk.fill()
            until(lambda: readiness(process)[0] == 503)
            _, reason = readiness(process)
            assert reason == "The event store cannot be written: there is no room left on its disk"
            load.wait_for(200)
            assert load.refused == []
            disk.make_room()
            wait_until_ready(process)
            load.wait_for(100)
        site.note(load)
        site.judge(process)
        told_plainly(process)
        process.kill()
        with serving(env, tmp_path / "log") as again:
            site.judge(again)


def test_a_checkpoint_without_room_closes_duckdb_and_it_is_opened_anew(tmp_path: Path) -> None:
    env = environment(tmp_path / "data", EVENTS_URL=f"duckdb:///{tmp_path}/small/events.duckdb", **LIMITS)
    with small_disk(tmp_path / "small", "16m") as disk, serving(env, tmp_path / "log") as process:
        site = Site(process)
        other = Site(process)
        headers = {"authorization": f"Bearer {process.token()}"}
        with site.load(process, "a") as load:
            load.wait_for(300)
        site.note(load)
        site.judge(process)  # all of it is in the store, and in its log
        # A reset puts everything into the file, for which there is no room.
        disk.fill(leave=8 << 10)
        reset = httpx.post(f"{process.url}/api/websites/{other.id}/reset", headers=headers, timeout=30)
        assert (reset.status_code, reset.headers["retry-after"]) == (503, "5"), reset.text
        with site.load(process, "b") as load:
            load.wait_for(100)
            assert readiness(process)[0] == 503
            # Questions are refused as plainly.
            asked = httpx.get(
                f"{process.url}/api/websites/{site.id}/stats?startAt=0&endAt=1", headers=headers, timeout=30
            )
            assert (asked.status_code, "retry-after" in asked.headers) in ((503, True), (200, False)), (
                asked.text
            )
            disk.make_room()
            wait_until_ready(process)
            assert "the event store was opened anew" in process.log.read_text()
            load.wait_for(100)
            assert load.refused == []
        site.note(load)
        site.judge(process)
        told_plainly(process)


def test_a_full_disk_under_everything(tmp_path: Path) -> None:
    """The ordinary case: one disk for the journal, the store and the accounts."""
    env = environment(tmp_path / "data", **LIMITS)
    with small_disk(tmp_path / "data", "24m") as disk, serving(env, tmp_path / "log") as process:
        site = Site(process)
        headers = {"authorization": f"Bearer {process.token()}"}

        def create() -> httpx.Response:
            body = {"name": "y" * 100, "domain": "y.org"}
            return httpx.post(f"{process.url}/api/websites", json=body, headers=headers, timeout=30)

        with site.load(process, "a") as load:
            load.wait_for(100)
            disk.fill()
            load.wait_for_refusals(50)
            made = create()
            while made.status_code == 200:  # what SQLite's log has room for
                made = create()
            assert made.status_code == 503
            assert made.json() == {
                "error": "The accounts store cannot be written: there is no room left on its disk"
            }
            assert made.headers["retry-after"] == "5"
            disk.make_room()
            load.wait_for(100)
        site.note(load)
        assert create().status_code == 200
        wait_until_ready(process)
        site.judge(process)
        told_plainly(process)
