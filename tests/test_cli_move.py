"""`dashi move-events`, as a command between real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from app import cli_move, erasure, logs, migrations
from app.erasure import Target
from app.errors import Conflict, Invalid, Unavailable
from app.models import Website
from app.settings import Settings
from tests.populate import populate
from tests.process import environment, serving
from tests.server import Server
from tests.stores import event_store
from tests.test_backup import counted, journal_alone, stored
from tests.test_cli import dashi
from tests.test_removals import HITS, RESET, ROWS, idle


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of an instance, which is this process's too. What this process logs stays pytest's."""
    env = environment(tmp_path / "data")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(logs, "configure", lambda settings: None)
    return env


def test_a_server_goes_on_with_the_moved_events_and_counts_each_once(
    given: dict[str, str], tmp_path: Path, postgres: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    target = make_url(postgres()).set(drivername="postgres", password="unspoken").render_as_string(False)
    with stored(given, tmp_path / "log", "a", "b") as (process, website_id):
        with pytest.raises(
            Unavailable, match=r"events\.duckdb is held by process \d+: stop the server first$"
        ):
            cli_move.move_events([target])
        assert counted(process, website_id) == {"a": 1, "b": 1}
        # What the server leaves is in DuckDB's log, and in the journal still.
        process.kill()
    # And an event that is in the journal alone.
    journal_alone(tmp_path / "data/journal/journal-1.sqlite", "b", "c")
    moved = dashi("move-events", target, env=given)
    assert moved.returncode == 0, moved.stdout + moved.stderr
    said = " ".join(moved.stdout.split())
    assert "event 1 rows 2," in said
    assert "2 rows are in postgresql+psycopg://postgres:***@" in said
    assert "Set EVENTS_URL to it, with its password, and start the server." in said
    assert "unspoken" not in moved.stdout + moved.stderr
    # Again: there is nothing left to move.
    cli_move.move_events([target])
    assert " ".join(capsys.readouterr().out.split()) == said
    with serving({**given, "EVENTS_URL": target}, tmp_path / "log") as process:
        assert counted(process, website_id) == {"a": 1, "b": 1, "c": 1}
    # From there it has moved on.
    with pytest.raises(Conflict, match="The destination is not empty: it holds 3 rows of event"):
        cli_move.move_events([f"duckdb:///{tmp_path}/data/events.duckdb", target])


@pytest.fixture
def files(tmp_path: Path, given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a store `from.duckdb`, which is that of the environment."""
    monkeypatch.setenv("EVENTS_URL", f"duckdb:///{tmp_path}/from.duckdb")
    with event_store(Settings()):
        pass
    return tmp_path


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("duckdb:///{}/from.duckdb", None, "duckdb:///{}/from.duckdb is both the source and the destination"),
        (
            "duckdb:///{}/../{name}/from.duckdb",
            "duckdb:///{}/from.duckdb",
            "duckdb:///{}/from.duckdb is both the source and the destination",
        ),
        (
            "postgresql://one:secret@db/events",
            "postgresql+psycopg://other:secret@db/events",
            "postgresql+psycopg://other:***@db/events is both the source and the destination",
        ),
        (
            "duckdb:///{}/none.duckdb",
            "duckdb:///{}/to.duckdb",
            "There is no {}/none.duckdb to move events from",
        ),
        (
            "mysql://me:secret@db/events",
            None,
            "mysql://me:***@db/events is no event store: give a duckdb:///, postgresql:// or clickhousedb:// URL",
        ),
    ],
)
def test_what_cannot_be_moved_is_refused_before_anything_is_touched(
    files: Path, first: str, second: str | None, said: str
) -> None:
    before = sorted(files.rglob("*"))
    urls = [url.format(files, name=files.name) for url in (first, second) if url]
    with pytest.raises(Invalid) as refused:
        cli_move.move_events(urls)
    assert refused.value.message == said.format(files)
    assert sorted(files.rglob("*")) == before


def test_a_source_of_an_earlier_version_is_brought_up_to_date_and_a_later_one_refused(files: Path) -> None:
    settings = Settings(events_url=f"duckdb:///{files}/earlier.duckdb")
    with (
        pytest.raises(Unavailable),
        cli_move._opened(Settings(events_url="postgresql://x@127.0.0.1:1/x"), "source"),
    ):
        pass
    with cli_move._opened(settings, "source") as store, store.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE tidied"))
        connection.execute(sa.text("UPDATE alembic_version_events SET version_num = 'events_0004'"))
    with cli_move._opened(settings, "source") as store, store.engine.begin() as connection:
        assert migrations.version(connection, "events") == migrations.newest("events")
        connection.execute(sa.text("UPDATE alembic_version_events SET version_num = 'events_9999'"))
    with pytest.raises(Invalid, match=r"The schema of events is events_9999, of a newer Dashi"):
        cli_move.move_events([f"duckdb:///{files}/earlier.duckdb", f"duckdb:///{files}/from.duckdb"])


@pytest.fixture
def idle_server(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(erasure, "_AT_ONCE", 0)
    with idle(make_settings("duckdb")) as started:
        yield started


def test_what_is_to_be_removed_goes_first(idle_server: Server) -> None:
    """Its bounds are numbers of the source's writes; in the destination they would be about other rows."""
    website_id = idle_server.create_website()
    populate(idle_server, website_id, HITS)
    idle_server.graphql(RESET, {"id": website_id})
    runtime, target = idle_server.runtime, Target(UUID(website_id))
    with pytest.raises(
        Conflict, match="Rows of websites are still to be removed from the store that was served last"
    ):
        cli_move._finish_removals(runtime, False)
    assert erasure.count(runtime.events, target) == ROWS
    cli_move._finish_removals(runtime, True)
    assert erasure.count(runtime.events, target) == 0
    with runtime.accounts() as session:
        assert session.get_one(Website, UUID(website_id)).removed_upto is None
