"""Collecting: from a body and the request it came with to an event on disk. Every way in ends here."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Collection, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from app.addresses import Networks, entries, network_of, plain
from app.buckets import Buckets
from app.context import Runtime
from app.errors import AppError, TooMany, Unavailable
from app.ingest import agents
from app.ingest.client import Locator
from app.ingest.identity import Identity
from app.ingest.journal import Journal
from app.ingest.journals import wait_for_others
from app.ingest.payload import Hit, parse_hit
from app.ingest.rows import Client, Rows, build_rows
from app.ingest.scrub import scrub
from app.ingest.senders import Sender, Senders
from app.ingest.urls import host_of
from app.ingest.writer import Writer
from app.metrics import Metrics

# A visit that began longer ago than this (seconds) is followed by a new one (Umami v2 REST behaviour §2.8).
_VISIT_SECONDS: Final = 1800
# Seconds that a turn of the event loop takes at the most.
_LONGEST_TURN: Final = 5.0
# Seconds a read waits at the most for what other processes of this server accepted before it.
_FRESH: Final = 2.0
_MOST_BOTS_WAITING: Final = 100
# Seconds of hits that may come at once, where they are limited; and of so many addresses or websites it is remembered.
_BURST: Final = 10
_MOST_SENDERS: Final = 50_000
# Seconds after which a batch lets other requests have their turn.
_TURN: Final = 0.005


@dataclass(frozen=True, slots=True)
class Request:
    """Where a hit came from: headers (lower-case names, latin-1 text) and the socket's address."""

    headers: Mapping[str, str]
    peer: str
    # What proxies tell of it, worked out once for all hits of a batch: a header can be long.
    told: dict[str, str] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The hit is on disk. `cache` is the visit cache that the sender returns with its next hit."""

    session_id: UUID
    visit_id: UUID
    cache: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """The hit was understood and not stored; `reason` says why."""

    reason: str


Outcome = Accepted | Dropped


class Ignored(AppError):
    """The hit comes from an address of IGNORE_IP."""

    code, status, default = "denied", 403, "Forbidden"


class Flooding(TooMany):
    """More hits than are taken: of one client address, or for one website. `reason` is what metrics call it."""

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__("Too many hits", retry_after=retry_after)
        self.reason = reason


class Collector:
    """The collecting side of a process: its journals, their writers, and what is remembered from hit to hit."""

    def __init__(
        self, runtime: Runtime, journal: Journal, left_over: Sequence[Journal], metrics: Metrics
    ) -> None:
        settings = runtime.settings
        self.runtime = runtime
        self.metrics = metrics
        self.journal = journal
        self.writer = Writer(journal, runtime.events, metrics)
        self._left_over = [Writer(other, runtime.events, metrics) for other in left_over]
        self._identity = Identity(runtime.keys.secret)
        self._locator = Locator(settings.geolite_db_path, settings.skip_location_headers)
        self._proxies = runtime.proxies
        self._ignored = Networks(entries(settings.ignore_ip))
        # Ten seconds' worth at once: visitors of a page that was just sent round come together.
        self._by_address = _buckets(settings.collect_rate_per_address)
        self._by_website = _buckets(settings.collect_rate_per_website)
        self._version = 0
        # A worker of its own: however many questions wait for the readers, collecting does not wait behind them.
        self._lookups = ThreadPoolExecutor(1, thread_name_prefix="collect")
        self._loop: asyncio.AbstractEventLoop | None = None  # of the hits, known from the first on
        self._senders = Senders(runtime, self._lookups)
        self._counting = ThreadPoolExecutor(1, thread_name_prefix="count")
        self._bots_waiting = threading.BoundedSemaphore(_MOST_BOTS_WAITING)
        runtime.events.wait_until_fresh = self._catch_up
        runtime.events.wait_until_settled = self._settle
        runtime.on_erasure.append(self._forget)
        journal.committed = metrics.commit_seconds.observe
        self._watch()

    def _watch(self) -> None:
        """Have `/metrics` tell how far what is accepted is behind what is counted, of all journals of the process."""
        writers = (self.writer, *self._left_over)
        for name, text, read in (
            ("queue_length", "Requests whose hits wait to be written.", lambda: self.journal.waiting),
            (
                "unapplied_bytes",
                "Bytes accepted, not yet applied.",
                lambda: sum(one.journal.unapplied_bytes for one in writers),
            ),
            ("lag_batches", "Batches accepted, not yet applied.", lambda: sum(one.lag for one in writers)),
            (
                "lag_seconds",
                "How long the oldest batch that is not applied has waited, at the most.",
                lambda: max(one.lag_seconds for one in writers),
            ),
        ):
            self.metrics.gauge(f"dashi_journal_{name}", text, read)
        self.metrics.gauge(
            "dashi_rejected_rows",
            "Rows the event store refused, kept aside.",
            lambda: sum(one.journal.rejected() for one in writers),
        )
        self.metrics.gauge(
            "dashi_store_refuses",
            "1 while the event store takes nothing.",
            lambda: any(bool(one.problem) or not one.alive for one in writers),
        )

    async def collect(self, body: object, request: Request) -> Outcome:
        """Take one hit (the parsed body of `POST /api/send`); returns after it is on disk.

        A hit needs no API key. With one it comes from a server of the website's owner, which is no browser: the bot test
        is not applied, and neither is the limit of its address. IGNORE_IP and the website's rules are.

        Raises Malformed for a body that does not fit, Invalid for an unknown website, Unauthenticated or Denied for an
        API key that is none or not for this, Flooding for more hits than are taken, Ignored for an ignored address,
        Unavailable when nothing can be written.
        """
        started = time.perf_counter()
        try:
            outcome, written = await self._take(body, request)
            if written is not None:
                await written
        except AppError as error:
            self._count_refusal(error)
            raise
        self._count(outcome, body)
        self.metrics.collect_seconds.observe(time.perf_counter() - started)
        return outcome

    async def collect_batch(self, bodies: Sequence[object], request: Request) -> list[Outcome | AppError]:
        """Take hits in order, each as if it had come alone; one outcome for each, one wait for all."""
        taken: list[tuple[Outcome | AppError, asyncio.Future[int] | None]] = []
        turn = time.perf_counter()
        for body in bodies:
            try:
                taken.append(await self._take(body, request))
            except AppError as error:
                taken.append((error, None))
            if time.perf_counter() - turn > _TURN:
                await asyncio.sleep(0)
                turn = time.perf_counter()
        outcomes: list[Outcome | AppError] = []
        for body, (outcome, written) in zip(bodies, taken, strict=True):
            try:
                if written is not None:
                    await written
            except Unavailable as error:
                outcome = error
            if isinstance(outcome, AppError):
                self._count_refusal(outcome)
            else:
                self._count(outcome, body)
            outcomes.append(outcome)
        return outcomes

    async def ready(self) -> None:
        """Raise Unavailable with the reason unless a hit would be written and applied: an empty one is."""
        if not self.journal.alive:
            raise Unavailable("The journal has stopped")
        await asyncio.wrap_future(self.journal.append(Rows()))
        for writer in (self.writer, *self._left_over):
            if writer.problem or not writer.alive:
                raise Unavailable(writer.problem or "The writer has stopped")

    def close(self) -> None:
        """Write and apply what is under way, as far as the store allows, and give the files free."""
        for pool in (self._lookups, self._counting):
            pool.shutdown(wait=True, cancel_futures=True)
        for writer in (self.writer, *self._left_over):
            writer.journal.finish()
            writer.close()
            writer.journal.close()
        self._locator.close()

    async def _take(self, body: object, request: Request) -> tuple[Outcome, asyncio.Future[int] | None]:
        self._loop = loop = asyncio.get_running_loop()
        hit = parse_hit(body)
        headers = request.headers
        self.metrics.forwarded.note(headers, request.peer)
        # Before anything is looked up: what floods is to cost little.
        limited = self._by_address is not None and not self._senders.knows(hit.website_id, headers)
        caller = self._caller(request) if limited or self._ignored else ""
        if limited:
            _spend(self._by_address, network_of(caller), "address-rate")
        sender = await self._senders.check(hit.website_id, headers)
        if limited and sender.has_key and self._by_address is not None:
            self._by_address.give_back(network_of(caller), 1)
        _spend(self._by_website, hit.website_id, "website-rate")
        agent = headers.get("user-agent", "") if hit.user_agent is None else hit.user_agent
        described = agents.describe(agent)
        if described.bot and not sender.has_key and not self.runtime.settings.disable_bot_check:
            self._count_bot(agent)
            return Dropped("bot"), None
        ip = hit.ip or self._visitor(request)
        # By both: who names an address in the payload does not get round the rules for its own.
        if self._ignored and (plain(ip) in self._ignored or plain(caller) in self._ignored):
            raise Ignored(field="ip")
        if sender.rules.excluded_addresses and not caller:
            caller = self._caller(request)
        if reason := _unwanted(hit, sender, ip, caller):
            return Dropped(reason), None
        client = Client(
            ip=ip,
            agent=agent,
            browser=described.browser,
            os=described.os,
            device=agents.device_name(described.os, hit.screen),
            location=self._locator.locate(ip, headers, not hit.ip and self._proxies.believes(request.peer)),
        )
        accepted, rows = self._record(hit, client, headers.get("x-umami-cache", ""))
        stored = rows.event or rows.session_data
        return accepted, self.journal.append_from(loop, rows) if stored else None

    def _caller(self, request: Request) -> str:
        if "caller" not in request.told:
            request.told["caller"] = self._proxies.caller(request.headers, request.peer)
        return request.told["caller"]

    def _visitor(self, request: Request) -> str:
        if "visitor" not in request.told:
            request.told["visitor"] = self._proxies.visitor(request.headers, request.peer)
        return request.told["visitor"]

    def _record(self, hit: Hit, client: Client, cache: str) -> tuple[Accepted, Rows]:
        now = time.time()
        at = dt.datetime.fromtimestamp(now if hit.timestamp is None else hit.timestamp, dt.UTC)
        session_id = self._identity.session(hit.website, client.ip, client.agent, hit.distinct_id, at)
        visit_id, began = self._visit(hit, session_id, at, int(now), cache)
        rows = build_rows(
            hit,
            client,
            session_id,
            visit_id,
            at,
            remove_trailing_slash=self.runtime.settings.remove_trailing_slash,
            version=self._next_version(),
        )
        token = self.runtime.keys.sign(
            {"websiteId": hit.website, "sessionId": str(session_id), "visitId": str(visit_id), "iat": began}
        )
        return Accepted(session_id, visit_id, token), rows

    def _visit(self, hit: Hit, session_id: UUID, at: dt.datetime, now: int, cache: str) -> tuple[UUID, int]:
        """(visit id, second it began): the cached visit while it lasts, else that of the session's hour."""
        claims = self.runtime.keys.verify(cache) if cache else None
        if claims and claims.get("websiteId") == hit.website:
            try:
                visit_id, began = UUID(claims["visitId"]), int(claims["iat"])
            except (KeyError, ValueError, TypeError, AttributeError):
                # A share token is signed alike and names a website too, but no visit.
                return self._identity.visit(session_id, at), now
            # With a time of its own a hit stays in the visit it names, however old (Umami v2 REST behaviour §2.8).
            if hit.timestamp is not None or now - began <= _VISIT_SECONDS:
                return visit_id, began
        return self._identity.visit(session_id, at), now

    def _next_version(self) -> int:
        """A number that grows with each hit, across restarts too: the order in which session data was set."""
        self._version = max(self._version + 1, time.time_ns())
        return self._version

    def _catch_up(self) -> None:
        for writer in (self.writer, *self._left_over):
            writer.catch_up()
        if self.runtime.settings.workers > 1:
            wait_for_others(self.journal, _FRESH)

    def _settle(self) -> bool:
        # A hit whose website was found a moment before that was forgotten may be on its way to the journal: within one
        # turn of the event loop it is there.
        if self._loop is not None and self._loop.is_running():
            turned = threading.Event()
            self._loop.call_soon_threadsafe(turned.set)
            turned.wait(_LONGEST_TURN)
        # A batch of its own comes after all that waits to be written now.
        last = self.journal.append(Rows()).result()
        self._catch_up()
        settled = self.writer.applied >= last and not any(writer.lag for writer in self._left_over)
        if self.runtime.events.embedded:
            return settled
        # Whatever runs beside this process: a command knows nothing of the settings of a server.
        return wait_for_others(self.journal, _FRESH) and settled

    def _forget(self, website_id: UUID, session_ids: Collection[UUID] | None, distinct_id: str) -> None:
        """Have no journal hold anything of these any more. Raises Unavailable when that is not possible now."""
        mine = (self.writer, *self._left_over)
        for writer in mine:
            writer.drop_applied()
        files = {writer.journal.file for writer in mine}
        if not self.runtime.events.embedded:
            files |= set(self.journal.file.parent.glob("journal-*.sqlite"))
        for file in files:
            scrub(file, website_id, session_ids, distinct_id)

    def _count(self, outcome: Outcome, body: Any) -> None:
        if isinstance(outcome, Dropped):
            self.metrics.dropped.labels(outcome.reason).inc()
        else:
            self.metrics.accepted.labels(body["type"]).inc()

    def _count_bot(self, agent: str) -> None:
        """Count a bot under its family, which takes milliseconds to find and is not waited for.

        Where too many wait already they are counted together.
        """
        if not self._bots_waiting.acquire(blocking=False):
            self.metrics.bots.labels("Other").inc()
            return

        def count() -> None:
            self.metrics.bots.labels(agents.bot_family(agent)).inc()
            self._bots_waiting.release()

        self._counting.submit(count)

    def _count_refusal(self, error: AppError) -> None:
        if isinstance(error, Ignored):
            self.metrics.dropped.labels("ignored-address").inc()
        elif isinstance(error, Flooding):
            self.metrics.refused.labels(error.reason).inc()
        else:
            self.metrics.refused.labels(error.code).inc()


def _buckets(rate: int) -> Buckets | None:
    """For so many hits a second; None for any."""
    return Buckets(_BURST * rate, rate, _MOST_SENDERS) if rate else None


def _spend(buckets: Buckets | None, whose: Hashable, reason: str) -> None:
    """Take one hit of theirs, without a limit if there are no buckets. Raises Flooding when none is left."""
    if buckets is not None and (balance := buckets.take(whose, 1)).retry_after:
        raise Flooding(reason, balance.retry_after)


def _unwanted(hit: Hit, sender: Sender, ip: str, caller: str) -> str:
    """Which of the website's rules the hit breaks, '' if none."""
    rules = sender.rules
    if rules.about_hosts() and not rules.take_host(hit.hostname or host_of(hit.url), sender.has_key):
        return "host"
    if rules.excluded_addresses and not rules.take_from(ip, caller):
        return "address"
    return ""
