"""Who follows, and what is followed by one or many."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final

from app.context import Actor, Kind
from app.live.mailbox import Mailbox
from app.live.questions import MOST_READ, Answer, Opening, Question
from app.stored import MOST, Stored

# Events of a question that wait to be read; of more than these only that there were some is known.
_MOST_WAITING: Final = 20_000
# Of more than these the oldest are counted instead of read, so many at once.
_BEHIND: Final = 1_500
_COUNTED: Final = 3_000
# Events that are told at once, to all who follow together.
_TOLD: Final = 2_500


class Stopping(Exception):
    """The server is stopping: nobody's fault, and no answer to a subscriber."""


@dataclass(eq=False, slots=True)
class Subscription:
    """One subscriber. `wake` is called, in some thread, when there is something to take."""

    actor: Actor
    opening: Opening
    mailbox: Mailbox
    wake: Callable[[], None]
    leave: Callable[[Subscription], None]
    asked: Asked
    checked: float  # monotonic seconds of the last check that it may follow
    held: bool = False  # nothing is given out before the next check
    ended: Exception | None = None

    def take(self) -> Any | None:
        """What is new, None if nothing is. Raises what ended the subscription, and Stopping."""
        if self.ended:
            raise self.ended
        return None if self.held else self.mailbox.take()

    def close(self) -> None:
        """Follow no longer. One that has ended may be closed too."""
        self.leave(self)

    @property
    def follows(self) -> bool:
        return self in self.asked.subscriptions

    @property
    def person(self) -> Hashable:
        """Who counts as one: a user, a key, or somebody who opened a share link."""
        if self.actor.kind is Kind.USER:
            return self.actor.user_id
        return self.actor.key_digest if self.actor.kind is Kind.KEY else self.actor


@dataclass(eq=False, slots=True)
class Asked:
    """A question and those who follow it."""

    question: Question
    subscriptions: set[Subscription] = field(default_factory=set)
    answer: Answer | None = None  # the last one, unless it streams
    told: deque[Stored] = field(default_factory=deque)
    waiting: int = 0  # events in `told`
    lost: bool = False  # something was not heard, or was too much to keep
    busy: bool = False  # it is being asked at this moment
    again: bool = False  # something was stored meanwhile
    resting_until: float = 0.0  # monotonic seconds

    @property
    def key(self) -> str:
        """The same for the same question."""
        return repr(self.question)

    def hear(self, one: Stored) -> None:
        """Keep what was told, if that is what it asks about."""
        if self.question.streams and one.records:
            self.told.append(one)
            self.waiting += len(one)
        if self.waiting > _MOST_WAITING:
            self.told.clear()
            self.waiting, self.lost = 0, True

    def some(self) -> list[Stored]:
        """The first of what was told, as much as one statement asks of: to be read, or counted if there is too much."""
        if self.waiting > _BEHIND:
            most = min(_COUNTED, self.waiting - MOST)
        else:
            most = max(MOST, min(MOST_READ, _TOLD // max(1, len(self.subscriptions))))
        some: list[Stored] = []
        count = 0
        while self.told and count + len(self.told[0]) <= most:
            some.append(self.told.popleft())
            count += len(some[-1])
        self.waiting -= count
        return some

    def put_back(self, some: list[Stored]) -> None:
        self.told.extendleft(reversed(some))
        self.waiting += sum(map(len, some))
