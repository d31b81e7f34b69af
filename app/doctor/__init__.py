"""`dashi doctor`: looks a deployment over, whether a server runs or not, and says in plain words what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from app.backup import versions
from app.doctor import machine, stores
from app.doctor import server as servers
from app.doctor.finding import Finding, Level, ok, problem
from app.engines import events_file
from app.held import held_journals, holder
from app.manifest import JOURNAL
from app.settings import Settings

__all__ = ["Finding", "Level", "examine"]


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, in the order in which they are to be read."""
    yield ok("versions", ", ".join(f"{name} {version}" for name, version in versions().items()))
    running = servers.ask(settings)
    try:
        held = _holder(settings)
    except OSError as error:
        held = 0  # a store is not opened that a server may hold
        yield _unseen("files", error)
    yield from servers.server(settings, running, held)
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("secret", lambda: [machine.secret(settings)]),
        ("data directory", lambda: [machine.directory(settings)]),
        ("disk", lambda: [machine.disk(settings)]),
        ("memory", lambda: [machine.memory(settings)]),
        ("workers", lambda: [machine.workers(settings)]),
        ("clock", lambda: [machine.clock(settings)]),
        ("places", lambda: [machine.places(settings)]),
        ("accounts", lambda: [stores.store(settings, "accounts", None, running)]),
        (
            "events",
            lambda: [stores.store(settings, "events", held if events_file(settings) else None, running)],
        ),
        ("processes", lambda: stores.processes(settings)),
        ("journal", lambda: stores.journals(settings, running, held)),
        ("passwords", lambda: [stores.admins(settings)]),
        ("left over", lambda: stores.leftovers(settings)),
    ]
    for name, look in looks:
        try:
            yield from look()
        except OSError as error:
            yield _unseen(name, error)
    if running is not None and not running.refused:
        yield servers.lag(running)
        yield servers.proxies(settings, running)


def _unseen(name: str, error: OSError) -> Finding:
    file = f"{error.filename}: " if error.filename else ""
    return problem(
        name,
        f"It could not be looked at: {file}{error.strerror}.",
        "Run this as the user that runs the server.",
    )


def _holder(settings: Settings) -> int | None:
    """The process that holds the embedded files: its id, 0 if that cannot be told, None if there is none."""
    file = events_file(settings)
    process = holder(file) if file else None
    if process is None and held_journals(settings.data_dir.resolve() / JOURNAL):
        return 0
    return process
