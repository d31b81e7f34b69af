"""What is removed from the event store in the background: all that a website had when it was reset or deleted.

A removal is written down first, in the accounts store, with the number of the last write that it is about; what is stored
later stays, whatever its time. From then on nothing of it counts (`Website.removed_upto`), and a thread removes it piece by
piece, after a restart too. A few rows go at once.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from contextlib import suppress
from enum import StrEnum
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app import access, erasure, retention
from app.context import Ctx, Runtime
from app.erasure import Target
from app.errors import AppError, Hidden, Unavailable
from app.models import Removal, Website, utc_now
from app.paging import Key, Page, Window, page

log = logging.getLogger("dashi.removals")

# Seconds after which it is looked whether there is something to remove that another process was told of, and whether
# something has become older than is kept.
_LOOK: Final = 30.0
_RETENTION: Final = 3600.0
# A removal without a bound whose process did not come to give it one: by then nobody takes hits for the website.
_FORGOTTEN: Final = dt.timedelta(seconds=60)
# Until then it is looked each time whether other processes have taken hits for a deleted website, and now and then as long
# as a removal is remembered: what waited in the journal of a machine that was away is stored when that is back.
_SWEPT: Final = dt.timedelta(minutes=10)
# Websites of which one question asks whether there is anything of them.
_ASKED_AT_ONCE: Final = 500
_UNSETTLED: Final = "Hits that were accepted are not stored yet: try again in a moment"
# How long one can be looked at once it is done.
_REMEMBERED: Final = dt.timedelta(days=90)

_NEWEST_FIRST: Final = (
    Key(Removal.__table__.c.requested_at, descending=True),
    Key(Removal.__table__.c.removal_id, descending=True),
)


class Reason(StrEnum):
    """Why rows are removed."""

    RESET = "reset"
    DELETE = "delete"


def get(ctx: Ctx, removal_id: UUID) -> Removal:
    """A removal, for who asked for it, who may see its website, and admins. Raises as `access.removal`."""
    return access.removal(ctx, removal_id)


def own(ctx: Ctx, window: Window) -> Page[Removal]:
    """What the asking user had removed, newest first; a window's `after` is a (requested_at, id)."""
    asking = access.user(ctx)
    return page(ctx, sa.select(Removal).where(Removal.requested_by == asking.user_id), _NEWEST_FIRST, window)


def latest(ctx: Ctx, website_id: UUID) -> Removal | None:
    """The last removal of a website, which may be gone. None if there is none that the actor may see."""
    newest = (key.column.desc() for key in _NEWEST_FIRST)
    found = ctx.db.scalar(
        sa.select(Removal).where(Removal.website_id == website_id).order_by(*newest).limit(1)
    )
    if found is None:
        return None
    try:
        return access.removal(ctx, found.removal_id)
    except AppError:
        return None


def reset(ctx: Ctx, website_id: UUID) -> Website:
    """Let nothing count that was collected for a website up to now, and have it removed.

    Raises as `access.update_website`.
    """
    access.update_website(ctx, website_id)
    asked = _asked(ctx, website_id, Reason.RESET)
    if not ctx.events.wait_until_settled():
        raise Unavailable(_UNSETTLED)
    # In a transaction of its own while nothing is written: the number of the last write is known, no write follows
    # before it is written down, and the accounts store is locked for no longer than that.
    with ctx.events.standing_still() as upto, ctx.runtime.accounts.begin() as session:
        asked.upto = upto
        session.add(asked)
        session.execute(
            sa.update(Website)
            .where(Website.website_id == website_id)
            .values(reset_at=ctx.now, updated_at=ctx.now, removed_upto=upto)
        )
    ctx.after_commit.append(lambda: _begin(ctx.runtime, website_id))
    found = ctx.db.get(Website, website_id, populate_existing=True)
    if found is None:  # another request has deleted it meanwhile
        raise Hidden("Website not found")
    return found


