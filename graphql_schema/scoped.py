"""What every group of figures of one website, period and filter stands on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import strawberry

from app.context import Actor, Ctx
from app.stats.questions import Question
from app.stats.scope import Scope
from graphql_schema.context import Info

P = ParamSpec("P")
T = TypeVar("T")


@strawberry.type
class Scoped:
    """The scope of the figures, and under whom it was opened: a share link's figures are asked for as that link."""

    scope: strawberry.Private[Scope]
    actor: strawberry.Private[Actor]
    all_time: strawberry.Private[bool]

    async def ask(
        self, info: Info, verb: Callable[Concatenate[Ctx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb of the core as the actor who opened the scope."""
        return await info.context.runtime.run(self.actor, verb, *args, **kwargs)

    async def figures(self, info: Info, asked: Callable[[Ctx], Sequence[Question[Any] | None]]) -> list[Any]:
        """The answers to questions, None to what is None: all fields that ask at the same moment are answered together."""
        return await info.context.figures.ask(self.actor, asked)
