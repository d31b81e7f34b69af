"""Hearing what any process does in PostgreSQL: LISTEN and NOTIFY.

NOTIFY is part of the transaction that it tells of, so what is heard is there to be read, and what was rolled back is never
heard.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine

from app.errors import Unavailable
from app.outage import outage
from app.stored import Stored

log = logging.getLogger("dashi.listen")

_STORED: Final = "dashi_stored"
# Seconds of silence after which the line is tried.
_SILENCE: Final = 20.0
_RETRY: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
# Without these a machine that no longer answers is waited for as long as the system sees fit: a quarter of an hour.
PATIENCE: Final = {"connect_timeout": 10, "tcp_user_timeout": 10_000}
# The same for PostgreSQL: of a machine that is gone it would keep the locks for two hours, and all other processes waiting.
_MISSED = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def be_missed(connection: Any, _record: Any = None) -> None:
    """Have PostgreSQL end this connection (of psycopg's) half a minute after its machine is gone.

    What the server's operator has set stands.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(name, wanted.value, false) FROM pg_settings"
            " JOIN unnest(%s::text[], %s::text[]) AS wanted(name, value) USING (name) WHERE source = 'default'",
            (list(_MISSED), list(_MISSED.values())),
        )
    if not connection.autocommit:
        connection.commit()


def announce(connection: sa.Connection, channel: str, told: Sequence[str]) -> None:
    """Tell it to all who listen once this transaction is committed. Where accounts are a file there is nobody to tell."""
    if told and connection.dialect.name == "postgresql":
        payloads = sa.literal(list(told), postgresql.ARRAY(sa.Text))
        connection.execute(sa.select(sa.func.pg_notify(channel, sa.func.unnest(payloads))))


def notify(connection: sa.Connection, told: Sequence[Stored]) -> None:
    """Tell what this transaction stores, as `announce` does."""
    announce(connection, _STORED, [one.written() for one in told])


class Line:
    """One connection and one thread that hear what all processes tell on a channel.

    `heard` is called with it; `lost` after the connection had to be made again, when something may not have been heard.
    `store` is what is told to be away, `greeting` a statement that each connection begins with. Raises Unavailable when
    PostgreSQL does not answer at the start.
    """

    def __init__(
        self,
        engine: Engine,
        store: str,
        channel: str,
        heard: Callable[[Sequence[str]], None],
        lost: Callable[[], None],
        greeting: str = "SELECT 1",
    ) -> None:
        self._engine = engine
        self._channel = channel
        self._greeting = greeting
        self._heard = heard
        self._lost = lost
        self._lost_line = engine.dialect.loaded_dbapi.OperationalError
        self._stopping = threading.Event()
        try:
            self._connection = self._open()
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise Unavailable(f"{store} does not answer") from error
        self._woken, self._waking = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="listen", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._waking.send(b"!")
        self._thread.join(5)
        for end in (self._waking, self._woken):
            end.close()

    def _open(self) -> Any:
        """A connection of its own, of psycopg's, which does not count among the engine's."""
        dialect = self._engine.dialect
        positional, named = dialect.create_connect_args(self._engine.url)
        # Under a name of its own: whoever looks at the server's connections sees what this one is for.
        given = {**PATIENCE, **named, "application_name": self._channel.replace("_", " ")}
        connection: Any = dialect.connect(*positional, **given)
        try:
            connection.autocommit = True
            be_missed(connection)
            connection.execute(self._greeting)
            connection.execute(f"LISTEN {self._channel}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                if self._connection is None:
                    self._connection = self._open()
                    self._lost()
                attempt = 0
                self._listen()
            except Exception as error:  # a notification that nobody here sent as well: the thread must go on
                told = outage(error, "PostgreSQL")
                log.warning(
                    "the line to PostgreSQL's notifications broke, a new one is made",
                    exc_info=None if told or isinstance(error, self._lost_line) else error,
                )
                self._hang_up()
                self._stopping.wait(_RETRY[min(attempt, len(_RETRY) - 1)])
                attempt += 1
        self._hang_up()

    def _listen(self) -> None:
        with DefaultSelector() as waiting:
            for source in (self._connection, self._woken):
                waiting.register(source, EVENT_READ)
            while not self._stopping.is_set():
                if told := [one.payload for one in self._connection.notifies(timeout=0)]:
                    self._heard(told)
                elif not waiting.select(_SILENCE):
                    # A line that is cut without a word is found out by using it.
                    self._connection.execute("SELECT 1")

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Listener(Line):
    """Hears what all processes store; otherwise as `Line`."""

    def __init__(
        self, engine: Engine, heard: Callable[[Sequence[Stored]], None], lost: Callable[[], None]
    ) -> None:
        super().__init__(
            engine,
            "The event store",
            _STORED,
            lambda told: heard([Stored.read(text) for text in told]),
            lost,
        )
