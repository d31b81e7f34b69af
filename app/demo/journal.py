"""A travel journal: commuters' hours, long reads, a newsletter on Sundays, a story that spreads now and then."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from app.demo.model import (
    LEAVE,
    Happening,
    Page,
    Site,
    Source,
    Visitor,
    Wave,
    days_ago,
    hours,
    ranked,
    weekly,
    weighted,
)

_STORIES: Final = (
    ("night-train-to-the-sea", "The night train to the sea"),
    ("a-week-without-maps", "A week without maps"),
    ("the-last-ferry", "The last ferry"),
    ("salt-roads", "Salt roads"),
    ("twelve-kinds-of-rain", "Twelve kinds of rain"),
    ("how-to-pack-nothing", "How to pack nothing"),
    ("the-lighthouse-keepers-bread", "The lighthouse keeper's bread"),
    ("walking-the-old-border", "Walking the old border"),
    ("a-town-of-clocks", "A town of clocks"),
    ("winter-in-the-hills", "Winter in the hills"),
    ("the-slow-bus", "The slow bus"),
    ("islands-at-low-tide", "Islands at low tide"),
    ("letters-from-the-pass", "Letters from the pass"),
    ("tea-at-four-thousand-metres", "Tea at four thousand metres"),
)
_TOPICS: Final = ("trains", "walking", "food", "islands", "winter")
_DEPTH: Final = weighted({50: 38, 75: 27, 100: 35})


def _read(rng: Random, _visitor: Visitor, page: Page) -> dict[str, Any]:
    return {"story": page.path.rpartition("/")[2], "depth": _DEPTH.draw(rng)}


def _shared(rng: Random, _visitor: Visitor, page: Page) -> dict[str, Any]:
    return {"story": page.path.rpartition("/")[2], "by": "link" if rng.random() < 0.6 else "e-mail"}


def _subscribed(rng: Random, _visitor: Visitor, _page: Page) -> dict[str, Any]:
    return {"list": "sunday-letter", "frequency": "weekly" if rng.random() < 0.8 else "monthly"}


def _gave(rng: Random, visitor: Visitor, _page: Page) -> dict[str, Any]:
    amounts = (3.0, 5.0, 10.0, 25.0)
    return {
        "revenue": amounts[int(rng.random() * 4)],
        "currency": visitor.place.market.currency,
        "monthly": rng.random() < 0.4,
    }


def _reader(_rng: Random, joined: Mapping[str, Any]) -> dict[str, Any]:
    return {"list": joined["list"], "frequency": joined["frequency"]}


_STORY: Final = weighted({"story": 92, "home": 8})
_HOME: Final = weighted({"home": 62, "story": 30, "topic": 8})

JOURNAL: Final = Site(
    key="journal",
    name="The Slow Atlas (demo journal)",
    domain="slowatlas.example",
    visits=98,
    growth=1.25,
    weekdays=(1.0, 0.98, 0.97, 0.95, 0.9, 0.98, 1.22),
    months=(1.12, 1.05, 1.0, 1.02, 1.04, 1.02, 0.9, 0.88, 0.98, 1.0, 1.02, 0.97),
    holidays={(12, 24): 0.55, (12, 25): 0.5, (12, 31): 0.6, (1, 1): 1.3},
    hours=hours("10 6 4 3 3 8 26 62 68 44 34 34 48 44 32 30 34 48 56 54 62 72 58 28"),
    audience={"GB": 2.2, "IE": 2.0, "US": 1.2, "AU": 1.5, "NZ": 1.8, "CA": 1.4, "DE": 0.6},
    mobile=1.8,
    returning=0.4,
    attention=95,
    sources=(
        Source(27, _HOME),
        Source(25, _STORY, "https://www.google.com/"),
        Source(2.6, _STORY, "https://duckduckgo.com/"),
        Source(2.0, _STORY, "https://www.bing.com/"),
        Source(7.5, _STORY, "https://l.facebook.com/", "fbclid={click}"),
        Source(4.5, _STORY, "https://www.instagram.com/"),
        Source(3.5, _STORY, "https://t.co/"),
        Source(2.5, _STORY, "https://bsky.app/"),
        Source(2.2, _STORY, "https://www.reddit.com/r/slowtravel/"),
        Source(1.6, _STORY, "https://www.youtube.com/"),
        Source(3.4, _STORY, "https://longreads-weekly.example/picks"),
        Source(2.2, _HOME, "https://railnotes.example/links", "utm_source=railnotes&utm_medium=referral"),
        Source(1.2, _HOME, "https://outlook.live.com/"),
        Source(
            6,
            _STORY,
            "https://l.facebook.com/",
            "utm_source=facebook&utm_medium=social&utm_campaign=summer-reading",
            (26, 32),
        ),
        Source(
            5,
            _HOME,
            "https://www.instagram.com/",
            "utm_source=instagram&utm_medium=social&utm_campaign=year-of-rails",
            (1, 4),
        ),
    ),
    waves=(
        Wave(
            Source(1, _STORY, "", "utm_source=newsletter&utm_medium=email&utm_campaign=sunday-letter"),
            weekly(6),
            (78, 44, 16, 7, 4),
        ),
        Wave(
            Source(1, _STORY, "https://www.reddit.com/r/longreads/"),
            days_ago(262, 5),
            (520, 310, 120, 45, 20),
        ),
        Wave(Source(1, _STORY, "https://news.ycombinator.com/item"), days_ago(88), (680, 350, 90, 30)),
    ),
    pages={
        "home": weighted({Page("/", "The Slow Atlas"): 1}),
        "story": ranked(Page(f"/stories/{slug}", f"{title} — The Slow Atlas") for slug, title in _STORIES),
        "topic": ranked(
            Page(f"/topics/{topic}", f"{topic.capitalize()} — The Slow Atlas") for topic in _TOPICS
        ),
        "about": weighted(
            {
                Page("/about", "About — The Slow Atlas"): 70,
                Page("/about#letters", "About — The Slow Atlas"): 30,
            }
        ),
        "letter": weighted({Page("/sunday-letter", "The Sunday letter — The Slow Atlas"): 1}),
        "support": weighted({Page("/support", "Support us — The Slow Atlas"): 1}),
    },
    flow={
        "home": weighted({LEAVE: 30, "story": 52, "topic": 10, "about": 5, "letter": 3}),
        "story": weighted({LEAVE: 60, "story": 22, "home": 6, "topic": 5, "letter": 5, "support": 2}),
        "topic": weighted({LEAVE: 28, "story": 62, "topic": 10}),
        "about": weighted({LEAVE: 54, "story": 20, "letter": 14, "support": 12}),
        "letter": weighted({LEAVE: 52, "story": 36, "home": 12}),
        "support": weighted({LEAVE: 70, "home": 18, "story": 12}),
    },
    happenings={
        "story": (Happening("read", 0.34, _read), Happening("share", 0.02, _shared)),
        "letter": (Happening("subscribe", 0.42, _subscribed, joins=0.8),),
        "support": (Happening("donation", 0.16, _gave),),
    },
    members="reader",
    facts=_reader,
)
