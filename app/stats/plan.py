"""Answering many questions with few reads of the event table.

Questions with the same filter share a scan if what they are asked by can be read together: totals and buckets, or
attributes of sessions, or anything else that stands on an event. A scan is one statement: the events that any of its
questions needs are read once, folded into visits or sessions where that leaves fewer rows, and each question is an arm
that reads those rows. Questions about several websites, and about several periods, share a scan as well. Entry and exit
pages look at whole visits: each is a scan of its own.

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
from sqlalchemy.sql.expression import ColumnElement, FromClause, Select, Subquery
from sqlalchemy.sql.visitors import replacement_traverse

from app import tables
from app.context import Ctx
from app.errors import AppError
from app.folding import HALF_HOUR
from app.paging import Key, Window, following, windowed
from app.sql import contains, ordinal
from app.stats import fields, groups
from app.stats.channels import SOURCE, by_channel
from app.stats.filters import condition, of_sessions
from app.stats.measures import MEASURES, Summary, counts
from app.stats.period import Period, Unit
from app.stats.questions import BreakdownRow, OverTime, Question, Ranking, Series, Totals
from app.stats.scope import Scope
from app.tables import SESSION_COLUMNS, event, event_data, visit_part

A = TypeVar("A")
_Asked = Totals | OverTime | Ranking

# Larger statements take an engine longer to plan than to answer.
_MOST_ARMS: Final = 20
_MOST_SPANS: Final = 4
_MOST_SITES: Final = 200
_MOST_RANGES: Final = 8

_SITE: Final = "website_id"
_HAS_REFERRER: Final = "has_referrer"

_Range = tuple[dt.datetime, dt.datetime]

_ORIGIN: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
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
    for scan in _scans(question for question in asked if question.names):
        found |= scan.answers(ctx)
    return [found[question] for question in asked]


def _scans(questions: Iterable[_Asked]) -> list[_Scan]:
    """The scans that answer these, each question once."""
    scans: list[_Scan] = []
    for question in dict.fromkeys(questions):
        if not any(scan.takes(question) for scan in scans):
            scans.append(_Scan(question.scope, _kind(question)))
            scans[-1].takes(question)
    return scans


def _kind(question: _Asked) -> object:
    """Equal for questions whose events can be read together."""
    if not isinstance(question, Ranking):
        return "whole"
    if question.by[0] in (fields.ENTRY, fields.EXIT):
        return question
    if question.by[0] == fields.CHANNEL:
        return "event"
    of_sessions = (fields.field(name).column.name in SESSION_COLUMNS for name in question.by)
    return "session" if all(of_sessions) else "event"


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


_Reading = Sequence[tuple[UUID, _Range]]


@dataclass(frozen=True, slots=True)
class _Source:
    """A table that a scan reads, and for each of its spans what is read: ranges of `at`, both ends included."""

    table: sa.Table
    at: ColumnElement[dt.datetime]
    spans: Sequence[_Reading]

    def within(self, *spans: _Reading) -> ColumnElement[bool]:
        """The rows that one of these spans reads."""
        sites: dict[_Range, list[UUID]] = {}
        for site, asked in (one for span in spans for one in span):
            sites.setdefault(asked, []).append(site)
        return sa.or_(
            sa.false(),
            *(
                sa.and_(self._of(same), self.at >= start, self.at <= end)
                for (start, end), same in sites.items()
            ),
        )

    def nearby(self) -> list[ColumnElement[bool]]:
        """Says nothing new of rows that any span reads, but in a form by which an engine knows where not to look."""
        read = [one for span in self.spans for one in span]
        ranges = list(dict.fromkeys(asked for _, asked in read))
        if len(ranges) < 2:
            return []
        if len(ranges) > _MOST_RANGES:
            ranges = [(min(start for start, _ in ranges), max(end for _, end in ranges))]
        times = (sa.and_(self.at >= start, self.at <= end) for start, end in ranges)
        return [self._of(list(dict.fromkeys(site for site, _ in read))), sa.or_(*times)]

    def _of(self, sites: Sequence[UUID]) -> ColumnElement[bool]:
        website = self.table.c.website_id
        return website == sites[0] if len(sites) == 1 else website.in_(sites)


class _Scan:
    """One statement.

    A span gives each website a range, at most one, and takes part as a whole: an ordinary question and the one about
    the period before are of two spans, however many websites they are about.
    """

    def __init__(self, like: Scope, kind: object) -> None:
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
        if (scope.where, scope.upto, _kind(question)) != (like.where, like.upto, self._kind):
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
            rows = ctx.events.rows(self._statement())
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

    def _statement(self) -> Select[Any]:
        if isinstance(self._kind, Ranking):
            [arm] = self._arms.values()
            last = self._kind.by[0] == fields.EXIT
            edges = groups.edges(self._kind.scope, arm.names, last).subquery("edges")
            return self._shaped(0, arm, edges)
        rows = self._rows()
        arms = [
            self._shaped(number, arm, self._found(arm, rows))
            for number, arm in enumerate(self._arms.values())
        ]
        if len(arms) == 1:
            return arms[0]
        # An arm has an order and a limit of its own, which a union does not take as they are.
        wrapped = (sa.select(arm.subquery(f"arm_{number}")) for number, arm in enumerate(arms))
        return sa.select(sa.union_all(*wrapped).subquery("arms"))

    def _rows(self) -> FromClause:
        """The relation that all arms read."""
        names = set().union(*(arm.names for arm in self._arms.values()))
        sources = self._sources()
        made = [
            (groups.hits if source.table is event else groups.parts)(
                self._conditions(source), self._keys(source), names
            )
            for source in sources
        ]
        relation = made[0] if len(made) == 1 else sa.union_all(*made)
        if len(self._arms) == 1:
            return relation.subquery("scanned")
        # What would hardly become fewer is not folded: events, for their many values, and parts of visits by visit.
        if self._kind == "session" or (self._kind == "whole" and len(sources) == 1):
            relation = groups.visits(relation.subquery("hits"), self._keys(sources[0]), names)
        return relation.cte("scanned")

    def _sources(self) -> list[_Source]:
        spans = [list(span.items()) for span in self._spans]
        if self._told_by_parts():
            whole = [
                [(site, found) for site, asked in span if (found := _half_hours(asked))] for span in spans
            ]
            if any(whole):
                ends = [[(site, end) for site, asked in span for end in _ends(asked)] for span in spans]
                return [
                    _Source(visit_part, visit_part.c.half_hour, whole),
                    _Source(event, event.c.created_at, ends),
                ]
        return [_Source(event, event.c.created_at, spans)]

    def _told_by_parts(self) -> bool:
        """Whether parts of visits tell what is asked: they have no event's own attributes, and no time within a half-hour.

        Nor do they tell what an earlier write left, once they have been folded together.
        """
        return (
            self._kind in ("whole", "session")
            and self._like.upto is None
            and (self._like.where is None or of_sessions(self._like.where))
            and all(period.splits_no_half_hour(unit) for unit, period in self._buckets())
        )

    def _conditions(self, source: _Source) -> list[ColumnElement[bool]]:
        table = source.table
        conditions = [source.within(*source.spans), *source.nearby(), *self._like.stored(table)]
        match self._event_type():
            case None:
                pass
            case which if table is event:
                conditions.append(event.c.event_type == which)
            case tables.PAGE_VIEW:
                conditions.append(visit_part.c.views > 0)
            case _:
                conditions.append(visit_part.c.events > 0)
        if self._like.where is not None:
            spans = ([*span.items()] for span in self._spans)
            data = _Source(event_data, event_data.c.created_at, list(spans))
            meant = sa.and_(data.within(*data.spans), *self._like.stored(event_data))
            conditions.append(_read_from(table, condition(self._like.where, meant)))
        return conditions

    def _event_type(self) -> int | None:
        """The type of the events that all arms need, None for all types."""
        types = {groups.event_type(arm.asked.counted, arm.names) for arm in self._arms.values()}
        return types.pop() if len(types) == 1 else None

    def _keys(self, source: _Source) -> dict[str, ColumnElement[Any]]:
        """What the relation's rows can be told apart by, beside sessions and visits."""
        keys: dict[str, ColumnElement[Any]] = {}
        columns = source.table.c
        if self._many:
            keys[_SITE] = columns.website_id
        if len(self._spans) > 1:
            keys |= {f"in_{number}": source.within(span) for number, span in enumerate(source.spans)}
        for number, (unit, period) in enumerate(self._buckets()):
            at: ColumnElement[Any] = period.bucket(source.at, unit)
            if len(self._spans) > 1:
                inside = source.at.between(period.start, period.end)
                at = sa.case((inside, at))
            keys[f"at_{number}"] = at
        for arm in self._arms.values():
            if isinstance(arm.asked, Ranking):
                keys |= {name: columns[name] for name in _columns(arm.asked)}
                if "referrer" in arm.asked.by:
                    keys[_HAS_REFERRER] = fields.field("referrer").present
        return keys

    def _buckets(self) -> list[tuple[Unit, Period]]:
        asked = (arm.asked for arm in self._arms.values())
        return list(dict.fromkeys((one.unit, one.scope.period) for one in asked if isinstance(one, OverTime)))

    def _found(self, arm: _Arm, rows: FromClause) -> Subquery:
        """The measures of an arm by website (of several), and by `at` or `key_0`, `key_1` …"""
        conditions: list[ColumnElement[bool]] = []
        if len(self._spans) > 1:
            conditions.append(rows.c[f"in_{arm.span}"])
        sites = {_SITE: _SITE} if self._many else {}
        asked = arm.asked
        if isinstance(asked, Ranking) and "referrer" in asked.by:
            conditions.append(rows.c[_HAS_REFERRER])
        # Of events of all types that were read for others, those that an arm has no use for.
        if self._event_type() is None:
            match groups.event_type(asked.counted, arm.names):
                case tables.PAGE_VIEW:
                    conditions.append(rows.c.views > 0)
                case tables.CUSTOM_EVENT:
                    conditions.append(rows.c.events > 0)
        match asked:
            case Totals():
                found = groups.measured(rows, sites, arm.names, asked.counted, conditions)
            case OverTime():
                at = f"at_{self._buckets().index((asked.unit, asked.scope.period))}"
                found = groups.measured(rows, {**sites, "at": at}, arm.names, conditions=conditions)
            case Ranking(by=(fields.CHANNEL,)):
                found = by_channel(rows, sites, arm.names, conditions)
            case Ranking():
                keys = {f"key_{number}": name for number, name in enumerate(_columns(asked))}
                found = groups.measured(
                    rows, {**sites, **keys}, arm.names, asked.counted, conditions, listed=True
                )
        return found.subquery("found")

    def _shaped(self, number: int, arm: _Arm, found: Subquery) -> Select[Any]:
        """An arm's rows in the form that all arms of the scan have: its number, website, time, keys and measures."""
        asked = [other.asked for other in self._arms.values()]
        names = set().union(*(other.names for other in self._arms.values()))
        most_keys = max(len(one.by) if isinstance(one, Ranking) else 0 for one in asked)
        columns: list[ColumnElement[Any]] = [sa.literal(number, sa.Integer).label("arm")]
        if self._many:
            columns.append(found.c[_SITE])
        if any(isinstance(one, OverTime) for one in asked):
            columns.append(found.c.at if "at" in found.c else sa.cast(sa.null(), sa.DateTime).label("at"))
        for key in (f"key_{place}" for place in range(most_keys)):
            columns.append(found.c[key] if key in found.c else sa.literal("", sa.Text).label(key))
        for name in MEASURES:
            if name in names:
                columns.append(found.c[name] if name in found.c else sa.literal(0, sa.BigInteger).label(name))
        query = sa.select(*columns)
        return self._paged(query, found, arm.asked) if isinstance(arm.asked, Ranking) else query

    def _paged(self, query: Select[Any], found: Subquery, asked: Ranking) -> Select[Any]:
        keys = (
            Key(found.c[asked.order_by], descending=True),
            *(Key(ordinal(found.c[f"key_{number}"])) for number in range(len(asked.by))),
        )
        if asked.search:
            query = query.where(contains(found.c.key_0, sa.literal(asked.search, sa.Text)))
        seen = None if asked.after is None else (asked.after[0], *(text or "" for text in asked.after[1]))
        if not self._many:
            return windowed(query, keys, Window(asked.limit, asked.offset, seen))
        # A page for each website.
        place = sa.func.row_number().over(
            partition_by=found.c[_SITE],
            order_by=[key.column.desc() if key.descending else key.column for key in keys],
        )
        placed = following(query.add_columns(place.label("place")), keys, seen).subquery("placed")
        inside = placed.c.place.between(asked.offset + 1, asked.offset + asked.limit)
        return sa.select(*(column for column in placed.c if column.name != "place")).where(inside)


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


def _read_from(table: sa.Table, where: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition over the session's attributes in `event`, as one over those in another table."""
    if table is event:
        return where

    def replaced(element: Any, **_: Any) -> Any:
        return table.c[element.name] if isinstance(element, sa.Column) and element.table is event else None

    return replacement_traverse(where, {}, replaced)


def _columns(asked: Ranking) -> Sequence[str]:
    """The columns of `event` that a ranking is by."""
    return SOURCE if asked.by == (fields.CHANNEL,) else [fields.field(name).column.name for name in asked.by]


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
