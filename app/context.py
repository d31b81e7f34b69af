"""Who asks, and what one operation works with.

`Runtime` lives as long as the process, `Ctx` as long as one operation: one accounts transaction, committed at its end
and rolled back by any error. Domain code never commits and never knows of an event loop; `Runtime.run` is the one
bridge from asynchronous callers.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, joinedload, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from app.db import EventStore
from app.errors import Conflict, Unavailable
from app.listen import announce
from app.models import ApiKey, Share, User, utc_now
from app.outage import outage
from app.priority import step_back
from app.proxies import Proxies
from app.security import Keys
from app.settings import Settings
from app.throttle import Throttle
from app.tries import tries_of

log = logging.getLogger("dashi")

# Where processes that share accounts tell each other what has changed: the id of a website, or this of API keys.
CHANGES: Final = "dashi_changed"
KEYS: Final = "keys"

P = ParamSpec("P")
T = TypeVar("T")

# Passwords are hashed two at a time, so that collecting and reading go on beside them; this many may wait for it, which
# takes some two seconds.
_HASHERS: Final = 2
_MOST_HASHING: Final = 50
# How exact an API key's last use is known.
_LAST_USED = dt.timedelta(minutes=1)


class Kind(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    KEY = "key"
    SHARE = "share"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. Everything here is a claim until `Ctx` has found what it names.

    `website_id` is that of an opened share link, which a share or a user may read; `issued_at` is the link token's,
    `share_id` its share (None in tokens that Umami itself made), and `share_fingerprint` that of the password that
    opened it. `key_digest` is that of an API key.
    """

    kind: Kind = Kind.ANONYMOUS
    user_id: UUID | None = None
    fingerprint: str | None = None
    website_id: UUID | None = None
    issued_at: int | None = None
    share_id: UUID | None = None
    share_fingerprint: str | None = None
    key_digest: str | None = None
    unproven: bool = False  # a login token came along that proves nothing


ANONYMOUS = Actor()
SYSTEM = Actor(Kind.SYSTEM)


@dataclass
class Ctx:
    """One operation."""

    actor: Actor
    runtime: Runtime
    db: Session
    now: dt.datetime = field(default_factory=utc_now)
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    # Rows that the session is to know until the end: it forgets those that nobody holds.
    remembered: list[object] = field(default_factory=list)

    @property
    def events(self) -> EventStore:
        return self.runtime.events

    @property
    def keys(self) -> Keys:
        return self.runtime.keys

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    def website_changed(self, website_id: UUID) -> None:
        """Once this is committed, have all processes forget what they remember of a website."""
        announce(self.db.connection(), CHANGES, [str(website_id)])
        self.after_commit.append(lambda: self.runtime.website_changed(website_id))

    def keys_changed(self) -> None:
        """Once this is committed, have all processes forget what API keys may do."""
        announce(self.db.connection(), CHANGES, [KEYS])
        self.after_commit.append(self.runtime.keys_changed)

    @cached_property
    def last_write(self) -> int:
        """The number of the last write to the event store, as this operation first asked for it."""
        return self.events.last_write()

    @cached_property
    def key(self) -> ApiKey | None:
        """The API key that is used, None for other actors and for keys that are revoked or over."""
        if self.actor.key_digest is None:
            return None
        mine = ApiKey.digest == self.actor.key_digest
        key = self.db.scalar(sa.select(ApiKey).where(mine).options(joinedload(ApiKey.user)))
        if key is None or key.is_over(self.now):
            return None
        if key.last_used_at is None or self.now - key.last_used_at > _LAST_USED:
            self.after_commit.append(lambda: self.runtime.key_used(key.api_key_id, self.now))
        return key

    @cached_property
    def user(self) -> User | None:
        """The user who asks, in person or by an API key.

        None for anonymous, share and system actors and for tokens of users who are gone.
        """
        if self.actor.kind is Kind.KEY:
            return self.key.user if self.key else None
        if self.actor.user_id is None:
            return None
        user = self.db.get(User, self.actor.user_id)
        if user and self.actor.fingerprint is not None:
            # Dashi's own tokens end when the password changes.
            return user if self.keys.fingerprint(user.password) == self.actor.fingerprint else None
        return user

    @cached_property
    def shared_website_id(self) -> UUID | None:
        """The website that an opened share link lets the actor read.

        None once the share is revoked or over, or has another password, one more or one less.
        """
        if self.actor.website_id is None or self.actor.share_id is None:
            return self.actor.website_id
        share = self.db.get(Share, self.actor.share_id)
        if share is None or share.website_id != self.actor.website_id or share.is_over(self.now):
            return None
        now_needed = None if share.password is None else self.keys.fingerprint(share.password)
        return share.website_id if self.actor.share_fingerprint == now_needed else None


