"""Answering many questions with few reads of the event table.

Questions with the same filter share a scan if what they are asked by can be read together: totals and buckets, or
attributes of sessions, or anything else that stands on an event. A scan is one statement: the events that any of its
questions needs are read once, folded into visits or sessions where that leaves fewer rows, and each question is an arm
that reads those rows. Questions about several websites, and about several periods, share a scan as well. Entry and exit
pages look at whole visits: each is a scan of its own, and finds the visits first and their pages then.

Where nothing is asked that only events tell, whole half-hours are read from the parts of visits that events were folded
into when they were stored, and only the ragged ends of periods from the events.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row

from app.context import Ctx
from app.errors import AppError
from app.folding import HALF_HOUR
from app.stats import fields, scan
from app.stats.filters import of_sessions
from app.stats.measures import Summary, counts
from app.stats.questions import BreakdownRow, OverTime, Question, Ranking, Series, Totals
from app.stats.scan import Arm, Bucketed, Overall, Ranked, Shape, Source, Values
from app.stats.scope import Scope
from app.tables import event, event_data, visit_part

A = TypeVar("A")
_Asked = Totals | OverTime | Ranking

# Larger statements take an engine longer to plan than to answer.
_MOST_ARMS: Final = 20
_MOST_SPANS: Final = 4
_MOST_SITES: Final = 200
_MOST_RANGES: Final = 8

# Both ends included.
_Range = tuple[dt.datetime, dt.datetime]
# For each span, what is read of each website.
_Spans = Sequence[Sequence[tuple[UUID, _Range]]]

_ORIGIN: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)  # of half-hours, as in `app.sql.half_hour`
_INSTANT: Final = dt.timedelta(microseconds=1)  # as exact as times are stored


def answer(ctx: Ctx, question: Question[A]) -> A:
    """The answer to one question. Raises what `answers` finds."""
    [found] = answer_all(ctx, [question])
    return found


def answer_all(ctx: Ctx, questions: Sequence[Question[A]]) -> list[A]:
    """The answers, in order. Raises the first error that `answers` finds."""
    found: list[A] = []
    for one in answers(ctx, questions):
        if isinstance(one, AppError):
            raise one
        found.append(one)
    return found


def answers(ctx: Ctx, questions: Sequence[Question[A]]) -> list[A | AppError]:
    """The answers, in order; where the event store cannot give one, an Invalid or Unavailable that says why."""
    asked = cast(Sequence[_Asked], questions)
    found: dict[_Asked, Any] = {}
    # What asks for no measure needs no event.
    found |= {question: _answer(question, []) for question in asked if not question.names}
    for one in _scans(question for question in asked if question.names):
        found |= one.answers(ctx)
    return [found[question] for question in asked]


def _scans(questions: Iterable[_Asked]) -> list[_Scan]:
    """The scans that answer these, each question once."""
    scans: list[_Scan] = []
    for question in dict.fromkeys(questions):
        if not any(one.takes(question) for one in scans):
            scans.append(_Scan(question.scope, _kind(question)))
            scans[-1].takes(question)
    return scans


def _kind(question: _Asked) -> str | Ranking:
    """Equal for questions whose events can be read together."""
    if not isinstance(question, Ranking):
        return "whole"
    if question.by[0] in (fields.ENTRY, fields.EXIT):
        return question
    if question.by[0] == fields.CHANNEL:
        return "event"
    return "session" if all(fields.field(name).of_session for name in question.by) else "event"


def _form(question: _Asked) -> object:
    """Equal for questions that one arm answers, if they are of one span."""
    match question:
        case Totals():
            return question.counted
        case OverTime():
            return (question.unit, question.scope.period)
        case Ranking():
            page = (question.search, question.limit, question.offset, question.after)
            return (question.by, question.order_by, frozenset(question.measures), page)


@dataclass(slots=True)
class _Arm:
    """What is read from a scan for one question, or for the same one about several websites.

    `asked` is any of the questions, `names` the measures of all, `span` the number of the span that they are about.
    """

    asked: _Asked
    span: int
    names: set[str] = field(default_factory=set)


class _Scan:
    """One statement.

    A span gives each website a range, at most one, and takes part as a whole: an ordinary question and the one about
    the period before are of two spans, however many websites they are about.
    """

    def __init__(self, like: Scope, kind: str | Ranking) -> None:
        self._like = like  # filter and last write that counts are those of all its questions
        self._kind = kind
        self._spans: list[dict[UUID, _Range]] = []
        self._sites: set[UUID] = set()
        self._arms: dict[object, _Arm] = {}
        self._places: dict[_Asked, tuple[int, UUID]] = {}  # question → number of its arm, its website

    def takes(self, question: _Asked) -> bool:
        """Take the question if it fits; whether it did."""
        scope = question.scope
        like = self._like
        alike = (scope.where, scope.after, scope.upto, _kind(question))
        if alike != (like.where, like.after, like.upto, self._kind):
            return False
        site, span_range = scope.website_id, (scope.start, scope.period.end)
        span = self._span_for(site, span_range)
        key = (_form(question), span)
        too_large = (
            span == _MOST_SPANS
            or (key not in self._arms and len(self._arms) == _MOST_ARMS)
            or (site not in self._sites and len(self._sites) == _MOST_SITES)
        )
        if too_large:
            return False
        if span == len(self._spans):
            self._spans.append({})
        self._spans[span][site] = span_range
        self._sites.add(site)
        arm = self._arms.setdefault(key, _Arm(question, span))
        arm.names |= {*question.names}
        self._places[question] = (list(self._arms).index(key), site)
        return True

    def answers(self, ctx: Ctx) -> dict[_Asked, Any]:
        """What each question's answer is, or why there is none."""
        try:
            values = Values()
            statement = scan.statement(self._shape(values, ctx.events.counts_directly))
            rows = ctx.events.rows(statement, values.bound)
        except AppError as error:
            return dict.fromkeys(self._places, error)
        found: dict[tuple[int, UUID], list[Row[Any]]] = {}
        [any_site, *_] = self._sites
        for row in rows:
            found.setdefault((row.arm, row.website_id if self._many else any_site), []).append(row)
        return {question: _answer(question, found.get(place, [])) for question, place in self._places.items()}

    @property
    def _many(self) -> bool:
        return len(self._sites) > 1

    def _span_for(self, site: UUID, wanted: _Range) -> int:
        """The number of a span that has, or may get, this range for the website: rather where others have it too."""
        free = [number for number, span in enumerate(self._spans) if span.get(site, wanted) == wanted]
        return min(
            free, key=lambda number: wanted not in self._spans[number].values(), default=len(self._spans)
        )

    def _shape(self, values: Values, directly: bool) -> Shape:
        """What its statement depends on; what does not is put among the values."""
        spans = [list(span.items()) for span in self._spans]
        after, upto = self._like.after, self._like.upto
        return Shape(
            self._kind.by[0] if isinstance(self._kind, Ranking) else self._kind,
            tuple(
                Arm(_formed(arm.asked, values), arm.span, frozenset(arm.names)) for arm in self._arms.values()
            ),
            tuple(_source(table, read, values) for table, read in self._sources(spans)),
            _source(event_data, spans, values),
            self._like.where,
            None if after is None else values.place(after),
            None if upto is None else values.place(upto),
            directly,
        )

    def _sources(self, spans: _Spans) -> list[tuple[sa.Table, _Spans]]:
        """The tables that are read, and what each of its spans reads of it."""
        if self._told_by_parts():
            whole = [
                [(site, found) for site, asked in span if (found := _half_hours(asked))] for span in spans
            ]
            if any(whole):
                ends = [[(site, end) for site, asked in span for end in _ends(asked)] for span in spans]
                return [(visit_part, whole), (event, ends)]
        return [(event, spans)]

    def _told_by_parts(self) -> bool:
        """Whether parts of visits tell what is asked: they have no event's own attributes, and no time within a half-hour.

        Nor do they tell what an earlier write left, once they have been folded together.
        """
        asked = (arm.asked for arm in self._arms.values())
        return (
            self._kind in ("whole", "session")
            and self._like.upto is None
            and (self._like.where is None or of_sessions(self._like.where))
            and all(
                one.scope.period.splits_no_half_hour(one.unit) for one in asked if isinstance(one, OverTime)
            )
        )


