"""From the thread that tells to the task that sends: what a subscription of the core is to an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from app.live.mailbox import Mailbox
from app.live.questions import Opening
from app.live.subscriptions import Stopping, Subscription
from graphql_schema.context import Context

T = TypeVar("T")


class Pushes(AsyncIterator[T], Generic[T]):
    """The values of one subscription, each shaped when it is taken.

    A class rather than a generator: one that was never begun would not be told that it is over.
    """

    def __init__(
        self, shape: Callable[[Any], T], subscribe: Callable[[Callable[[], None]], Subscription]
    ) -> None:
        """`subscribe` takes what is to be called when there is something new."""
        self._shape = shape
        self._loop = asyncio.get_running_loop()
        # An event would keep a queue of those who wait for it: 760 bytes, and it is one at most.
        self._news = self._loop.create_future()
        self._subscription = subscribe(self._wake)

    @classmethod
    async def opened(
        cls, context: Context, opening: Opening, mailbox: Mailbox, shape: Callable[[Any], T]
    ) -> Pushes[T]:
        """Follow what `opening` makes. Raises what it raises, and as `Live.subscribe`."""
        question = await context.run(opening)
        return cls(shape, partial(context.live.subscribe, context.actor, opening, question, mailbox))

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, and whoever waited is gone
            self._loop.call_soon_threadsafe(self._stir)

    def _stir(self) -> None:
        if not self._news.done():
            self._news.set_result(None)

    async def __anext__(self) -> T:
        while True:
            # Before it is looked: what comes meanwhile is news.
            self._news = self._loop.create_future()
            try:
                value = self._subscription.take()
            except Stopping:
                # No end that the protocol knows: clients take it for a broken line and come again.
                raise asyncio.CancelledError from None
            if value is not None:
                return self._shape(value)
            await self._news

    async def aclose(self) -> None:
        self._subscription.close()
