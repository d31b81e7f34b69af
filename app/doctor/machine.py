"""What the doctor looks at on this machine: the secret, files and their owners, room, memory, the clock."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import stat
import time
from pathlib import Path
from typing import Final

import maxminddb

from app.doctor.finding import Finding, amount, ok, problem, warning
from app.engines import accounts_file, events_file, machine_limits
from app.manifest import JOURNAL, SECRET
from app.settings import Settings

_SHORTEST: Final = 16
_FEWEST_CHARACTERS: Final = 8
# Of documentation and examples, Umami's among them.
_KNOWN_SECRETS: Final = frozenset(
    {
        "replace-me-with-a-random-string",
        "replace-me-with-a-random-secret",
        "your-secret-key-goes-here",
        "this-is-my-secret-string",
        "change-me-please-change-me",
        "changemechangeme",
    }
)
_LEAST_ROOM: Final = 256 << 20
_LEAST_MEMORY: Final = 512 << 20
_OLD_PLACES: Final = dt.timedelta(days=365)
# This version was made later than that.
_RELEASED: Final = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
# Seconds that a file may be younger than now: file systems round.
_ROUNDED: Final = 5.0
_UNITS: Final = {
    "": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate(("", "k", "m", "g", "t"))},
    **{f"{letter}ib": 1024**power for power, letter in enumerate(("k", "m", "g", "t"), 1)},
}


def secret(settings: Settings) -> Finding:
    name = "secret"
    new = "Set APP_SECRET to a random one (openssl rand -hex 32). All logins end, and visitors count as new ones."
    if settings.app_secret is not None:
        found, source = settings.app_secret.get_secret_value(), "APP_SECRET"
    else:
        file = settings.data_dir.resolve() / SECRET
        if not file.exists():
            return ok(name, f"There is none yet: the first start makes one, in {file}.")
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            return problem(
                name, f"Others than its owner may read or write {file} ({mode:o}).", f"chmod 600 {file}"
            )
        try:
            found, source = file.read_text().strip(), str(file)
        except PermissionError:
            return problem(name, f"{file} cannot be read.", "Run this as the user that runs the server.")
        if not found:
            return problem(
                name,
                f"{file} is empty.",
                "Put the secret back, or remove the file to begin with a new one: all logins end then.",
            )
    if found.lower() in _KNOWN_SECRETS:
        return problem(name, f"The secret of {source} is that of an example: everybody knows it.", new)
    if len(found) < _SHORTEST or len(set(found)) < _FEWEST_CHARACTERS:
        return problem(
            name,
            f"The secret of {source} can be guessed: it has {len(found)} characters, {len(set(found))} of them different. "
            "Who guesses it logs in as anybody.",
            new,
        )
    return ok(name, f"It comes from {source} and is long enough.")


def directory(settings: Settings) -> Finding:
    """DATA_DIR and who may read what is in it."""
    name, place = "data directory", settings.data_dir.resolve()
    if not place.exists():
        return ok(name, f"{place} is not there yet: the first start makes it.")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return problem(
            name, f"{place} cannot be written.", "Run this, and the server, as the user that owns it."
        )
    if place.stat().st_mode & stat.S_IXOTH:
        files = [accounts_file(settings), events_file(settings), *(place / JOURNAL).glob("*.sqlite")]
        for file in files:
            if file and file.exists() and file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
                return problem(name, f"Every user of this machine may read {file}.", f"chmod 700 {place}")
    return ok(name, f"{place} is closed to other users of this machine.")


def disk(settings: Settings) -> Finding:
    """Room for what the journal may grow to, and for the store beside it."""
    name, place = "disk", settings.data_dir.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{amount(free)} are free in {place}"
    more = "Make room, or move DATA_DIR to a larger disk."
    if free < _LEAST_ROOM:
        return problem(name, f"{text}: events will soon be refused.", more)
    if free < settings.journal_max_bytes:
        return warning(
            name,
            f"{text}, less than the {amount(settings.journal_max_bytes)} that the journal may hold while the store is down.",
            f"{more} Or set JOURNAL_MAX_BYTES lower.",
        )
    return ok(name, f"{text}.")


def memory(settings: Settings) -> Finding:
    name = "memory"
    there, _ = machine_limits()
    if events_file(settings) is None:
        return ok(name, f"{amount(there)}; the events are in PostgreSQL.")
    if settings.duckdb_memory_limit:
        wanted = _bytes(settings.duckdb_memory_limit, there)
        if wanted is None:
            return problem(
                name,
                f"DUCKDB_MEMORY_LIMIT is {settings.duckdb_memory_limit!r}, which is no amount.",
                "Write it like 1GB or 512MiB, or leave it unset.",
            )
        if wanted > 0.7 * there:
            return problem(
                name,
                f"DuckDB may take {amount(wanted)} of {amount(there)}: the rest is too little for the server, which is "
                "killed then.",
                f"Set DUCKDB_MEMORY_LIMIT to at most {amount(there / 2)}, or leave it unset.",
            )
    if there < _LEAST_MEMORY:
        return warning(
            name,
            f"There are {amount(there)}.",
            f"Give it {amount(_LEAST_MEMORY)}: large reports may fail with less.",
        )
    return ok(
        name, f"{amount(there)}, of which DuckDB takes {settings.duckdb_memory_limit or 'at most 384MiB'}."
    )


def _bytes(text: str, there: int) -> float | None:
    """An amount as DuckDB takes it; None for what is none."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*|%)\s*", text.lower())
    if not found:
        return None
    if found[2] == "%":
        return float(found[1]) / 100 * there
    unit = _UNITS.get(found[2] if found[2].endswith("b") or not found[2] else f"{found[2]}b")
    return float(found[1]) * unit if unit else None


