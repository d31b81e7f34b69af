"""The manual of a piece of software: working days, desktop browsers, downloads and signups, a launch or two."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from app.demo.model import (
    LEAVE,
    Experiment,
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

_GUIDES: Final = (
    ("install", "Install"),
    ("first-pipeline", "Your first pipeline"),
    ("configuration", "Configuration"),
    ("docker", "Run it in Docker"),
    ("retries", "Retries and timeouts"),
    ("schedules", "Schedules"),
    ("secrets", "Secrets"),
    ("kubernetes", "Kubernetes"),
    ("monitoring", "Monitoring"),
    ("upgrading", "Upgrading"),
    ("troubleshooting", "Troubleshooting"),
)
_REFERENCE: Final = (
    "cli",
    "config-file",
    "http-api",
    "python-sdk",
    "errors",
    "environment",
    "webhooks",
    "go-sdk",
    "limits",
)
_POSTS: Final = (
    ("tidewire-3", "Tidewire 3"),
    ("why-append-only", "Why append-only"),
    ("faster-planner", "A faster planner"),
)
_TERMS: Final = (
    "retry",
    "timeout",
    "docker compose",
    "env variables",
    "cron",
    "python",
    "permission denied",
    "webhook",
)
_FILES: Final = weighted(
    {
        "tidewire-linux-amd64.tar.gz": 46,
        "tidewire-darwin-arm64.tar.gz": 27,
        "tidewire-windows-amd64.zip": 19,
        "tidewire-linux-arm64.tar.gz": 8,
    }
)
_PLANS: Final = weighted({"free": 68, "team": 25, "business": 7})
_SEATS: Final = {
    "free": weighted({1: 1}),
    "team": weighted({3: 40, 5: 35, 10: 25}),
    "business": weighted({20: 50, 50: 35, 120: 15}),
}
_ROLES: Final = weighted({"developer": 58, "operations": 22, "data": 13, "manager": 7})


def _downloaded(rng: Random, _visitor: Visitor, _page: Page) -> dict[str, Any]:
    return {"file": _FILES.draw(rng), "version": "3.1.0"}


def _signed_up(rng: Random, _visitor: Visitor, _page: Page) -> dict[str, Any]:
    plan = _PLANS.draw(rng)
    return {"plan": plan, "seats": _SEATS[plan].draw(rng), "trial": plan != "free"}


def _searched(rng: Random, _visitor: Visitor, page: Page) -> dict[str, Any]:
    found = int(rng.random() * 14)
    return {
        "term": page.path.partition("q=")[2].replace("+", " "),
        "results": found,
        "filters": ["guides"] if found > 9 else [],
    }


def _voted(rng: Random, _visitor: Visitor, page: Page) -> dict[str, Any]:
    return {"page": page.path, "helpful": rng.random() < 0.78}


def _copied(rng: Random, _visitor: Visitor, _page: Page) -> dict[str, Any]:
    return {"language": "shell" if rng.random() < 0.6 else "yaml", "lines": 1 + int(rng.random() * 12)}


def _user(rng: Random, joined: Mapping[str, Any]) -> dict[str, Any]:
    return {"plan": joined["plan"], "seats": joined["seats"], "role": _ROLES.draw(rng)}


_HOME: Final = weighted({"home": 88, "pricing": 7, "post": 5})
_DEEP: Final = weighted({"guide": 58, "reference": 36, "home": 6})
_NEWS: Final = weighted({"post": 78, "home": 22})

MANUAL: Final = Site(
    key="manual",
    name="Tidewire docs (demo documentation)",
    domain="docs.tidewire.example",
    visits=135,
    growth=2.1,
    weekdays=(1.16, 1.24, 1.24, 1.2, 1.05, 0.54, 0.57),
    months=(1.04, 1.06, 1.05, 1.02, 1.0, 0.98, 0.9, 0.86, 1.03, 1.08, 1.06, 0.82),
    holidays={(12, 24): 0.4, (12, 25): 0.3, (12, 26): 0.42, (12, 31): 0.45, (1, 1): 0.35},
    hours=hours("6 4 3 3 3 5 10 24 52 78 88 84 62 72 90 92 86 68 44 32 28 25 18 11"),
    audience={"IN": 1.6, "US": 1.4, "DE": 1.2, "JP": 1.1},
    mobile=0.22,
    returning=0.46,
    attention=58,
    sources=(
        Source(32, _HOME),
        Source(38, _DEEP, "https://www.google.com/"),
        Source(4.5, _DEEP, "https://duckduckgo.com/"),
        Source(3.2, _DEEP, "https://www.bing.com/"),
        Source(5.5, _DEEP, "https://chatgpt.com/", "utm_source=chatgpt.com"),
        Source(2.0, _DEEP, "https://www.perplexity.ai/"),
        Source(7.5, _HOME, "https://github.com/"),
        Source(4.0, _DEEP, "https://stackoverflow.com/questions/"),
        Source(2.2, _NEWS, "https://www.reddit.com/r/devops/"),
        Source(1.5, _NEWS, "https://www.linkedin.com/"),
        Source(1.3, _NEWS, "https://bsky.app/"),
        Source(1.4, _DEEP, "https://www.youtube.com/"),
        Source(
            1.6,
            _HOME,
            "https://registry.example/packages/tidewire",
            "utm_source=registry&utm_medium=referral",
        ),
        Source(
            2.4,
            _HOME,
            "https://www.google.com/",
            "utm_source=google&utm_medium=cpc&utm_campaign=pipelines&gclid={click}",
        ),
        Source(
            1.2,
            _HOME,
            "https://www.linkedin.com/",
            "utm_source=linkedin&utm_medium=cpc&utm_campaign=platform-teams&li_fat_id={click}",
        ),
        Source(
            5,
            _HOME,
            "https://conf-of-pipes.example/talks",
            "utm_source=conference&utm_medium=referral&utm_campaign=spring-tour",
            (17, 20),
        ),
        Source(
            5,
            _HOME,
            "https://www.google.com/",
            "utm_source=google&utm_medium=cpc&utm_campaign=autumn-release&gclid={click}",
            (38, 43),
        ),
    ),
    waves=(
        Wave(
            Source(1, _NEWS, "https://news.ycombinator.com/item"),
            days_ago(124, 9),
            (920, 540, 160, 70, 38, 20, 10),
        ),
        Wave(
            Source(1, _NEWS, "", "utm_source=changelog&utm_medium=email&utm_campaign=release-notes"),
            weekly(1),
            (20, 9, 4),
        ),
        Wave(
            Source(
                1,
                _NEWS,
                "https://t.co/",
                "utm_source=x&utm_medium=social&utm_campaign=tidewire-3&twclid={click}",
            ),
            days_ago(123),
            (90, 60, 22, 9),
        ),
    ),
    pages={
        "home": weighted({Page("/", "Tidewire documentation"): 1}),
        "guide": ranked(Page(f"/guides/{key}", f"{title} · Tidewire") for key, title in _GUIDES),
        "reference": ranked(
            Page(f"/reference/{key}", f"{key.replace('-', ' ')} · Tidewire reference") for key in _REFERENCE
        ),
        "search": ranked(Page(f"/search?q={term.replace(' ', '+')}", "Search · Tidewire") for term in _TERMS),
        "download": weighted({Page("/download", "Download · Tidewire"): 1}),
        "pricing": weighted({Page("/pricing", "Pricing · Tidewire"): 1}),
        "signup": weighted({Page("/signup", "Create an account · Tidewire"): 1}),
        "welcome": weighted({Page("/welcome", "Welcome · Tidewire"): 1}),
        "post": ranked(Page(f"/blog/{key}", f"{title} · Tidewire blog") for key, title in _POSTS),
    },
    flow={
        "home": weighted(
            {LEAVE: 25, "guide": 38, "reference": 11, "download": 10, "pricing": 8, "search": 8}
        ),
        "guide": weighted({LEAVE: 42, "guide": 30, "reference": 14, "search": 5, "download": 5, "home": 4}),
        "reference": weighted({LEAVE: 44, "reference": 28, "guide": 16, "search": 9, "home": 3}),
        "search": weighted({LEAVE: 22, "guide": 44, "reference": 26, "search": 8}),
        "download": weighted({LEAVE: 50, "guide": 40, "signup": 10}),
        "pricing": weighted({LEAVE: 46, "signup": 26, "home": 14, "guide": 14}),
        "signup": weighted({LEAVE: 48, "welcome": 42, "pricing": 10}),
        "welcome": weighted({LEAVE: 26, "guide": 62, "download": 12}),
        "post": weighted({LEAVE: 56, "home": 18, "guide": 12, "post": 8, "download": 6}),
    },
    happenings={
        "guide": (Happening("copy-code", 0.16, _copied), Happening("feedback", 0.025, _voted)),
        "reference": (Happening("copy-code", 0.1, _copied), Happening("feedback", 0.015, _voted)),
        "search": (Happening("search", 1.0, _searched),),
        "download": (Happening("download", 0.62, _downloaded),),
        "welcome": (Happening("signup", 1.0, _signed_up, joins=1.0),),
    },
    members="user",
    facts=_user,
    experiment=Experiment(
        "pricing", 35, {"pricing": weighted({LEAVE: 42, "signup": 34, "home": 12, "guide": 12})}
    ),
)
