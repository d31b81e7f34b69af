"""GraphQL over server-sent events, one operation for each request: `event: next` with each result, then `complete`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

from strawberry.http.streaming import SSETransport

# Seconds of silence after which a comment tells proxies that the stream lives.
KEEP_ALIVE: Final = 15.0


async def events(
    results: AsyncGenerator[Any, None],
    shown: Callable[[Any], Awaitable[Any]],
    encode: Callable[[object], str],
    transport: SSETransport,
    keep_alive: float = KEEP_ALIVE,
) -> AsyncGenerator[str, None]:
    """The stream's text. When the server stops it ends without `complete`, and clients come again."""
    waiting: asyncio.Future[Any] | None = None
    try:
        while True:
            waiting = asyncio.ensure_future(anext(results))
            while not (await asyncio.wait({waiting}, timeout=keep_alive))[0]:
                yield transport.encode_comment("")
            if waiting.cancelled():
                return
            try:
                result = waiting.result()
            except StopAsyncIteration:
                yield transport.encode_complete()
                return
            yield transport.encode_next(await shown(result), encode)
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})
        await results.aclose()