def of_deleted(ctx: Ctx, website_id: UUID) -> None:
    """Have everything of a website removed whose row is deleted in this operation."""
    ctx.db.add(_asked(ctx, website_id, Reason.DELETE))

    # Once this process has forgotten it, it takes no hit for it: whatever there is can go.
    ctx.website_changed(website_id)

    def finish() -> None:
        try:
            _give_bound(ctx.runtime, Removal.website_id == website_id)
        except (Unavailable, sa.exc.OperationalError):
            return  # the website is deleted, and what it left goes as soon as the event store can be asked
        _begin(ctx.runtime, website_id)

    ctx.after_commit.append(finish)


def before_creating(runtime: Runtime, website_id: UUID) -> int | None:
    """What a new website of this id must not count: the number of the last write of its namesake's, if any is left."""
    mine = (Removal.website_id == website_id, Removal.finished_at.is_(None))
    with runtime.accounts() as session:
        if session.scalar(sa.select(sa.func.count()).select_from(Removal).where(*mine)) == 0:
            return None
    _give_bound(runtime, *mine)
    with runtime.accounts() as session:
        return session.scalar(sa.select(sa.func.max(Removal.upto)).where(*mine))


def is_under_way(runtime: Runtime) -> bool:
    """Whether there is anything to remove."""
    with runtime.accounts() as session:
        unfinished = sa.select(Removal.removal_id).where(Removal.finished_at.is_(None)).limit(1)
        return session.scalar(unfinished) is not None


