"""What stands beside a row, fetched for all rows of an answer at once: owners, teams and members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from app import models, teams, users
from app.context import Ctx
from app.paging import Page

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
Run = Callable[..., Awaitable[Any]]


class Loaders:
    """Of one request. Nothing is remembered between loads: a mutation before may have changed it."""

    def __init__(self, run: Run) -> None:
        self.user: DataLoader[UUID, models.User | None] = _loader(run, users.named)
        self.team: DataLoader[UUID, models.Team | None] = _loader(run, teams.named)
        # (team, rows at the most) → its first page
        self.members: DataLoader[tuple[UUID, int], Page[models.Membership] | None] = _loader(
            run, teams.first_members
        )


def _loader(run: Run, found: Callable[[Ctx, Collection[K]], Mapping[K, T]]) -> DataLoader[K, T | None]:
    async def load(ids: Sequence[K]) -> list[T | None]:
        rows = await run(found, set(ids))
        return [rows.get(one) for one in ids]

    return DataLoader(load, cache=False)
