"""What every group of figures of one website, period and filter stands on."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Concatenate, ParamSpec, TypeVar

import strawberry

from app.context import Actor, Ctx
from app.errors import Invalid
from app.paging import Window
from app.stats.period import Period
from app.stats.questions import Question
from app.stats.scope import Scope
from graphql_schema.connections import MAX_PAGE, Kind, position
from graphql_schema.context import Info
from graphql_schema.types import FOREIGN, page_size, to_cursor

P = ParamSpec("P")
T = TypeVar("T")

_MILLISECOND = dt.timedelta(milliseconds=1)
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)
# How far the clocks of machines that serve one database may be apart.
_CLOCKS_APART = dt.timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a list is as of: when a period relative to now was asked for, and the last write that counts."""

    at: dt.datetime
    write: int


@dataclass(slots=True)
class Asked:
    """When a scope was opened, and which period was asked for, as seen from any instant."""

    at: dt.datetime
    period: Callable[[dt.datetime], Period]
    write: int | None = None  # None until it is looked up
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def moment(self, ctx: Ctx) -> Moment:
        """What first pages are as of: one moment for all lists of a scope, looked up when one of them is asked for."""
        with self._one_at_a_time:
            if self.write is None:
                self.write = ctx.last_write
            return Moment(self.at, self.write)

    def together(self, questions: Sequence[Question[Any] | None]) -> list[Question[Any] | None]:
        """The questions, as of that moment too if a list has been asked for: then they share its reads."""
        write = self.write
        return [
            one.until(write) if one and write is not None and one.scope.upto is None else one
            for one in questions
        ]


@dataclass
class Listed:
    """A page that is asked for, of a list as it was when its first page was asked for.

    `window` takes one row more than the page has, which tells whether there is a next page.
    """

    name: str
    window: Window
    _find: Callable[[], tuple[Moment, Scope]]

    @cached_property
    def _found(self) -> tuple[Moment, Scope]:
        return self._find()

    @property
    def scope(self) -> Scope:
        """What the list is of. Of a first page it is looked up when this is read."""
        return self._found[1]

    def cursor(self, *key: str | int | None) -> str:
        """The cursor of the row with this key."""
        moment = self._found[0]
        return to_cursor(self.name, (moment.at - _EPOCH) // _MILLISECOND, moment.write, *key)


@strawberry.type
class Scoped:
    """The scope of the figures, and under whom it was opened: a share link's figures are asked for as that link."""

    scope: strawberry.Private[Scope]
    actor: strawberry.Private[Actor]
    all_time: strawberry.Private[bool]
    asked: strawberry.Private[Asked]

    async def ask(
        self, info: Info, verb: Callable[Concatenate[Ctx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb of the core as the actor who opened the scope."""
        return await info.context.runtime.run(self.actor, verb, *args, **kwargs)

    async def figures(self, info: Info, asked: Callable[[Ctx], Sequence[Question[Any] | None]]) -> list[Any]:
        """The answers to questions, None to what is None: all fields that ask at the same moment are answered together."""
        return await info.context.figures.ask(self.actor, lambda ctx: (asked(ctx), self.asked.together))

    def page(self, ctx: Ctx, name: str, first: int, after: str | None, *kinds: Kind) -> Listed:
        """The page of a list of this scope that follows a cursor, or its first. It holds still while events stream in.

        `name` tells the list from others, and one order of it from another; `kinds` are what its key is made of.
        Raises Invalid for a page size out of bounds, and for a cursor that this list did not hand out.
        """
        limit = page_size(first, MAX_PAGE)
        given, key = (None, None) if after is None else _read(ctx, name, after, kinds)

        def find() -> tuple[Moment, Scope]:
            moment = given or self.asked.moment(ctx)
            # Not `self.scope` itself: of all time it has the first and the last event there were a moment before.
            return moment, self.scope.over(self.asked.period(moment.at)).until(moment.write)

        return Listed(name, Window(limit + 1, after=key), find)


def _read(ctx: Ctx, name: str, cursor: str, kinds: Sequence[Kind]) -> tuple[Moment, tuple[Any, ...]]:
    """The moment of a list and the key of a row of it."""
    of, at, write, *key = position(cursor, (str, int, int, *kinds))
    # No list is as of a moment to come, and most of those are in no calendar.
    if of != name or at > (ctx.now - _EPOCH + _CLOCKS_APART) // _MILLISECOND:
        raise Invalid(FOREIGN, field="after")
    return Moment(_EPOCH + at * _MILLISECOND, write), tuple(key)