class Removing:
    """The thread that removes what is to go, as soon as it is told and now and then."""

    def __init__(self, runtime: Runtime, every: float = _LOOK, retention_every: float = _RETENTION) -> None:
        self._runtime = runtime
        self._every, self._retention_every = every, retention_every
        self._stopping = threading.Event()
        self._told = threading.Event()
        self._told.set()
        runtime.on_removal.append(self._told.set)
        self._without_room: set[UUID] = set()
        runtime.on_room.append(self._make_room)
        self._thread = threading.Thread(target=self._run, name="remove", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, once the transaction that is under way is over."""
        self._stopping.set()
        self._told.set()
        self._thread.join()

    def _make_room(self, website_id: UUID) -> None:
        self._without_room.add(website_id)
        self._told.set()

    def _run(self) -> None:
        looked_at = -self._retention_every
        while True:
            told = self._told.wait(self._every)
            self._told.clear()
            if self._stopping.is_set():
                return
            try:
                while self._without_room:
                    erasure.make_room(self._runtime.events, self._without_room.pop())
                look = told or time.monotonic() - looked_at >= self._retention_every
                if work_off(self._runtime, self._stopping, keep=look) and look:
                    looked_at = time.monotonic()
            except Exception as error:
                # Its message may hold what was to be removed.
                log.warning("removing failed, will be tried again (%s)", type(error).__name__)


def work_off(runtime: Runtime, stopping: threading.Event | None = None, *, keep: bool = True) -> bool:
    """Remove all that is to go, with `keep` also what is older than is kept. False if another process is about it.

    It ends early as soon as `stopping` is set, and what is left is done next time.
    """
    stopping = stopping or threading.Event()
    with runtime.events.removing() as alone:
        if not alone:
            return False
        with suppress(Unavailable):  # the next time
            _give_bound(runtime, Removal.requested_at < utc_now() - _FORGOTTEN)
        _sweep(runtime, _REMEMBERED if keep else _SWEPT)
        while not stopping.is_set() and (found := _next(runtime)):
            _remove(runtime, found, stopping)
        _uncover(runtime)
        if keep and not stopping.is_set():
            retention.remove_old(runtime, stopping)
    return True


def _asked(ctx: Ctx, website_id: UUID, reason: Reason) -> Removal:
    asking = ctx.user.user_id if ctx.user else None
    return Removal(
        website_id=website_id, reason=reason.value, requested_by=asking, requested_at=ctx.now, removed=0
    )


def _give_bound(runtime: Runtime, *which: sa.ColumnElement[bool]) -> None:
    """Let those removals of deleted websites that have no bound yet be about what is there now."""
    unbound = (Removal.upto.is_(None), *which)
    with runtime.accounts() as session:
        if session.scalar(sa.select(sa.func.count()).select_from(Removal).where(*unbound)) == 0:
            return
    if not runtime.events.wait_until_settled():
        # What is stored later would be beyond the bound, and stay.
        raise Unavailable(_UNSETTLED)
    with runtime.events.standing_still() as upto, runtime.accounts.begin() as session:
        session.execute(sa.update(Removal).where(*unbound).values(upto=upto))


def _sweep(runtime: Runtime, back: dt.timedelta) -> None:
    """Remove what other processes have stored of websites that were deleted within this time."""
    if runtime.events.embedded:
        return
    now = utc_now()
    which = (
        Removal.reason == Reason.DELETE.value,
        Removal.finished_at.is_not(None),
        Removal.requested_at.between(now - back, now - _FORGOTTEN),
        Removal.website_id.not_in(sa.select(Website.website_id)),
    )
    with runtime.accounts() as session:
        gone = session.scalars(sa.select(Removal.website_id).where(*which).distinct()).all()
    for start in range(0, len(gone), _ASKED_AT_ONCE):
        for website_id in erasure.present(runtime.events, gone[start : start + _ASKED_AT_ONCE]):
            for _ in erasure.remove(runtime.events, Target(website_id)):
                pass
            log.info("website %s: what came after it was deleted is gone", website_id)


def _begin(runtime: Runtime, website_id: UUID) -> None:
    """Remove what is asked for of a website if it is little, and have the rest removed."""
    with runtime.accounts() as session:
        mine = (Removal.website_id == website_id, Removal.finished_at.is_(None), Removal.upto.is_not(None))
        asked = session.scalars(sa.select(Removal).where(*mine).order_by(Removal.upto)).all()
    try:
        for one in asked:
            removed = erasure.remove_few(runtime.events, _target(one))
            if removed is None:
                break
            runtime.erased(website_id)
            done = Removal.removed + removed
            _note(runtime, one, rows=one.removed + removed, removed=done, finished_at=utc_now())
        else:
            _uncover(runtime)
        runtime.events.tell(website_id)
    except Unavailable as error:
        # It is asked for, and counts nowhere: the thread does what is left.
        log.warning("website %s: what is to be removed waits: %s", website_id, error.message)
    runtime.removal_asked()


def _next(runtime: Runtime) -> Removal | None:
    with runtime.accounts() as session:
        waiting = (Removal.finished_at.is_(None), Removal.upto.is_not(None))
        return session.scalar(sa.select(Removal).where(*waiting).order_by(Removal.requested_at).limit(1))


def _remove(runtime: Runtime, one: Removal, stopping: threading.Event) -> None:
    store, target = runtime.events, _target(one)
    # Counted again after a restart: what went while nobody could note it is not waited for.
    while left := erasure.count(store, target):
        _note(runtime, one, rows=Removal.removed + left)
        for rows in erasure.remove(store, target):
            _note(runtime, one, removed=Removal.removed + rows)
            if stopping.is_set():
                return
    # Also where an earlier process removed the last rows: its log is in the file before the removal is done.
    store.checkpoint()
    runtime.erased(one.website_id)
    erasure.make_room(store, one.website_id)
    _note(runtime, one, rows=Removal.removed, finished_at=utc_now())
    log.info("website %s: what was to be removed is gone", one.website_id)


def _target(one: Removal) -> Target:
    return Target(one.website_id, upto=one.upto)


def _note(runtime: Runtime, one: Removal, **values: object) -> None:
    with runtime.accounts.begin() as session:
        session.execute(sa.update(Removal).where(Removal.removal_id == one.removal_id).values(values))


def _uncover(runtime: Runtime) -> None:
    """Let all writes count of websites of which nothing is to be removed any more; forget old removals."""
    unfinished = sa.select(Removal.website_id).where(Removal.finished_at.is_(None))
    with runtime.accounts() as session:
        done = sa.and_(Website.removed_upto.is_not(None), Website.website_id.not_in(unfinished))
        old = Removal.finished_at < utc_now() - _REMEMBERED
        if not session.scalar(sa.select(sa.exists().where(done) | sa.exists().where(old))):
            return
    with runtime.accounts.begin() as session:
        session.execute(sa.update(Website).where(done).values(removed_upto=None))
        session.execute(sa.delete(Removal).where(old))
