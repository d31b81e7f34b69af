"""What a demo website is made of. The three of them are tables of these; `traffic` brings them to life."""

from __future__ import annotations

import datetime as dt
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any, Final, Generic, TypeVar

from app.ingest.client import Location
from app.ingest.rows import Client

T = TypeVar("T")

# The flow's word for leaving the site.
LEAVE: Final = ""


class Weighted(Generic[T]):
    """Things drawn in proportion to their weights."""

    def __init__(self, weights: Iterable[tuple[T, float]]) -> None:
        self.things, each = zip(*weights, strict=True)
        self._cumulative = list(accumulate(each))

    def draw(self, rng: Random) -> T:
        # Random.random() alone: its sequence is the one that Python promises never to change.
        at = rng.random() * self._cumulative[-1]
        thing: T = self.things[bisect(self._cumulative, at, 0, len(self.things) - 1)]
        return thing


def weighted(weights: Mapping[T, float]) -> Weighted[T]:
    return Weighted(weights.items())


def ranked(things: Iterable[T]) -> Weighted[T]:
    """Popularity as it usually falls: much for the first, a long tail for the others."""
    return Weighted((thing, (rank + 1) ** -0.8) for rank, thing in enumerate(things))


@dataclass(frozen=True, slots=True)
class Market:
    """What the people of a country have in common; `apple` and `mobile` scale the devices they use."""

    languages: Weighted[str]
    currency: str
    apple: float
    mobile: float


@dataclass(frozen=True, slots=True)
class Place:
    location: Location
    zone: str
    market: Market
    weight: float


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of browser on one kind of machine."""

    agent: str
    screens: Weighted[str]
    weight: float
    apple: bool
    mobile: bool


@dataclass(slots=True)
class Visitor:
    """Someone who may come again. `member` is the id known after signing up, '' before; `facts` is told with it."""

    number: int
    client: Client
    place: Place
    screen: str
    language: str
    member: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    last_day: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site; `path` may carry a query."""

    path: str
    title: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where visits come from, and the kinds of page they land on.

    `query` is added to the first address; `{click}` in it becomes a fresh click id. `weeks` are the first and the last
    ISO week of a campaign.
    """

    weight: float
    lands: Weighted[str]
    referrer: str = ""
    query: str = ""
    weeks: tuple[int, int] = (1, 53)


# Days since the latest start of something, None before the first. Asked with a day and how many days it is before the end.
When = Callable[[dt.date, int], int | None]


def days_ago(*starts: int) -> When:
    """Starts so many days before the end."""

    def since(_day: dt.date, age: int) -> int | None:
        return min((start - age for start in starts if start >= age), default=None)

    return since


def weekly(weekday: int) -> When:
    """Starts every week, on a weekday (Monday is 0)."""
    return lambda day, _age: (day.weekday() - weekday) % 7


def yearly(month: int, monthday: int) -> When:
    """Starts on this day of every year."""

    def since(day: dt.date, _age: int) -> int | None:
        past = (day - dt.date(day.year, month, monthday)).days
        return past if past >= 0 else None

    return since


@dataclass(frozen=True, slots=True)
class Wave:
    """Visits on top of the usual ones: `shape` is their number for each day since the start."""

    source: Source
    when: When
    shape: tuple[int, ...]


# What an event says of itself, told on a page by a visitor.
Details = Callable[[Random, Visitor, Page], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Happening:
    """A custom event: how likely on a view of its page, what it tells, and how likely it makes a member."""

    name: str
    share: float
    details: Details
    joins: float = 0.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """A test of two variants on all visitors: hits are tagged `<name>-a` or `<name>-b`, and b flows differently."""

    name: str
    days: int  # how long before the end it began
    flow: Mapping[str, Weighted[str]]


@dataclass(frozen=True, slots=True)
class Site:
    """One website. Seasonal factors are around 1; `visits` is the number on a usual day at the end."""

    key: str
    name: str
    domain: str
    visits: float
    growth: float  # visits at the end over visits a year before
    weekdays: tuple[float, ...]  # Monday first
    months: tuple[float, ...]
    holidays: Mapping[tuple[int, int], float]
    hours: Weighted[int]  # in the visitor's own time
    audience: Mapping[str, float]  # factors on countries' weights; those not named keep theirs
    mobile: float
    returning: float  # share of visits by someone who was here before
    attention: float  # median seconds on a page
    sources: tuple[Source, ...]
    waves: tuple[Wave, ...]
    pages: Mapping[str, Weighted[Page]]
    flow: Mapping[str, Weighted[str]]
    happenings: Mapping[str, tuple[Happening, ...]]
    members: str  # first part of their ids
    facts: Callable[
        [Random, Mapping[str, Any]], dict[str, Any]
    ]  # of a new member, from the joining event's data
    experiment: Experiment | None = None


def hours(weights: str) -> Weighted[int]:
    """A day's curve, written as 24 numbers from midnight on."""
    return Weighted((hour, float(weight)) for hour, weight in enumerate(weights.split()))
