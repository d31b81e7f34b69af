"""Live: who follows what, and the one thread that asks and tells.

A question is asked once for all who follow it, again when something of its website was stored or its answer has had
its time, and never by more than this one thread: the readers are left to those who ask. What came of it goes into a
mailbox for each subscriber, who is woken and takes it when it can.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from app.context import SYSTEM, Actor, Kind, Runtime
from app.errors import TooMany, Unavailable
from app.live.agenda import Agenda
from app.live.mailbox import Mailbox
from app.live.questions import Answer, Opening, Question
from app.models import utc_now
from app.stored import MOST, Stored

log = logging.getLogger("dashi.live")

# A question that takes long rests this many times as long, so that those who follow cannot keep the store busy, but
# not for more seconds than this.
_REST: Final = 9
_LONGEST_REST: Final = 30.0
_RETRY: Final = 2.0
# Events of a question that wait to be read; of more than these only that there were some is known.
_MOST_TOLD: Final = 20_000
# Of how many events at most one statement asks.
_AT_ONCE: Final = 3 * MOST


class Stopping(Exception):
    """The server is stopping: nobody's fault, and no answer to a subscriber."""


@dataclass(eq=False, slots=True)
class Subscription:
    """One subscriber. `wake` is called, in some thread, when there is something to take."""

    actor: Actor
    opening: Opening
    mailbox: Mailbox
    wake: Callable[[], None]
    checked: float
    asked: _Asked
    live: Live
    ended: Exception | None = None

    def take(self) -> Any | None:
        """What is new, None if nothing is. Raises what ended the subscription, and Stopping."""
        if self.ended:
            raise self.ended
        return self.mailbox.take()

    def leave(self) -> None:
        """Follow no longer. One that has ended may leave too."""
        self.live.unsubscribe(self)


@dataclass(eq=False, slots=True)
class _Asked:
    """A question and those who follow it."""

    question: Question
    subscriptions: set[Subscription] = field(default_factory=set)
    answer: Answer | None = None
    told: deque[Stored] = field(default_factory=deque)
    waiting: int = 0  # events in `told`
    lost: bool = False
    resting_until: float = 0.0
    again: bool = False  # something was stored while it was being asked
    busy: bool = False