def _formed(asked: _Asked, values: Values) -> Overall | Bucketed | Ranked:
    match asked:
        case Totals():
            return Overall(asked.counted)
        case OverTime(scope=scope):
            within = (values.place(scope.period.start), values.place(scope.period.end))
            return Bucketed(asked.unit, scope.period.offsets, within)
        case Ranking():
            page = (asked.search, asked.limit, asked.offset, asked.after)
            return Ranked(asked.by, asked.order_by, *page)


def _source(table: sa.Table, spans: _Spans, values: Values) -> Source:
    def placed(asked: _Range) -> scan.Range:
        return values.place(asked[0]), values.place(asked[1])

    ranges = list(dict.fromkeys(asked for span in spans for _, asked in span))
    if len(ranges) > _MOST_RANGES:
        ranges = [(min(start for start, _ in ranges), max(end for _, end in ranges))]
    elif len(ranges) == 1:
        ranges = []
    return Source(
        table,
        tuple(tuple((values.place(site), placed(asked)) for site, asked in span) for span in spans),
        tuple(placed(asked) for asked in ranges),
    )


def _half_hours(asked: _Range) -> _Range | None:
    """The starts of the first and the last half-hour that lie wholly in a range, None if none does."""
    start, end = asked
    first, last = (
        start + (_ORIGIN - start) % HALF_HOUR,
        end + _INSTANT - (end + _INSTANT - _ORIGIN) % HALF_HOUR,
    )
    return (first, last - HALF_HOUR) if first < last else None


