"""Live: who follows what, and the one thread that asks and tells.

A question is asked once for all who follow it, again when something of its website was stored or its answer has had
its time, and never by more than this one thread: the readers are left to those who ask. What came of it goes into a
mailbox for each subscriber, who is woken and takes it when it can.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final
from uuid import UUID

from app.context import SYSTEM, Actor, Kind, Runtime
from app.errors import TooMany, Unavailable
from app.live.agenda import Agenda
from app.live.mailbox import Mailbox
from app.live.questions import Answer, Opening, Question
from app.live.subscriptions import Asked, Stopping, Subscription
from app.models import utc_now
from app.stored import Stored

log = logging.getLogger("dashi.live")

# A question that takes long rests this many times as long, so that those who follow cannot keep the store busy, but
# not for more seconds than this.
_REST: Final = 4
_LONGEST_REST: Final = 10.0
_RETRY: Final = 2.0
# Seconds of the event loop that it takes, about, to send a value to one subscriber, and each event of it. Collecting
# needs the loop too: after so many of them telling pauses for twice as many.
_SENDING: Final = 0.0005
_SENDING_EVENT: Final = 0.0002
_SENT_AT_ONCE: Final = 0.01
_PAUSE: Final = 2


class Live:
    """All subscriptions of a process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        # For what is asked again: it was heard of, so it is there, and the writer is not to be hurried for it.
        self._as_it_is = copy.copy(runtime)
        self._as_it_is.events = runtime.events.as_it_is()
        self._changed = threading.Condition()
        self._asked: dict[str, Asked] = {}
        self._of_website: dict[UUID, set[Asked]] = {}
        self._of_actor: Counter[Hashable] = Counter()
        self._to_check: Agenda[Subscription] = Agenda()
        self._to_ask: Agenda[Asked] = Agenda()  # for the first time
        self._to_ask_again: Agenda[Asked] = Agenda()
        self._sent = 0.0  # seconds of the loop, since the last pause
        self._thread: threading.Thread | None = None
        # Nothing is told to anyone whose last check is more seconds ago, and nobody goes on without one for longer.
        self._check_every = runtime.settings.subscription_check_seconds
        self._following = False
        self._closed = False
        self._stopping = threading.Event()
        self.count = 0
        runtime.on_website_change.append(self._check_website)
        runtime.on_key_change.append(self._check_keys)
        runtime.on_doubt.append(self._check_all)

    def subscribe(
        self, actor: Actor, opening: Opening, question: Question, mailbox: Mailbox, wake: Callable[[], None]
    ) -> Subscription:
        """Follow a question that `opening` has just made for this actor. Waits for nothing.

        Raises TooMany when the actor or the server has as many subscriptions as it may, Unavailable when it is stopping.
        """
        settings = self._runtime.settings
        now = time.monotonic()
        made = Subscription(actor, opening, mailbox, wake, self.unsubscribe, Asked(question), now)
        with self._changed:
            if self._closed:
                raise Unavailable("The server is stopping")
            if self._of_actor[made.person] >= settings.subscriptions_per_actor:
                raise TooMany(f"You may have {settings.subscriptions_per_actor} subscriptions at a time")
            if self.count >= settings.subscriptions_total:
                raise TooMany("The server has as many subscriptions as it takes")
            self.count += 1
            self._of_actor[made.person] += 1
            self._attach(made, question)
            self._to_check.put(made, now + self._check_every)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
            self._changed.notify()
        return made

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscriber; also one that has ended."""
        with self._changed:
            self._remove(subscription)

    def stop(self) -> None:
        """End every subscription with Stopping, and take no more. Waits for nothing."""
        self._stopping.set()
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

    def questions(self) -> list[Question]:
        """What is followed at this moment, each question once."""
        with self._changed:
            return [asked.question for asked in self._asked.values()]

    def _attach(self, subscription: Subscription, question: Question) -> None:
        made = Asked(question)
        asked = self._asked.setdefault(made.key, made)
        if asked is made:
            self._of_website.setdefault(question.website_id, set()).add(asked)
        subscription.asked = asked
        asked.subscriptions.add(subscription)
        if asked.answer is not None:
            subscription.mailbox.put(asked.answer.value)
            subscription.wake()
        elif not asked.busy and not (question.streams and self._following):
            self._to_ask.put(asked, time.monotonic())

    def _detach(self, subscription: Subscription) -> bool:
        asked = subscription.asked
        if subscription not in asked.subscriptions:
            return False
        asked.subscriptions.remove(subscription)
        if not asked.subscriptions:
            del self._asked[asked.key]
            self._to_ask.drop(asked)
            self._to_ask_again.drop(asked)
            alike = self._of_website[asked.question.website_id]
            alike.remove(asked)
            if not alike:
                del self._of_website[asked.question.website_id]
        return True

    def _remove(self, subscription: Subscription) -> None:
        if self._detach(subscription):
            self._to_check.drop(subscription)
            self.count -= 1
            who = subscription.person
            self._of_actor[who] -= 1
            if not self._of_actor[who]:
                del self._of_actor[who]

    def _end(self, subscription: Subscription, reason: Exception) -> None:
        subscription.ended = reason
        self._remove(subscription)
        subscription.wake()

    def _end_all(self, asked: Asked, reason: Exception) -> None:
        for subscription in list(asked.subscriptions):
            self._end(subscription, reason)

    # What is heard, in whatever thread

    def _heard(self, told: Sequence[Stored]) -> None:
        with self._changed:
            for one in told:
                for asked in self._of_website.get(one.website_id, ()):
                    asked.hear(one)
                    self._stir(asked)
            self._changed.notify()

    def _lost(self) -> None:
        with self._changed:
            for asked in self._asked.values():
                asked.lost = asked.question.streams
                self._stir(asked)
            self._changed.notify()

    def _stir(self, asked: Asked) -> None:
        """Have it asked again, as soon as it may be."""
        if asked.busy:
            asked.again = True
        else:
            self._to_ask_again.put(asked, asked.resting_until)

    def _check_website(self, website_id: UUID) -> None:
        with self._changed:
            asked = self._of_website.get(website_id, ())
            self._check_now(one for each in asked for one in each.subscriptions)

    def _check_keys(self) -> None:
        with self._changed:
            every = (one for asked in self._asked.values() for one in asked.subscriptions)
            self._check_now(one for one in every if one.actor.kind is Kind.KEY)

    def _check_all(self) -> None:
        with self._changed:
            self._check_now(one for asked in self._asked.values() for one in asked.subscriptions)

    def _check_now(self, subscriptions: Iterable[Subscription]) -> None:
        for subscription in subscriptions:
            subscription.checked = 0.0
            self._to_check.put(subscription, 0.0)
        self._changed.notify()

    # What the thread does

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed:
                    now = time.monotonic()
                    # Checks first: however many questions wait, who may no longer follow is found out in time.
                    subscription, asked = self._to_check.take(now), None
                    if subscription is None:
                        asked = self._to_ask.take(now)
                        if asked is None:
                            asked = self._to_ask_again.take(now)
                    if subscription or asked:
                        break
                    at = self._next_at()
                    self._changed.wait(None if at is None else max(0.0, at - now))
                if self._closed:
                    return
                if subscription and not self._check_is_due(subscription):
                    # It was checked before it was told something.
                    self._to_check.put(subscription, subscription.checked + self._check_every)
                    continue
            try:
                if subscription:
                    self._check(subscription)
                elif asked:
                    self._ask(asked)
            except Exception as error:
                # A fault of ours must not end what all others follow.
                log.error("Following failed", exc_info=error)
                with self._changed:
                    if subscription:
                        self._end(subscription, error)
                    elif asked:
                        self._end_all(asked, error)

    def _next_at(self) -> float | None:
        times = (agenda.next_at() for agenda in (self._to_check, self._to_ask, self._to_ask_again))
        return min((at for at in times if at is not None), default=None)

    def _check_is_due(self, subscription: Subscription) -> bool:
        return time.monotonic() >= subscription.checked + self._check_every

    def _check(self, subscription: Subscription) -> None:
        """End a subscriber who may not follow any longer, and give out what was held back for one who may."""
        try:
            question = self._runtime.call(subscription.actor, subscription.opening)
        except Unavailable as error:
            with self._changed:
                if time.monotonic() - subscription.checked > 2 * self._check_every:
                    self._end(subscription, error)
                elif subscription.follows:
                    self._to_check.put(subscription, time.monotonic() + _RETRY)
        except Exception as error:  # whatever it is, it is for the subscriber to be told
            with self._changed:
                self._end(subscription, error)
        else:
            with self._changed:
                if not subscription.follows:
                    return
                subscription.checked = time.monotonic()
                self._to_check.put(subscription, subscription.checked + self._check_every)
                if repr(question) != subscription.asked.key:
                    self._move(subscription, question)
                if subscription.held:
                    subscription.held = False
                    subscription.wake()

    def _move(self, subscription: Subscription, question: Question) -> None:
        """To another question: a segment that the first was filtered by has changed."""
        before = subscription.asked
        self._detach(subscription)
        self._attach(subscription, question)
        if before.told or subscription.asked.told:
            # What waits for the one and was had by the other cannot be told apart.
            subscription.mailbox.put(None)

    def _ask(self, asked: Asked) -> None:
        with self._changed:
            if not asked.subscriptions:
                return
            asked.busy, asked.again = True, False
            some = asked.some()
            lost, asked.lost = asked.lost, False
        took = 0.0
        failed = False
        answer = None
        try:
            self._follow()
            if some or not asked.question.streams:
                runtime = self._runtime if asked.answer is None and not some else self._as_it_is
                began = time.monotonic()
                answer = runtime.call(SYSTEM, asked.question.answer, some)
                took = time.monotonic() - began
        except Unavailable as error:
            failed = True
            with self._changed:
                asked.put_back(some)
                asked.lost = asked.lost or lost
                if asked.answer is None and not (asked.question.streams and self._following):
                    self._end_all(asked, error)
        except Exception as error:  # as above
            with self._changed:
                self._end_all(asked, error)
        else:
            self._tell(asked, answer, lost)
        with self._changed:
            asked.busy = False
            self._rest(asked, took, failed, answer)

    def _rest(self, asked: Asked, took: float, failed: bool, answer: Answer | None) -> None:
        """Put it on the agenda for when it may, and has to, be asked again."""
        if not asked.subscriptions:
            return
        now = time.monotonic()
        pause = max(asked.question.pause, min(_LONGEST_REST, _REST * took), _RETRY if failed else 0.0)
        asked.resting_until = now + pause
        if failed or asked.told or asked.again or asked.lost:
            self._to_ask_again.put(asked, asked.resting_until)
        if answer and answer.until:
            # Past it rather than at it.
            until = now + (answer.until - utc_now()).total_seconds() + 0.002
            self._to_ask_again.put(asked, max(until, asked.resting_until))

    def _follow(self) -> None:
        if not self._following:
            self._runtime.events.follow(self._heard, self._lost)
            self._following = True

    def _tell(self, asked: Asked, answer: Answer | None, lost: bool) -> None:
        with self._changed:
            before = asked.answer
            if not asked.question.streams:
                asked.answer = answer
            if answer is not None and (answer.nothing or (before and before.value == answer.value)):
                answer = None
            told = list(asked.subscriptions) if lost or answer is not None else []
        events = len(answer.value.events) if answer is not None and asked.question.streams else 0
        for subscription in told:
            subscription.held = self._check_is_due(subscription)
            if lost:
                subscription.mailbox.put(None)
            if answer is not None:
                subscription.mailbox.put(answer.value)
            if subscription.held:
                self._check(subscription)
            else:
                subscription.wake()
            self._sent += _SENDING + events * _SENDING_EVENT
            if self._sent >= _SENT_AT_ONCE:
                self._stopping.wait(_PAUSE * self._sent)
                self._sent = 0.0
