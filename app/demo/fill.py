"""Puts the demo's websites and their traffic into the stores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from app import access, erasure, removals, websites
from app.auth import STOCK_ADMIN_ID
from app.context import Actor, Ctx, Kind, Runtime
from app.db import EventStore
from app.demo.journal import JOURNAL
from app.demo.manual import MANUAL
from app.demo.model import Site
from app.demo.shop import SHOP
from app.demo.traffic import Visit, days
from app.erasure import Target
from app.ingest.identity import Identity
from app.ingest.rows import Row, Rows, build_rows
from app.models import Website
from app.tables import DATA_TABLES

SITES: Final = (SHOP, MANUAL, JOURNAL)
# Always the same, so that a second filling finds the first and links to the demo's charts stay good.
WEBSITE_IDS: Final = {site.key: uuid5(NAMESPACE_URL, f"dashi:demo:{site.key}") for site in SITES}
# The store keeps how far each journal was applied; the demo comes with one of its own.
_JOURNAL: Final = uuid5(NAMESPACE_URL, "dashi:demo:journal")
_ADMIN: Final = Actor(Kind.USER, user_id=STOCK_ADMIN_ID)
# Events applied in one transaction.
_CHUNK: Final = 5000

# Told after each day: (days done, events stored).
Progress = Callable[[int, int], None]


def fill(
    runtime: Runtime,
    end: dt.datetime,
    days: int = 365,
    seed: int = 7,
    progress: Progress = lambda _days, _events: None,
) -> int:
    """Make the demo's websites, as far as they are missing, with traffic of the `days` before `end`.

    `end` is a midnight in UTC. Answers the number of events stored, 0 if all the websites are there. The websites come
    last: one that is there has all its traffic, and a filling that was interrupted starts anew.

    Raises Unauthenticated or Denied unless the first admin exists and may create websites.
    """
    missing = runtime.call(_ADMIN, _missing)
    if not missing:
        return 0
    # What was asked to be removed goes before anything new is there: the rows of the demo are of no write.
    removals.work_off(runtime)
    for site in missing:
        for _ in erasure.remove(runtime.events, Target(WEBSITE_IDS[site.key])):
            pass
    stored = _store_traffic(runtime, missing, end, days, seed, progress)
    # No journal holds these events: they must be in the store's file before a website vouches for them.
    runtime.events.checkpoint()
    runtime.call(_ADMIN, _create, missing, end - dt.timedelta(days=days))
    return stored


def _missing(ctx: Ctx) -> list[Site]:
    access.create_website(ctx)
    return [site for site in SITES if ctx.db.get(Website, WEBSITE_IDS[site.key]) is None]


def _create(ctx: Ctx, sites: Sequence[Site], since: dt.datetime) -> None:
    for site in sites:
        website = websites.create(ctx, name=site.name, domain=site.domain, website_id=WEBSITE_IDS[site.key])
        website.created_at = since


def _store_traffic(
    runtime: Runtime, sites: Sequence[Site], end: dt.datetime, count: int, seed: int, progress: Progress
) -> int:
    identity = Identity(runtime.keys.secret)
    remove_slash = runtime.settings.remove_trailing_slash
    chunks = _Chunks(runtime.events)
    # Each site has a sequence of its own, so that it has the same traffic whether or not others are made with it.
    calendars = [
        days(site, WEBSITE_IDS[site.key], end, count, Random(f"{seed} {site.key}")) for site in sites
    ]
    for number, day in enumerate(zip(*calendars, strict=True), 1):
        made = [rows for visits in day for rows in _rows(visits, identity, remove_slash)]
        made.sort(key=lambda timed: timed[0])
        chunks.add(rows for _, rows in made)
        progress(number, chunks.stored)
    chunks.flush()
    return chunks.stored


def _rows(
    visits: Iterable[Visit], identity: Identity, remove_slash: bool
) -> Iterable[tuple[dt.datetime, Rows]]:
    """The rows of each hit, with the ids that collecting would give."""
    for client, hits in visits:
        visit_id: UUID | None = None
        for at, hit in hits:
            session_id = identity.session(hit.website, client.ip, client.agent, hit.distinct_id, at)
            visit_id = visit_id or identity.visit(session_id, at)
            # Session data of a later time wins, and any that is really collected wins over the demo's.
            version = int(at.timestamp() * 1000) * 1_000_000
            yield (
                at,
                build_rows(
                    hit, client, session_id, visit_id, at, remove_trailing_slash=remove_slash, version=version
                ),
            )
            if hit.kind == "identify":
                # The tracker forgets its visit then (Umami v2 REST behaviour §5): the next hit begins another.
                visit_id = None


class _Chunks:
    """Gathers rows and stores them many at a time."""

    def __init__(self, events: EventStore) -> None:
        self.stored = 0
        self._events = events
        self._batch = events.applied(_JOURNAL)
        self._rows: dict[str, list[Row]] = {table.name: [] for table in DATA_TABLES}

    def add(self, made: Iterable[Rows]) -> None:
        for rows in made:
            for table, kept in self._rows.items():
                kept.extend(getattr(rows, table))
            if len(self._rows["event"]) >= _CHUNK:
                self.flush()

    def flush(self) -> None:
        self._batch += 1
        texts = {table: orjson.dumps(rows).decode() for table, rows in self._rows.items() if rows}
        self._events.apply(_JOURNAL, self._batch, texts)
        self.stored += len(self._rows["event"])
        for rows in self._rows.values():
            rows.clear()