def workers(settings: Settings) -> Finding:
    name = "workers"
    _, processors = machine_limits()
    if settings.workers > 1 and events_file(settings):
        return problem(
            name,
            f"WORKERS is {settings.workers}, and DuckDB belongs to one process: the server will not start.",
            "Set WORKERS=1, or EVENTS_URL to a PostgreSQL database.",
        )
    if settings.workers > 2 * processors:
        return warning(
            name,
            f"WORKERS is {settings.workers} on {processors} processors: they only stand in each other's way.",
            f"Set WORKERS to {processors}.",
        )
    return ok(name, f"{settings.workers} on {processors} processors.")


def places(settings: Settings) -> Finding:
    """The file that tells countries, regions and cities."""
    name, file = "places", settings.geolite_db_path
    if file is None:
        return ok(
            name,
            "Countries come from the table of the installation. For regions and cities set GEOLITE_DB_PATH.",
        )
    advice = (
        "Download it anew, or unset GEOLITE_DB_PATH: then countries come from a table of the installation."
    )
    try:
        with maxminddb.open_database(file) as reader:
            about = reader.metadata()
    except FileNotFoundError:
        return problem(name, f"There is no file at {file}.", advice)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        return problem(name, f"{file} cannot be read ({type(error).__name__}).", advice)
    made = dt.datetime.fromtimestamp(about.build_epoch, dt.UTC)
    text = f"{file} ({about.database_type}) is of {made:%Y-%m-%d}"
    if dt.datetime.now(dt.UTC) - made > _OLD_PLACES:
        return warning(name, f"{text}: addresses have changed hands since.", "Download a newer one.")
    return ok(name, f"{text}.")


def clock(settings: Settings) -> Finding:
    """Against this version's making, and what was written here before."""
    name, now = "clock", time.time()
    said = f"{dt.datetime.fromtimestamp(now, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    advice = "Set the clock, and have it kept by NTP: events get its time."
    if now < _RELEASED.timestamp():
        return problem(name, f"It says {said}, and this version was made later.", advice)
    for file in _written(settings.data_dir.resolve()):
        try:
            ahead = file.stat().st_mtime - now
        except FileNotFoundError:
            continue
        if ahead > _ROUNDED:
            return problem(name, f"It says {said}, and {file} was written {ahead:.0f} s later.", advice)
    return ok(name, f"It says {said}.")


def _written(place: Path) -> list[Path]:
    return [file for file in place.rglob("*") if file.is_file()] if place.exists() else []
