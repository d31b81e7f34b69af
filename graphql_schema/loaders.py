"""What stands beside a row, fetched for all rows of an answer at once: owners, teams and members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from app import models, teams, users
from app.context import Ctx

T = TypeVar("T")
Run = Callable[..., Awaitable[Any]]


class Loaders:
    """Of one request. Nothing is remembered between loads: a mutation before may have changed it."""

    def __init__(self, run: Run) -> None:
        self.user: DataLoader[UUID, models.User | None] = _loader(run, users.named)
        self.team: DataLoader[UUID, models.Team | None] = _loader(run, teams.named)


def _loader(
    run: Run, found: Callable[[Ctx, Collection[UUID]], Mapping[UUID, T]]
) -> DataLoader[UUID, T | None]:
    async def load(ids: Sequence[UUID]) -> list[T | None]:
        rows = await run(found, set(ids))
        return [rows.get(one) for one in ids]

    return DataLoader(load, cache=False)
