"""The other processes of this server, on this machine or on others: what they change is heard, and they go together.

They meet in the PostgreSQL of their accounts. Accounts in a file have none but those of the same machine, whose changes are
seen when what is remembered is over.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.context import CHANGES, KEYS, Runtime
from app.errors import Invalid
from app.listen import Line
from app.security import Keys, digest

# Any constant numbers but those of `app.db`, `app.tries` and the migrations. Of two locks that every process holds as long as
# it runs, each beside a number that is the same for all that may run together: one made of its secret, and one of where its
# events are. And of the lock that is held while it looks who is there.
_SECRET: Final = 7_244_315
_EVENTS: Final = 7_244_318
_MEETING: Final = 7_244_316
_PRESENT: Final = sa.text(
    "SELECT objid::bigint AS number, count(*) AS processes FROM pg_locks WHERE locktype = 'advisory'"
    " AND classid = :lock AND objsubid = 2 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY objid"
)


class Peers:
    """One connection to the accounts by which this process hears what others change, and is known to be there.

    Raises Invalid where processes are running that it does not go with. With another secret a login at one would be none at
    the other, and each visitor would be two; with other events each would count its own, and remove what others reset.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._line: Line | None = None
        engine = _shared(runtime)
        if engine is None:
            return
        with engine.begin() as connection:
            # One at a time: of two that begin together the second sees the first.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MEETING)))
            _check(connection, runtime)
            held = ((_SECRET, _of_secret(runtime.keys)), (_EVENTS, _of_events(runtime)))
            present = ", ".join(f"pg_advisory_lock_shared({lock}, {number})" for lock, number in held)
            self._line = Line(
                engine, "The accounts store", CHANGES, self._heard, runtime.in_doubt, f"SELECT {present}"
            )

    def close(self) -> None:
        if self._line:
            self._line.close()

    def _heard(self, changes: Sequence[str]) -> None:
        for change in changes:
            if change == KEYS:
                self._runtime.keys_changed()
            else:
                self._runtime.website_changed(UUID(change))


def check(runtime: Runtime) -> None:
    """Raise Invalid where serving would, because of the processes that are running."""
    if engine := _shared(runtime):
        with engine.connect() as connection:
            _check(connection, runtime)


def running(connection: Connection, keys: Keys) -> tuple[int, int]:
    """How many processes run over these accounts: with this secret, and with another."""
    return _present(connection, _SECRET, _of_secret(keys))


def _check(connection: Connection, runtime: Runtime) -> None:
    if running(connection, runtime.keys)[1]:
        raise Invalid(
            "A server that shares these accounts is running with another APP_SECRET: give all of them the same, or stop"
            " that one first",
            field="APP_SECRET",
        )
    if _present(connection, _EVENTS, _of_events(runtime))[1]:
        raise Invalid(
            "A server that shares these accounts is running with other events: DuckDB belongs to one process, so set"
            " EVENTS_URL to the same database for all, or stop that one first",
            field="EVENTS_URL",
        )


def _present(connection: Connection, lock: int, number: int) -> tuple[int, int]:
    """How many processes hold a lock beside this number, and beside others."""
    found = {row.number: row.processes for row in connection.execute(_PRESENT, {"lock": lock})}
    alike = found.pop(number, 0)
    return alike, sum(found.values())


def _of_secret(keys: Keys) -> int:
    return _number(keys.hidden("peers"))


def _of_events(runtime: Runtime) -> int:
    """The same for all stores that can be shared: one database can have many addresses."""
    if not runtime.events.embedded:
        return 0
    return _number(digest(f"{socket.gethostname()} {runtime.events.engine.url.database}"))


def _number(hexadecimal: str) -> int:
    """31 bits, which PostgreSQL takes for a positive number."""
    return int(hexadecimal[:8], 16) & 0x7FFF_FFFF


def _shared(runtime: Runtime) -> Engine | None:
    """The engine of accounts that processes can meet in, None if they are in a file."""
    bound: Any = runtime.accounts.kw["bind"]
    return bound if bound.dialect.name == "postgresql" else None