class Live:
    """All subscriptions of a process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._changed = threading.Condition()
        self._asked: dict[str, _Asked] = {}
        self._of_website: dict[UUID, set[_Asked]] = {}
        self._of_actor: Counter[Hashable] = Counter()
        self._agenda: Agenda[Subscription | _Asked] = Agenda()
        self._thread: threading.Thread | None = None
        # Nothing is told to anyone whose last check is more seconds ago, and nobody goes on without one for longer.
        self._check_every = runtime.settings.subscription_check_seconds
        self._following = False
        self._closed = False
        self.count = 0
        runtime.on_website_change.append(self._check_website)
        runtime.on_key_change.append(self._check_keys)

    def subscribe(
        self, actor: Actor, opening: Opening, question: Question, mailbox: Mailbox, wake: Callable[[], None]
    ) -> Subscription:
        """Follow a question that `opening` has just made for this actor. Waits for nothing.

        Raises TooMany when the actor or the server has as many subscriptions as it may, Unavailable when it is stopping.
        """
        settings = self._runtime.settings
        who = _person(actor)
        with self._changed:
            if self._closed:
                raise Unavailable("The server is stopping")
            if self._of_actor[who] >= settings.subscriptions_per_actor:
                raise TooMany(f"You may have {settings.subscriptions_per_actor} subscriptions at a time")
            if self.count >= settings.subscriptions_total:
                raise TooMany("The server has as many subscriptions as it takes")
            now = time.monotonic()
            subscription = Subscription(actor, opening, mailbox, wake, now, _Asked(question), self)
            self.count += 1
            self._of_actor[who] += 1
            self._attach(subscription, question)
            self._agenda.put(subscription, now + self._check_every)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
            self._changed.notify()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscriber; also one that has ended."""
        with self._changed:
            self._remove(subscription)

    def stop(self) -> None:
        """End every subscription with Stopping, and take no more. Waits for nothing."""
        with self._changed:
            self._closed = True
            for asked in list(self._asked.values()):
                self._end_all(asked, Stopping())
            self._changed.notify()

    def close(self) -> None:
        """Stop, and end the thread."""
        self.stop()
        if self._thread:
            self._thread.join(5)
        self._runtime.events.unfollow()

    @property
    def following(self) -> bool:
        """Whether what is stored from now on is heard."""
        return self._following

    def _attach(self, subscription: Subscription, question: Question) -> None:
        # Not the question itself: to Python a filter by the number 1 equals one by the boolean true.
        key = repr(question)
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = _Asked(question)
            self._of_website.setdefault(question.website_id, set()).add(asked)
        subscription.asked = asked
        asked.subscriptions.add(subscription)
        if asked.answer is not None:
            subscription.mailbox.put(asked.answer.value)
            subscription.wake()
        elif not asked.busy:
            self._agenda.put(asked, time.monotonic())

    def _detach(self, subscription: Subscription) -> bool:
        asked = subscription.asked
        if subscription not in asked.subscriptions:
            return False
        asked.subscriptions.remove(subscription)
        if not asked.subscriptions:
            del self._asked[repr(asked.question)]
            self._agenda.drop(asked)
            alike = self._of_website[asked.question.website_id]
            alike.remove(asked)
            if not alike:
                del self._of_website[asked.question.website_id]
        return True

    def _remove(self, subscription: Subscription) -> None:
        if self._detach(subscription):
            self._agenda.drop(subscription)
            self.count -= 1
            who = _person(subscription.actor)
            self._of_actor[who] -= 1
            if not self._of_actor[who]:
                del self._of_actor[who]

    def _end(self, subscription: Subscription, reason: Exception) -> None:
        subscription.ended = reason
        self._remove(subscription)
        subscription.wake()

    def _end_all(self, asked: _Asked, reason: Exception) -> None:
        for subscription in list(asked.subscriptions):
            self._end(subscription, reason)

    # What is heard, in whatever thread

    def _heard(self, told: Sequence[Stored]) -> None:
        with self._changed:
            for one in told:
                for asked in self._of_website.get(one.website_id, ()):
                    self._stir(asked, one)
            self._changed.notify()

    def _lost(self) -> None:
        with self._changed:
            for asked in self._asked.values():
                asked.lost = asked.question.streams
                self._stir(asked)
            self._changed.notify()

    def _stir(self, asked: _Asked, one: Stored | None = None) -> None:
        """Have it asked again, as soon as it may be."""
        if asked.question.streams and one is not None:
            if not one.records:
                return
            asked.told.append(one)
            asked.waiting += len(one)
            if asked.waiting > _MOST_TOLD:
                asked.told.clear()
                asked.waiting, asked.lost = 0, True
        if asked.busy:
            asked.again = True
        else:
            self._agenda.put(asked, asked.resting_until)

    def _check_website(self, website_id: UUID) -> None:
        with self._changed:
            asked = self._of_website.get(website_id, ())
            self._check_now(one for each in asked for one in each.subscriptions)

    def _check_keys(self) -> None:
        with self._changed:
            every = (one for asked in self._asked.values() for one in asked.subscriptions)
            self._check_now(one for one in every if one.actor.kind is Kind.KEY)

    def _check_now(self, subscriptions: Iterable[Subscription]) -> None:
        for subscription in subscriptions:
            subscription.checked = 0.0
            self._agenda.put(subscription, 0.0)
        self._changed.notify()

    # What the thread does

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (thing := self._agenda.take(time.monotonic())) is None:
                    at = self._agenda.next_at()
                    self._changed.wait(None if at is None else max(0.0, at - time.monotonic()))
                if self._closed:
                    return
            assert thing is not None  # noqa: S101 - tells mypy what the loop says
            if not isinstance(thing, Subscription):
                self._ask(thing)
            elif self._check_is_due(thing):
                self._check(thing)
            else:  # it was checked before it was told something
                with self._changed:
                    self._agenda.put(thing, thing.checked + self._check_every)

    def _check_is_due(self, subscription: Subscription) -> bool:
        return time.monotonic() >= subscription.checked + self._check_every

    def _check(self, subscription: Subscription) -> bool:
        """Whether the subscriber may still follow; one who may not is ended."""
        try:
            question = self._runtime.call(subscription.actor, subscription.opening)
        except Unavailable as error:
            with self._changed:
                if time.monotonic() - subscription.checked > 2 * self._check_every:
                    self._end(subscription, error)
                elif subscription in subscription.asked.subscriptions:
                    self._agenda.put(subscription, time.monotonic() + _RETRY)
            return False
        except Exception as error:  # whatever it is, it is for the subscriber to be told
            with self._changed:
                self._end(subscription, error)
            return False
        with self._changed:
            if subscription not in subscription.asked.subscriptions:
                return False
            subscription.checked = time.monotonic()
            self._agenda.put(subscription, subscription.checked + self._check_every)
            if repr(question) != repr(subscription.asked.question):
                # A segment that it is filtered by is another now.
                self._detach(subscription)
                self._attach(subscription, question)
        return True

    def _ask(self, asked: _Asked) -> None:
        with self._changed:
            if not asked.subscriptions:
                return
            asked.busy, asked.again = True, False
            told = _some(asked)
            lost, asked.lost = asked.lost, False
        began = time.monotonic()
        until: float | None = None
        try:
            self._follow()
            answer = None
            if told or not asked.question.streams:
                answer = self._runtime.call(SYSTEM, asked.question.answer, told)
        except Unavailable as error:
            with self._changed:
                asked.told.extendleft(reversed(told))
                asked.waiting += sum(map(len, told))
                asked.lost = asked.lost or lost
                if asked.answer is None and not (asked.question.streams and self._following):
                    self._end_all(asked, error)
                until = time.monotonic() + _RETRY
        except Exception as error:  # as above
            with self._changed:
                self._end_all(asked, error)
        else:
            self._tell(asked, answer, lost)
            if answer and answer.until:
                until = time.monotonic() + (answer.until - utc_now()).total_seconds() + 0.002
        with self._changed:
            now = time.monotonic()
            asked.busy = False
            asked.resting_until = now + max(asked.question.pause, min(_LONGEST_REST, _REST * (now - began)))
            if not asked.subscriptions:
                return
            if asked.told:
                asked.resting_until = now
            if asked.again or asked.told or asked.lost:
                self._agenda.put(asked, asked.resting_until)
            if until is not None:
                self._agenda.put(asked, max(until, asked.resting_until))

    def _follow(self) -> None:
        if not self._following:
            self._runtime.events.follow(self._heard, self._lost)
            self._following = True

    def _tell(self, asked: _Asked, answer: Answer | None, lost: bool) -> None:
        with self._changed:
            streams = asked.question.streams
            same = asked.answer is not None and answer is not None and asked.answer.value == answer.value
            if not streams:
                asked.answer = answer
            told = list(asked.subscriptions) if lost or (answer is not None and not same) else []
        for subscription in told:
            if self._check_is_due(subscription) and not self._check(subscription):
                continue
            if lost:
                subscription.mailbox.put(None)
            if answer is not None:
                subscription.mailbox.put(answer.value)
            subscription.wake()


def _some(asked: _Asked) -> list[Stored]:
    """The first of what was told, as much as one statement asks of."""
    told: list[Stored] = []
    count = 0
    while asked.told and count + len(asked.told[0]) <= _AT_ONCE:
        told.append(asked.told.popleft())
        count += len(told[-1])
    asked.waiting -= count
    return told


def _person(actor: Actor) -> Hashable:
    """Who counts as one: a user, a key, or somebody who opened a share link."""
    if actor.kind is Kind.USER:
        return actor.user_id
    if actor.kind is Kind.KEY:
        return actor.key_digest
    return actor
