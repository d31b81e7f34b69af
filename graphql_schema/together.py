"""Fields that are resolved at the same moment ask the core together: their questions become few scans."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from app.context import Actor, Ctx, Runtime
from app.errors import AppError
from app.stats import plan
from app.stats.questions import Question
from app.stats.scope import Opening, Scope, open_scopes

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")

# Turns of the event loop until the siblings of a field, of every row of a list, have asked too.
_TURNS: Final = 2

# Reads what a field asks, in the operation that answers it. Raises AppError for arguments that make no sense.
Prepare = Callable[[Ctx], Q]


@dataclass(slots=True)
class _Batch(Generic[Q, A]):
    asked: list[tuple[Prepare[Q], asyncio.Future[A]]] = field(default_factory=list)


class Together(Generic[Q, A]):
    """Gathers what is asked under one actor, and answers it in one operation of the core; one for each request.

    Each gets its own answer or its own error.
    """

    def __init__(
        self, runtime: Runtime, answered: Callable[[Ctx, Sequence[Q]], Sequence[A | AppError]]
    ) -> None:
        self._runtime = runtime
        self._answered = answered
        self._batches: dict[Actor, _Batch[Q, A]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, actor: Actor, prepare: Prepare[Q]) -> A:
        """The answer to what `prepare` finds is asked. Raises what it, or answering, raises."""
        loop = asyncio.get_running_loop()
        if actor not in self._batches:
            self._batches[actor] = _Batch()
            self._wait(loop, actor, _TURNS)
        future: asyncio.Future[A] = loop.create_future()
        self._batches[actor].asked.append((prepare, future))
        return await future

    def _wait(self, loop: asyncio.AbstractEventLoop, actor: Actor, turns: int) -> None:
        if turns:
            loop.call_soon(self._wait, loop, actor, turns - 1)
            return
        task = loop.create_task(self._answer(actor, self._batches.pop(actor)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, actor: Actor, batch: _Batch[Q, A]) -> None:
        prepares = [prepare for prepare, _ in batch.asked]
        try:
            found: Sequence[A | Exception] = await self._runtime.run(actor, self._found, prepares)
        except Exception as error:
            # Of the operation as a whole: everyone who waits is told.
            found = [error] * len(prepares)
        for answer, (_, future) in zip(found, batch.asked, strict=True):
            if future.done():  # whoever asked is gone
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _found(self, ctx: Ctx, prepares: Sequence[Prepare[Q]]) -> list[A | AppError]:
        prepared: list[Q | AppError] = []
        for prepare in prepares:
            try:
                prepared.append(prepare(ctx))
            except AppError as error:
                prepared.append(error)
        answers = iter(self._answered(ctx, [one for one in prepared if not isinstance(one, AppError)]))
        return [one if isinstance(one, AppError) else next(answers) for one in prepared]


# A scope, and when it was opened.
Scopes = Together[Opening, tuple[Scope, dt.datetime]]
# Questions of a field, and what makes of them those that are answered once all fields have been heard.
_Some = Sequence[Question[Any] | None]
Figures = Together[tuple[_Some, Callable[[_Some], _Some]], list[Any]]


def scopes(runtime: Runtime) -> Scopes:
    """Opens scopes."""
    return Together(runtime, _opened)


def figures(runtime: Runtime) -> Figures:
    """Answers some questions of a field at once, None to what is None."""
    return Together(runtime, _answers)


def _opened(ctx: Ctx, asked: Sequence[Opening]) -> list[tuple[Scope, dt.datetime] | AppError]:
    return [one if isinstance(one, AppError) else (one, ctx.now) for one in open_scopes(ctx, asked)]


def _answers(ctx: Ctx, asked: Sequence[tuple[_Some, Callable[[_Some], _Some]]]) -> list[list[Any] | AppError]:
    settled = [together(some) for some, together in asked]
    answers = iter(plan.answers(ctx, [question for some in settled for question in some if question]))
    found: list[list[Any] | AppError] = []
    for some in settled:
        mine = [next(answers) if question else None for question in some]
        errors = (answer for answer in mine if isinstance(answer, AppError))
        found.append(next(errors, mine))
    return found