def _ends(asked: _Range) -> list[_Range]:
    """What such half-hours leave of a range."""
    start, end = asked
    whole = _half_hours(asked)
    if whole is None:
        return [asked]
    ends = [(start, whole[0] - _INSTANT), (whole[1] + HALF_HOUR, end)]
    return [(start, end) for start, end in ends if start <= end]


def _answer(question: _Asked, rows: Sequence[Row[Any]]) -> object:
    match question:
        case Totals(measures=names):
            return Summary(**_counts(rows[0], names)) if rows else Summary()
        case OverTime(measures=names):
            found = {row.at: _counts(row, names) for row in rows}
            starts = question.scope.period.buckets(question.unit) if question.fill else sorted(found)
            nothing = dict.fromkeys(names, 0)
            return Series(starts, **{name: [found.get(at, nothing)[name] for at in starts] for name in names})
        case Ranking(by=by):
            nullable = [name in fields.FIELDS and fields.FIELDS[name].nullable for name in by]
            ranked = [
                (
                    tuple(row._mapping[f"key_{place}"] for place in range(len(by))),
                    _counts(row, question.names),
                )
                for row in rows
            ]
            # A union of arms promises no order.
            ranked.sort(key=lambda one: (-one[1][question.order_by], one[0]))
            return [BreakdownRow(**measures, values=shown(texts, nullable)) for texts, measures in ranked]


def _counts(row: Row[Any], names: Sequence[str]) -> dict[str, int]:
    return {name: count for name, count in counts(row._mapping).items() if name in names}


def shown(texts: Sequence[str], nullable: Sequence[bool]) -> tuple[str | None, ...]:
    """Values as answers show them: '' is None where it stands for an absent value."""
    return tuple(
        None if text == "" and absent else text for text, absent in zip(texts, nullable, strict=True)
    )
