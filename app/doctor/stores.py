"""What the doctor looks at in the stores and the journals. Nothing of them is changed, and no DuckDB file is opened that
a server holds."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, make_url

from app import migrations, peers
from app.doctor.finding import Finding, amount, ok, problem, warning
from app.doctor.server import Running
from app.engines import accounts_file, duckdb_file, events_engine, events_file
from app.manifest import JOURNAL, SECRET
from app.migrations import Chain
from app.models import User
from app.security import Keys, load_app_secret, verify_password
from app.settings import Settings
from app.sql import CLICKHOUSE
from app.tables import applied_batch

# Seconds that a database may take to answer.
_CONNECT: Final = 5
# What a server is called, how it tells its version, and the oldest that Dashi is tested with.
_SERVERS: Final = {
    "postgresql": ("PostgreSQL", "SHOW server_version", "14"),
    CLICKHOUSE: ("ClickHouse", "SELECT version()", "26.9"),
}
# The first password of Umami, and what people choose who want to get on.
_WEAK: Final = ("umami", "admin", "password", "changeme", "dashi", "12345678")
_MOST_ADMINS: Final = 5


@contextmanager
def _reading(settings: Settings, chain: Chain) -> Iterator[Connection]:
    """A connection that reads a store. Its file, if it is one, must be there."""
    file = accounts_file(settings) if chain == "accounts" else events_file(settings)
    if file and chain == "events":
        engine = duckdb_file(file)
    elif file:
        # `rw`: where the file is away none is made. `ro` would leave files behind that it had to make for reading.
        engine = sa.create_engine(f"sqlite:///{file.as_uri()}?mode=rw&uri=true", hide_parameters=True)
    elif _backend(settings, chain) == CLICKHOUSE:
        engine = events_engine(settings, opened=False)
    else:
        url = settings.accounts_url if chain == "accounts" else settings.event_store_url
        engine = sa.create_engine(url, connect_args={"connect_timeout": _CONNECT}, hide_parameters=True)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def store(settings: Settings, chain: Chain, held: int | None, running: Running | None) -> Finding:
    """Whether it can be reached and has this version's schema."""
    file = accounts_file(settings) if chain == "accounts" else events_file(settings)
    if file and not file.exists():
        return ok(chain, f"{file} is not there yet: the first start makes it.")
    if chain == "events" and held is not None:
        where = f"{file} is held by process {held or 'unknown'}"
        return (
            _schema(chain, running.info["events_schema"], where)
            if running and running.info
            else ok(chain, f"{where}.")
        )
    server, asked, oldest = ("", "", "") if file else _SERVERS[_backend(settings, chain)]
    old = False
    try:
        with _reading(settings, chain) as connection:
            where = str(file)
            if server:
                there = str(connection.exec_driver_sql(asked).scalar_one()).split()[0]
                where, old = f"{server} {there}", _parts(there) < _parts(oldest)
            found = migrations.version(connection, chain)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        told = f" {str(cause).partition(chr(10))[0]}" if file is None else ""
        return problem(
            chain,
            f"{file or server} cannot be read ({type(cause).__name__}).{told}",
            "Look whether it runs and lets this user in."
            if file is None
            else "Restore a backup if it is damaged.",
        )
    if old:
        return warning(chain, f"{where} is older than what Dashi is tested with.", f"Use {oldest} or newer.")
    return _schema(chain, found, where)


def _backend(settings: Settings, chain: Chain) -> str:
    return make_url(
        settings.accounts_url if chain == "accounts" else settings.event_store_url
    ).get_backend_name()


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _schema(chain: Chain, found: str | None, where: str) -> Finding:
    newest = migrations.newest(chain)
    if found == newest:
        return ok(chain, f"{where}, with the schema of this version.")
    if found is not None and found > newest:
        return problem(
            chain,
            f"{where}: its schema is {found}, of a newer Dashi; this one knows {newest}.",
            "Install that version, or restore a backup made before.",
        )
    return warning(
        chain,
        f"{where}: its schema is {found or 'not there'}, that of this version {newest}.",
        "The next start brings it up to date. Make a backup first.",
    )


