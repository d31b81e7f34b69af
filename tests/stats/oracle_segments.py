"""The judge of segments and cohorts: a filter in which each cohort is decided by looking at all events there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.stats.filters import And, Cohort, Filter, Not, Or
from tests.stats.oracle import Event, matches, value

Judge = Callable[[Event], bool]

FIELDS = {"url": "path", "host": "hostname"}


def decided(where: Any, events: Iterable[Event]) -> Any:
    """The filter, with each cohort replaced by who is in it."""
    match where:
        case And(parts):
            return And(tuple(decided(part, events) for part in parts))
        case Or(parts):
            return Or(tuple(decided(part, events) for part in parts))
        case Not(part):
            return Not(decided(part, events))
        case Cohort(_, start, end, inner):
            inner = decided(inner, events)
            return members(events, start, end, lambda event: matches(inner, event))
    return where


def members(events: Iterable[Event], start: dt.datetime, end: dt.datetime, judge: Judge) -> Judge:
    """Whether an event is of a session with an event in the period that the judge lets pass."""
    sessions = {event.session_id for event in events if start <= event.at <= end and judge(event)}
    return lambda event: event.session_id in sessions


def segment(parameters: Mapping[str, str]) -> Judge:
    """Whether an event passes all filters of a segment, as Umami's clients write them."""
    return lambda event: all(_passes(event, key, text) for key, text in parameters.items())


def cohort(
    events: Iterable[Event], parameters: Mapping[str, str], start: dt.datetime, end: dt.datetime
) -> Judge:
    """Whether an event is of a session in the cohort; without filters every one is."""
    return members(events, start, end, segment(parameters)) if parameters else lambda event: True


def _passes(event: Event, key: str, text: str) -> bool:
    found = value(event, FIELDS.get(key, key))
    if found is None:
        return False
    if text.startswith("!~"):
        return text[2:].lower() not in found.lower()
    if text.startswith("!"):
        return found != text[1:]
    if text.startswith("~"):
        return text[1:].lower() in found.lower()
    return found == text


def all_of(*judges: Judge) -> Filter:
    """The judges as one filter of the oracle."""
    return And(judges)  # type: ignore[arg-type]
