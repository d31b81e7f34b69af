"""Brings a site's tables to life: how many come on a day, who they are, and what each does during a visit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from app.demo.model import LEAVE, Page, Site, Source, Visitor, Weighted
from app.demo.people import Births
from app.ingest.payload import Hit
from app.ingest.rows import Client

# One visit: who sends, and the hits in order, each with its time.
Visit = tuple[Client, list[tuple[dt.datetime, Hit]]]

_DAY_MINUTES: Final = 24 * 60
# A visit ends before the visit cache would (Umami v2 REST behaviour §2.8), so that it is one visit.
_LONGEST: Final = dt.timedelta(minutes=29)
_LONGEST_PAUSE: Final = 600.0  # seconds
_CLICK_ID: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
# Those who return were among this many latest on average, so that few of half a year ago come back.
_MEMORY: Final = 900
_MEMBERS_SHARE: Final = 0.3  # of those who return
_LOGGED_IN: Final = 0.85  # of members' visits


def days(site: Site, website_id: UUID, end: dt.datetime, count: int, rng: Random) -> Iterator[list[Visit]]:
    """The visits of each of the `count` days before `end` (a midnight in UTC), in no order within a day.

    What would happen from `end` on is left out, so that nothing lies in the future.
    """
    crowd = _Crowd(site)
    for age in range(count, 0, -1):
        midnight = end - dt.timedelta(days=age)
        day = midnight.date()
        visits: list[Visit] = []
        for source in _arrivals(site, day, age, rng):
            visitor = crowd.next(day, rng)
            start = midnight + dt.timedelta(seconds=_second_of_day(site, visitor, day, rng))
            walk = _Walk(site, website_id, visitor, start, age, rng)
            was_member = bool(visitor.member)
            walk.run(source)
            if visitor.member and not was_member:
                crowd.members.append(visitor)
            visits.append((visitor.client, [step for step in walk.hits if step[0] < end]))
        yield visits


def _arrivals(site: Site, day: dt.date, age: int, rng: Random) -> Iterator[Source]:
    """Where each visit of a day comes from."""
    usual = (
        site.visits
        * site.growth ** (-age / 365)
        * site.weekdays[day.weekday()]
        * _season(site.months, day)
        * site.holidays.get((day.month, day.day), 1.0)
        * rng.lognormvariate(0, 0.07)
    )
    week = day.isocalendar().week
    active = Weighted((s, s.weight) for s in site.sources if s.weeks[0] <= week <= s.weeks[1])
    for _ in range(round(usual)):
        yield active.draw(rng)
    for wave in site.waves:
        since = wave.when(day, age)
        if since is not None and since < len(wave.shape):
            # Waves were written for the site of today; the smaller one of last year made smaller ones.
            size = wave.shape[since] * site.growth ** (-age / 365) * rng.lognormvariate(0, 0.1)
            for _ in range(round(size)):
                yield wave.source


def _season(months: tuple[float, ...], day: dt.date) -> float:
    """The year's factor for a day, sliding from the middle of one month to that of the next."""
    position = day.month - 1 + (day.day - 15) / 31
    earlier = int(position // 1)
    share = position - earlier
    return months[earlier % 12] * (1 - share) + months[(earlier + 1) % 12] * share


def _second_of_day(site: Site, visitor: Visitor, day: dt.date, rng: Random) -> float:
    """A second of the UTC day, such that the visitor's own clock follows the site's hours."""
    minute = site.hours.draw(rng) * 60 + rng.random() * 60 - _offset(visitor.place.zone, day)
    return round(minute % _DAY_MINUTES * 60, 3)


@lru_cache(maxsize=4096)
def _offset(zone: str, day: dt.date) -> float:
    """Minutes the zone is ahead of UTC at noon."""
    noon = dt.datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    return (noon.utcoffset() or dt.timedelta()).total_seconds() / 60


class _Crowd:
    """Who was on a site before, and who comes next."""

    def __init__(self, site: Site) -> None:
        self.members: list[Visitor] = []
        self._returning = site.returning
        self._births = Births(site)
        self._known: list[Visitor] = []

    def next(self, day: dt.date, rng: Random) -> Visitor:
        visitor = self._returner(rng) if rng.random() < self._returning else None
        # A second visit of the same day could overlap the first.
        if visitor is None or visitor.last_day == day:
            visitor = self._births.next(rng)
            self._known.append(visitor)
        visitor.last_day = day
        return visitor

    def _returner(self, rng: Random) -> Visitor | None:
        pool = self.members if rng.random() < _MEMBERS_SHARE else self._known
        back = int(rng.expovariate(1 / _MEMORY))
        return pool[-1 - back] if back < len(pool) else None


class _Walk:
    """What one visitor does in one visit. `hits` fills as it goes."""

    def __init__(
        self, site: Site, website_id: UUID, visitor: Visitor, start: dt.datetime, age: int, rng: Random
    ) -> None:
        self.hits: list[tuple[dt.datetime, Hit]] = []
        self._site, self._website_id, self._website = site, website_id, str(website_id)
        self._visitor, self._at, self._rng = visitor, start, rng
        self._ends = start + _LONGEST
        self._known_as = ""
        self._url = self._referrer = self._title = self._tag = ""
        self._flow: Mapping[str, Weighted[str]] = site.flow
        if site.experiment and age <= site.experiment.days:
            variant = "b" if visitor.number % 2 else "a"
            self._tag = f"{site.experiment.name}-{variant}"
            if variant == "b":
                self._flow = {**site.flow, **site.experiment.flow}

    def run(self, source: Source) -> None:
        """Land, and go on until the flow or the time ends it."""
        rng, site = self._rng, self._site
        kind = source.lands.draw(rng)
        page = site.pages[kind].draw(rng)
        self._open(page, source.referrer, _landing_query(source, rng))
        if self._visitor.member and rng.random() < _LOGGED_IN:
            self._visitor.facts["visits"] += 1
            self._identify()
        self._view(kind, page)
        while (kind := self._flow[kind].draw(rng)) != LEAVE:
            following = site.pages[kind].draw(rng)
            if following == page:
                continue
            page = following
            self._pause(min(_LONGEST_PAUSE, rng.lognormvariate(0, 0.9) * site.attention))
            if self._at > self._ends:
                return
            self._open(page, self._url, "")
            self._view(kind, page)

    def _open(self, page: Page, referrer: str, query: str) -> None:
        path, hash_mark, fragment = page.path.partition("#")
        joint = ("&" if "?" in path else "?") if query else ""
        self._url = f"https://{self._site.domain}{path}{joint}{query}{hash_mark}{fragment}"
        self._referrer, self._title = referrer, page.title

    def _view(self, kind: str, page: Page) -> None:
        self._send("event")
        for happening in self._site.happenings.get(kind, ()):
            if self._rng.random() >= happening.share:
                continue
            self._pause(1 + self._rng.random() * 14)
            data = happening.details(self._rng, self._visitor, page)
            self._send("event", happening.name, data)
            if not self._visitor.member and self._rng.random() < happening.joins:
                self._join(data)

    def _join(self, data: Mapping[str, Any]) -> None:
        self._visitor.member = f"{self._site.members}-{1000 + self._visitor.number}"
        since = self._at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self._visitor.facts = {**self._site.facts(self._rng, data), "since": since, "visits": 1}
        self._pause(0.4)
        self._identify()

    def _identify(self) -> None:
        self._known_as = self._visitor.member
        self._send("identify", data=dict(self._visitor.facts))
        self._pause(0.2)

    def _pause(self, seconds: float) -> None:
        self._at += dt.timedelta(milliseconds=round(seconds * 1000))

    def _send(
        self, kind: Literal["event", "identify"], name: str = "", data: dict[str, Any] | None = None
    ) -> None:
        hit = Hit(
            kind=kind,
            website=self._website,
            website_id=self._website_id,
            url=self._url,
            referrer=self._referrer,
            hostname=self._site.domain,
            language=self._visitor.language,
            screen=self._visitor.screen,
            title=self._title,
            name=name,
            tag=self._tag,
            data=data,
            ip="",
            user_agent=None,
            timestamp=None,
            distinct_id=self._known_as,
        )
        self.hits.append((self._at, hit))


def _landing_query(source: Source, rng: Random) -> str:
    if "{click}" not in source.query:
        return source.query
    click = "".join(_CLICK_ID[int(rng.random() * len(_CLICK_ID))] for _ in range(16))
    return source.query.replace("{click}", click)