def admins(settings: Settings) -> Finding:
    """Whether an admin has a password that anybody would try, or still that of ADMIN_PASSWORD."""
    name = "passwords"
    file = accounts_file(settings)
    if file and not file.exists():
        return ok(name, "There are no users yet.")
    given = settings.admin_password.get_secret_value() if settings.admin_password else ""
    asked = sa.select(User.username, User.password).where(User.role == "admin").order_by(User.created_at)
    try:
        with _reading(settings, "accounts") as connection:
            found = connection.execute(asked.limit(_MOST_ADMINS)).all()
    except sa.exc.SQLAlchemyError:
        return ok(name, "They could not be looked at: see accounts.")
    for username, hashed in found:
        if any(verify_password(password, hashed) for password in (*_WEAK, username)):
            return problem(
                name,
                f"The admin {username} has a password that anybody would try.",
                f"dashi user password {username}",
            )
        if given and verify_password(given, hashed):
            return warning(
                name,
                f"The admin {username} still has the first password, that of ADMIN_PASSWORD in the environment.",
                f"dashi user password {username}, and unset ADMIN_PASSWORD.",
            )
    return ok(name, "No admin has one of those that are tried first.")


def processes(settings: Settings) -> Iterator[Finding]:
    """Who shares the accounts, where they are no file, and whether all have the secret that this command has."""
    file = settings.data_dir.resolve() / SECRET
    if accounts_file(settings) or (settings.app_secret is None and not file.exists()):
        return
    keys = Keys(load_app_secret(settings))
    try:
        with _reading(settings, "accounts") as connection:
            alike, others = peers.running(connection, keys)
    except sa.exc.SQLAlchemyError:
        return  # which the accounts' own finding tells
    if others:
        yield problem(
            "processes",
            f"{others} share these accounts with another secret: logins at one are none at the other, and each visitor is "
            "two.",
            "Give all of them the same APP_SECRET.",
        )
    else:
        yield ok("processes", f"Running over these accounts, all with this secret: {alike}.")


def journals(settings: Settings, running: Running | None, held: int | None) -> Iterator[Finding]:
    """What waits in them, and what the store refused."""
    directory = settings.data_dir.resolve() / JOURNAL
    waiting, rejected, size = 0, 0, 0
    for file in sorted(directory.glob("journal-*.sqlite")):
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=_CONNECT)) as journal:
                rejected += journal.execute("SELECT count(*) FROM rejected").fetchone()[0]
                if running is None and held is None:
                    [journal_id] = journal.execute("SELECT id FROM journal").fetchone() or [""]
                    after = _applied(settings, journal_id)
                    asked = "SELECT count(*) FROM batch WHERE number > ?"
                    waiting += journal.execute(asked, (after,)).fetchone()[0]
        except sqlite3.Error as error:
            yield problem(
                "journal",
                f"{file} cannot be read ({getattr(error, 'sqlite_errorname', type(error).__name__)}).",
                "Move it aside and restore it from a backup: what it holds may be counted nowhere else.",
            )
            return
        parts = (file, file.with_name(f"{file.name}-wal"))
        size += sum(part.stat().st_size for part in parts if part.exists())
    text = f"{amount(size)} of {amount(settings.journal_max_bytes)}"
    if waiting:
        text += f"; {waiting} batches wait, which the next start counts"
    if size > settings.journal_max_bytes // 2:
        yield warning(
            "journal",
            f"{text}.",
            "The store does not keep up or was down for long. Once it is full events are refused: look after the store.",
        )
    else:
        yield ok("journal", f"{text}.")
    if rejected:
        yield warning(
            "rejected rows",
            f"The store refused {rejected} rows; they are kept in the table `rejected` of {directory}/journal-*.sqlite.",
            "The log of that time tells why. Report it: rows should not be refused.",
        )


def _applied(settings: Settings, journal_id: str) -> int:
    """Number of the last batch of a journal that is in the store, 0 if none or if it cannot be told."""
    file = events_file(settings)
    if file and not file.exists():
        return 0
    last = sa.select(sa.func.max(applied_batch.c.batch)).where(
        sa.cast(applied_batch.c.journal_id, sa.Text) == journal_id
    )
    try:
        with _reading(settings, "events") as connection:
            return connection.scalar(last) or 0
    except sa.exc.SQLAlchemyError:
        return 0


def leftovers(settings: Settings) -> Iterator[Finding]:
    """Logs that could not be replayed, and what a restore moved aside."""
    found: list[Path] = []
    for file in (accounts_file(settings), events_file(settings)):
        if file and file.parent.exists():
            found += file.parent.glob(f"{file.name}*.quarantined-*")
            found += file.parent.glob(f"{file.name}*.before-restore-*")
    if found:
        yield warning(
            "left over",
            f"{len(found)} files take {amount(sum(file.stat().st_size for file in found))}, {found[0]} among them.",
            "They are logs that could not be replayed, or what a restore moved aside. If all figures are right, remove them.",
        )
