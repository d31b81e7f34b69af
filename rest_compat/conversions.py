"""Reports of what visitors did: funnels, goals, journeys, retention (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

from itertools import groupby

from app.reports import funnel, goal, journey, retention
from app.settings import Settings
from rest_compat import shapes
from rest_compat.deps import Route
from rest_compat.reports import running
from rest_compat.shapes import Json


def _funnel(found: list[funnel.Reached]) -> list[Json]:
    return [
        {
            "type": one.step.type,
            "value": one.step.value,
            "visitors": one.visitors,
            "previous": one.previous,
            "dropped": one.dropped,
            "dropoff": shapes.number(one.dropoff),
            "remaining": shapes.number(one.remaining),
        }
        for one in found
    ]


def _goals(found: list[goal.Achieved]) -> list[Json]:
    """Each as it was sent and its result; grouped by kind (§3.12)."""
    kinds = list(goal.Kind)
    return [_goal(one) for one in sorted(found, key=lambda one: kinds.index(one.goal.kind))]


def _goal(one: goal.Achieved) -> Json:
    asked = one.goal
    more = {"operator": asked.operator, "property": asked.property}
    return {
        "type": asked.kind,
        "value": asked.value,
        "goal": shapes.number(asked.target),
        **{name: value for name, value in more.items() if value is not None},
        "result": shapes.number(one.result),
    }


def _journey(found: list[journey.Journey]) -> list[Json]:
    return [{"items": _items(one.steps), "count": one.visits} for one in found]


def _items(steps: tuple[str | None, ...]) -> list[str | None]:
    """Equal neighbours, nulls too, are one; below the most steps there are, a null closes the list (§3.12)."""
    merged = [step for step, _ in groupby(steps)]
    return merged if len(steps) == journey.MAX_STEPS else [*merged, None]


def _retention(found: list[retention.Cohort]) -> list[Json]:
    return [
        {
            "date": shapes.bucket(cohort.date),
            "day": day,
            "visitors": cohort.visitors,
            "returnVisitors": visitors,
            "percentage": shapes.number(100 * visitors / cohort.visitors),
        }
        for cohort in found
        for day, visitors in cohort.returned.items()
    ]


def routes(settings: Settings) -> list[Route]:
    opened, bought = {"type": "url", "value": "/"}, {"type": "event", "value": "purchase"}
    return [
        running(
            funnel.REPORT,
            "Visitors who take some steps one after the other",
            _funnel,
            {"window": 60, "steps": [opened, bought]},
            [
                {**opened, "visitors": 4, "previous": 0, "dropped": 0, "dropoff": None, "remaining": 1},
                {**bought, "visitors": 1, "previous": 4, "dropped": 3, "dropoff": 0.75, "remaining": 0.25},
            ],
        ),
        running(
            goal.REPORT,
            "How often something happened that was meant to",
            _goals,
            {"goals": [{**bought, "goal": 4}]},
            [{**bought, "goal": 4, "result": 2}],
        ),
        running(
            journey.REPORT,
            "The ways that most visits take",
            _journey,
            {"steps": 3},
            [{"items": ["/", "/pricing", "signup", None], "count": 1}],
        ),
        running(
            retention.REPORT,
            "Visitors who come back, by the day they first came",
            _retention,
            {"timezone": "Europe/Berlin"},
            [
                {
                    "date": "2026-11-10 00:00:00",
                    "day": 1,
                    "visitors": 4,
                    "returnVisitors": 1,
                    "percentage": 25,
                }
            ],
        ),
    ]
