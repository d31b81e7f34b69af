"""The other processes of this server, on this machine or on others: what they change is heard, and they have one secret.

They meet in the PostgreSQL of their accounts. Accounts in a file have none but those of the same machine, whose changes are
seen when what is remembered is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.context import CHANGES, KEYS, Runtime
from app.errors import Invalid
from app.listen import Listener
from app.security import Keys

# Any constant numbers but those of `app.db`, `app.tries` and the migrations: of the lock that every process holds as long
# as it runs, beside a number made from its secret, and of the one that is held while it looks who is there.
_SECRET: Final = 7_244_315
_MEETING: Final = 7_244_316
_PROCESSES: Final = sa.text(
    "SELECT objid::bigint AS number, count(*) AS processes FROM pg_locks WHERE locktype = 'advisory'"
    " AND classid = :secret AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY objid"
)


class Peers:
    """One connection to the accounts by which this process hears what others change, and is known to be there.

    Raises Invalid where processes with another secret are running: a login at one would be none at the other, and each
    visitor would be two.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._listener: Listener | None = None
        engine = _shared(runtime)
        if engine is None:
            return
        with engine.begin() as connection:
            # One at a time: of two that begin together the second sees the first.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MEETING)))
            _check(connection, runtime.keys)
            present = f"SELECT pg_advisory_lock_shared({_SECRET}, {number_of(runtime.keys)})"
            self._listener = Listener(
                engine, "The accounts store", CHANGES, self._heard, runtime.in_doubt, present
            )

    def close(self) -> None:
        if self._listener:
            self._listener.close()

    def _heard(self, changes: Sequence[str]) -> None:
        for change in changes:
            if change == KEYS:
                self._runtime.keys_changed()
            else:
                self._runtime.website_changed(UUID(change))


def check_secret(runtime: Runtime) -> None:
    """Raise Invalid where serving would, because of processes with another secret."""
    if engine := _shared(runtime):
        with engine.connect() as connection:
            _check(connection, runtime.keys)


def running(connection: Connection, keys: Keys) -> tuple[int, int]:
    """How many processes run over these accounts: with this secret, and with another."""
    found = {row.number: row.processes for row in connection.execute(_PROCESSES, {"secret": _SECRET})}
    alike = found.pop(number_of(keys), 0)
    return alike, sum(found.values())


def number_of(keys: Keys) -> int:
    """31 bits of a secret, which tell it from another one."""
    return int(keys.hidden("peers")[:8], 16) & 0x7FFF_FFFF


def _check(connection: Connection, keys: Keys) -> None:
    if running(connection, keys)[1]:
        raise Invalid(
            "A server that shares these accounts is running with another APP_SECRET: give all of them the same, or stop"
            " that one first",
            field="APP_SECRET",
        )


def _shared(runtime: Runtime) -> Engine | None:
    """The engine of accounts that processes can meet in, None if they are in a file."""
    bound: Any = runtime.accounts.kw["bind"]
    return bound if bound.dialect.name == "postgresql" else None
