from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_embedded_files_by_default() -> None:
    made = Settings(data_dir=Path("/d"))
    assert (made.host, made.port, made.workers) == ("127.0.0.1", 3000, 1)
    assert made.accounts_url == "sqlite:////d/accounts.sqlite"
    assert made.event_store_url == "duckdb:////d/events.duckdb"


def test_one_url_moves_both_to_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings(monkeypatch, DATABASE_URL="postgresql://u:p@h:5432/umami?schema=public&sslmode=require")
    assert made.accounts_url == "postgresql+psycopg://u:p@h:5432/umami?sslmode=require"
    assert made.event_store_url == made.accounts_url


def test_events_can_live_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings(monkeypatch, DATABASE_URL="postgres://h/a", EVENTS_URL="duckdb:////d/e.duckdb")
    assert made.accounts_url == "postgresql+psycopg://h/a"
    assert made.event_store_url == "duckdb:////d/e.duckdb"


@pytest.mark.parametrize(
    ("value", "on"), [("1", True), ("true", True), ("yes please", True), ("0", False), ("", False)]
)
def test_umamis_switches_are_on_when_set_to_anything(
    monkeypatch: pytest.MonkeyPatch, value: str, on: bool
) -> None:
    assert settings(monkeypatch, DISABLE_BOT_CHECK=value).disable_bot_check is on


def test_paths_are_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings(
        monkeypatch, BASE_PATH="stats/", COLLECT_API_ENDPOINT="api/pulse", TRACKER_SCRIPT_NAME="a.js, /b,"
    )
    assert (made.base_path, made.collect_api_endpoint) == ("/stats", "/api/pulse")
    assert made.tracker_names == ["script.js", "a.js", "b.js"]


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings(monkeypatch, APP_SECRET="hush", ADMIN_PASSWORD="quiet")
    assert "hush" not in repr(made)
    assert "quiet" not in repr(made)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


def test_a_bad_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="port"):
        settings(monkeypatch, PORT="seventy")


@pytest.mark.parametrize("name", ["DATABASE_URL", "EVENTS_URL"])
def test_what_is_no_url_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(monkeypatch, **{name: "postgresql:hush@@"})
    [problem] = refused.value.errors()
    assert problem["loc"] == (name.lower(),)
    assert problem["msg"].endswith("is no URL of a database, as postgresql://user:password@host/database")
    assert "hush" not in problem["msg"]
