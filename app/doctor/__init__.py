"""`dashi doctor`: looks a deployment over, whether a server runs or not, and says in plain words what it finds."""

from __future__ import annotations

from collections.abc import Iterator

from app.backup import events_file, versions
from app.doctor import machine, stores
from app.doctor import server as servers
from app.doctor.finding import Finding, Level, ok
from app.held import held_journals, holder
from app.manifest import JOURNAL
from app.settings import Settings

__all__ = ["Finding", "Level", "examine"]


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, in the order in which they are to be read."""
    yield ok("versions", ", ".join(f"{name} {version}" for name, version in versions().items()))
    running = servers.ask(settings)
    held = _holder(settings)
    yield from servers.server(settings, running, held)
    for look in (
        *(machine.secret, machine.directory, machine.disk, machine.memory, machine.workers, machine.clock),
        machine.places,
    ):
        yield look(settings)
    yield stores.store(settings, "accounts", None, running)
    yield stores.store(settings, "events", held if events_file(settings) else None, running)
    yield from stores.journals(settings, running, held)
    yield stores.admins(settings)
    if running is not None and not running.refused:
        yield servers.lag(running)
        yield servers.proxies(settings, running)
    yield from stores.leftovers(settings)


def _holder(settings: Settings) -> int | None:
    """The process that holds the embedded files: its id, 0 if that cannot be told, None if there is none."""
    file = events_file(settings)
    process = holder(file) if file else None
    if process is None and held_journals(settings.data_dir.resolve() / JOURNAL):
        return 0
    return process