class Runtime:
    """What a process keeps: settings, keys, both stores and the workers that read them."""

    def __init__(
        self, settings: Settings, keys: Keys, accounts: sessionmaker[Session], events: EventStore
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.accounts = accounts
        self.events = events
        self.proxies = Proxies(settings.trusted_proxies, settings.client_ip_header)
        self.throttle = Throttle(
            settings.login_tries,
            settings.login_tries_per_address,
            settings.login_tries_per_account,
            tries_of(accounts, keys),
        )
        # Called with `succeeded`, `refused` or `throttled`.
        self.logged_in: Callable[[str], None] = lambda outcome: None
        self.on_website_change: list[Callable[[UUID], None]] = []
        self.on_key_change: list[Callable[[], None]] = []
        self.on_doubt: list[Callable[[], None]] = []
        self.on_removal: list[Callable[[], None]] = []
        self.on_room: list[Callable[[UUID], None]] = []
        self.on_erasure: list[Callable[[UUID, Collection[UUID] | None, str], None]] = []
        # Reading has workers of its own, and they step back, so that a slow dashboard does not delay collecting.
        self._readers = ThreadPoolExecutor(
            settings.read_threads, thread_name_prefix="read", initializer=step_back
        )
        self._hashers = ThreadPoolExecutor(_HASHERS, thread_name_prefix="hash", initializer=step_back)
        self._hashing = 0  # verbs that hash or wait for it

    @contextmanager
    def operation(self, actor: Actor = ANONYMOUS) -> Iterator[Ctx]:
        """One operation: a transaction of the accounts store around what is done with the Ctx.

        Raises Unavailable when the accounts store does not answer.
        """
        try:
            with self.accounts.begin() as session:
                ctx = Ctx(actor, self, session)
                yield ctx
            for act in ctx.after_commit:
                act()
        except (sa.exc.IntegrityError, StaleDataError) as error:
            # Two requests at the same moment: what one looked up, the other has changed since.
            raise Conflict("This was changed by another request at the same moment") from error
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            if told := outage(error, "The accounts store"):
                raise told from error
            raise

    def call(
        self, actor: Actor, verb: Callable[Concatenate[Ctx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb as one operation, here and now."""
        with self.operation(actor) as ctx:
            return verb(ctx, *args, **kwargs)

    async def run(
        self, actor: Actor, verb: Callable[Concatenate[Ctx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb as one operation in the pool of readers: the one bridge from asynchronous code."""
        return await self._in(self._readers, lambda: self.call(actor, verb, *args, **kwargs))

    async def run_hashing(
        self, actor: Actor, verb: Callable[Concatenate[Ctx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `run`, for verbs that hash a password: that takes a tenth of a second, and has workers of its own.

        Raises Unavailable when too many wait for them.
        """
        if self._hashing >= _MOST_HASHING:
            raise Unavailable("Too many passwords are being checked")
        self._hashing += 1
        try:
            return await self._in(self._hashers, lambda: self.call(actor, verb, *args, **kwargs))
        finally:
            self._hashing -= 1

    async def _in(self, workers: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        # With the caller's context: what it counts is counted in the worker too.
        inside = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(workers, inside.run, work)

    def website_changed(self, website_id: UUID) -> None:
        """Tell whoever in this process remembers something of a website that it was made, deleted, or takes other hits."""
        for forget in self.on_website_change:
            forget(website_id)

    def keys_changed(self) -> None:
        """Tell whoever in this process remembers what an API key may do that one is gone."""
        for forget in self.on_key_change:
            forget()

    def in_doubt(self) -> None:
        """Tell whoever remembers anything that what other processes have changed may not have been heard of."""
        for doubt in self.on_doubt:
            doubt()

    def removal_asked(self) -> None:
        """Tell whoever removes in the background that there is something to do."""
        for tell in self.on_removal:
            tell()

    def make_room(self, website_id: UUID) -> None:
        """Have the space used again, in the background, that rows of a website took."""
        for tell in self.on_room:
            tell(website_id)

    def erased(
        self, website_id: UUID, session_ids: Collection[UUID] | None = None, distinct_id: str = ""
    ) -> None:
        """Have what lies outside of the event store forgotten too: of a website, or of these sessions or this visitor.

        Raises Unavailable when that is not possible now.
        """
        for forget in self.on_erasure:
            forget(website_id, session_ids, distinct_id)

    def key_used(self, api_key_id: UUID, at: dt.datetime) -> None:
        """Remember when an API key was used: in a transaction of its own, so that a question holds no lock for it."""
        mine = ApiKey.api_key_id == api_key_id
        try:
            with self.accounts.begin() as session:
                session.execute(sa.update(ApiKey).where(mine).values(last_used_at=at))
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            # What it was used for is done, and not to be refused for want of a note.
            told = outage(error, "The accounts store")
            log.warning("the use of an API key could not be noted", exc_info=None if told else error)

    def close(self) -> None:
        """End the workers and give the connections back."""
        for workers in (self._readers, self._hashers):
            workers.shutdown(wait=True, cancel_futures=True)
        self.events.close()
        bound: Any = self.accounts.kw["bind"]
        if isinstance(bound, Engine):
            bound.dispose()
