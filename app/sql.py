"""Portable SQL: what differs between engines is a construct here, never an `if` elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import CTE, ColumnElement, CompoundSelect, Select, Subquery
from sqlalchemy.sql.functions import FunctionElement

F = TypeVar("F", bound=type[FunctionElement[Any]])


CLICKHOUSE: Final = "clickhousedb"
# ClickHouse's instants: before and after there are none.
_FIRST: Final = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
_LAST: Final = dt.datetime(2299, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class UTC(sa.TypeDecorator[dt.datetime]):
    """A UTC instant: aware in Python, a zone-less UTC column in every store."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == CLICKHOUSE else sa.DateTime())

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if dialect.name == CLICKHOUSE:
            # As text: the driver leaves the fraction of a second out.
            value = min(max(value, _FIRST), _LAST)
            return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        return value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        return None if value is None else value.replace(tzinfo=dt.UTC)

    def bind_expression(self, bindvalue: sa.BindParameter[Any]) -> ColumnElement[Any]:
        return _instant(bindvalue)


class AnyUTC(UTC):
    """As `UTC`, of any year: what somebody's data says. It is shown, and no more; ClickHouse holds microseconds."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.BigInteger() if dialect.name == CLICKHOUSE else sa.DateTime())

    @staticmethod
    def microseconds(at: dt.datetime) -> int:
        """What ClickHouse holds of an aware time."""
        return (at - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        if isinstance(value, int):
            return _EPOCH + value * _MICROSECOND
        return super().process_result_value(value, dialect)


def written(**forms: str) -> Callable[[F], F]:
    """How a function is written: engine → its form, where {0} and {1} stand for the arguments."""

    def register(function: F) -> F:
        for engine, form in forms.items():
            compiles(function, engine)(_writer(form))
        return function

    return register


def _writer(form: str) -> Callable[..., str]:
    def write(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
        return form.format(*(compiler.process(argument, **kw) for argument in element.clauses))

    return write


class _instant(FunctionElement[dt.datetime]):
    """A bound instant."""

    type = sa.DateTime()
    name = "instant"
    inherit_cache = True


@compiles(_instant)
def _(element: _instant, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(_instant, CLICKHOUSE)
def _(element: _instant, compiler: SQLCompiler, **kw: Any) -> str:
    return f"toDateTime64({compiler.process(element.clauses, **kw)}, 6, 'UTC')"


@written(
    postgresql="CAST(floor(extract(epoch FROM ({1} - {0}))) AS BIGINT)",
    duckdb="date_sub('second', {0}, {1})",
    clickhousedb="intDiv(dateDiff('microsecond', {0}, {1}), 1000000)",
)
class whole_seconds(FunctionElement[int]):
    """Whole seconds from the first instant to the second."""

    type = sa.BigInteger()
    name = "whole_seconds"
    inherit_cache = True


@written(
    postgresql="(strpos(lower({0}), lower({1})) > 0)",
    duckdb="contains(lower({0}), lower({1}))",
    clickhousedb="(position(lowerUTF8({0}), lowerUTF8({1})) > 0)",
)
class contains(FunctionElement[bool]):
    """Case-insensitive substring test. `%` and `_` in the needle stand for themselves."""

    type = sa.Boolean()
    name = "contains"
    inherit_cache = True


@written(
    postgresql="starts_with(lower({0}), lower({1}))",
    duckdb="starts_with(lower({0}), lower({1}))",
    clickhousedb="startsWith(lowerUTF8({0}), lowerUTF8({1}))",
)
class begins(FunctionElement[bool]):
    """Case-insensitive test whether a text begins with another."""

    type = sa.Boolean()
    name = "begins"
    inherit_cache = True


@written(
    postgresql="starts_with(reverse(lower({0})), reverse(lower({1})))",
    duckdb="suffix(lower({0}), lower({1}))",
    clickhousedb="endsWith(lowerUTF8({0}), lowerUTF8({1}))",
)
class ends(FunctionElement[bool]):
    """Case-insensitive test whether a text ends with another."""

    type = sa.Boolean()
    name = "ends"
    inherit_cache = True


@written(
    postgresql='({0} COLLATE "C")',
    duckdb="{0}",
    sqlite="{0}",
    clickhousedb="{0}",
)
class ordinal(FunctionElement[str]):
    """A text that sorts and compares by code points, whatever the database's own order of letters is."""

    type = sa.Text()
    name = "ordinal"
    inherit_cache = True


class _Ordered(sa.TypeDecorator[Any]):
    """An id that is compared with such as `by_id` gives."""

    impl = sa.Uuid
    cache_ok = True

    def bind_expression(self, bindvalue: sa.BindParameter[Any]) -> ColumnElement[Any]:
        return by_id(bindvalue)


@written(
    postgresql="{0}",
    duckdb="{0}",
    clickhousedb="UUIDToNum(CAST({0}, 'UUID'))",
)
class by_id(FunctionElement[Any]):
    """An id that sorts and compares as its text does: ClickHouse's own order begins with the second half."""

    type = _Ordered()
    name = "by_id"
    inherit_cache = True


@written(
    postgresql="({0} LIKE {1})",
    duckdb="({0} LIKE {1} ESCAPE '\\')",
    clickhousedb="({0} LIKE {1})",
)
class like(FunctionElement[bool]):
    """Case-sensitive LIKE. A backslash before `%`, `_` or itself takes its meaning away."""

    type = sa.Boolean()
    name = "like"
    inherit_cache = True


@written(
    postgresql="({0} ~ {1})",
    duckdb="regexp_matches({0}, {1}, 's')",
    clickhousedb="match({0}, {1})",
)
class fits(FunctionElement[bool]):
    """Case-sensitive regular-expression search. A pattern of both engines' common language; `.` is any character."""

    type = sa.Boolean()
    name = "fits"
    inherit_cache = True


@written(
    postgresql="({0} ~* {1})",
    duckdb="regexp_matches({0}, {1}, 'is')",
    clickhousedb="match({0}, concat('(?i)', {1}))",
)
class matches(FunctionElement[bool]):
    """Case-insensitive regular-expression search. As for `fits`, `.` is any character, line ends included."""

    type = sa.Boolean()
    name = "matches"
    inherit_cache = True


@written(
    postgresql="(SELECT string_agg(found[1], '&') FROM regexp_matches({0}, {1}, 'g') AS found)",
    duckdb="array_to_string(regexp_extract_all({0}, {1}, 1), '&')",
    clickhousedb="arrayStringConcat(extractAll({0}, {1}), '&')",
)
class extracted(FunctionElement[str]):
    """What the one group of a case-sensitive regular expression finds in a text, all of it in order, joined by `&`."""

    type = sa.Text()
    name = "extracted"
    inherit_cache = True


@written(
    postgresql="({0} + ({1}) * INTERVAL '1 second')",
    duckdb="({0} + ({1}) * INTERVAL '1 second')",
    clickhousedb="addSeconds({0}, {1})",
)
class shifted(FunctionElement[dt.datetime]):
    """An instant moved by a whole number of seconds, as a zone-less wall-clock time."""

    type = sa.DateTime()
    name = "shifted"
    inherit_cache = True


@written(
    postgresql="CAST(date_trunc({0}, {1}) AS TIMESTAMP)",
    duckdb="CAST(date_trunc({0}, {1}) AS TIMESTAMP)",
    clickhousedb="toDateTime64(date_trunc({0}, {1}), 6, 'UTC')",
)
class truncated(FunctionElement[dt.datetime]):
    """Start of the unit a zone-less time falls in. The unit comes from a closed enum, never from a request."""

    type = sa.DateTime()
    name = "truncated"
    inherit_cache = True

    def __init__(self, unit: str, time: ColumnElement[dt.datetime]) -> None:
        super().__init__(sa.literal(unit, sa.String, literal_execute=True), time)


@written(
    postgresql="CAST(extract(dow FROM {0}) * 24 + extract(hour FROM {0}) AS INTEGER)",
    duckdb="CAST(extract(dow FROM {0}) * 24 + extract(hour FROM {0}) AS INTEGER)",
    clickhousedb="toInt32(toDayOfWeek({0}, 2) * 24 + toHour({0}))",
)
class week_hour(FunctionElement[int]):
    """The hour of the week that a zone-less time falls in: 0 is Sunday's first, 167 Saturday's last."""

    type = sa.Integer()
    name = "week_hour"
    inherit_cache = True


@written(
    postgresql="(array_agg({0} ORDER BY {1}, {2}))[1]",
    duckdb="arg_min({0}, ({1}, {2}))",
    clickhousedb="argMin({0}, tuple({1}, UUIDToNum({2})))",
)
class earliest(FunctionElement[Any]):
    """Aggregate: what the first argument is in the row that is first by a time and an id. None of them may be NULL."""

    name = "earliest"
    inherit_cache = True

    def __init__(
        self, value: ColumnElement[Any], at: ColumnElement[dt.datetime], unique: ColumnElement[Any]
    ) -> None:
        super().__init__(value, at, unique)
        self.type = value.type


@written(
    postgresql="date_bin('30 minutes', {0}, TIMESTAMP '1970-01-01')",
    duckdb="time_bucket(INTERVAL '30 minutes', {0}, TIMESTAMP '1970-01-01')",
    clickhousedb="fromUnixTimestamp64Micro("
    "toUnixTimestamp64Micro({0}) - positiveModulo(toUnixTimestamp64Micro({0}), 1800000000), 'UTC')",
)
class half_hour(FunctionElement[dt.datetime]):
    """The start of the half-hour that an instant falls in."""

    type = UTC()
    name = "half_hour"
    inherit_cache = True


def sorting(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column as all stores sort it alike."""
    if isinstance(column.type, sa.Uuid):
        return by_id(column)
    return ordinal(column) if isinstance(column.type, sa.Text) else column


def read_once(query: Select[Any] | CompoundSelect[Any], name: str) -> CTE:
    """A part of a statement that is computed once, however often it is read there: other engines do so by themselves."""
    return query.cte(name).prefix_with("MATERIALIZED", dialect=CLICKHOUSE)


class _rows_of_json(sa.TextClause):
    """A query of the rows of a JSON array of objects, bound as the text parameter `rows`: these columns of each."""

    inherit_cache = True

    def __init__(self, columns: Sequence[sa.Column[Any]]) -> None:
        # It is told apart from others by its text, which is not what is sent.
        super().__init__(", ".join(f"{column.name} {column.type!r}" for column in columns))
        self.json_columns = columns

    def types(self, compiler: SQLCompiler) -> list[tuple[str, str]]:
        """(column, the engine's name of its type)."""
        return [(c.name, compiler.dialect.type_compiler_instance.process(c.type)) for c in self.json_columns]


_ROWS = sa.bindparam("rows", type_=sa.Text)


# Names of our own columns; the rows themselves are bound.
@compiles(_rows_of_json, "postgresql")
def _(element: _rows_of_json, compiler: SQLCompiler, **kw: Any) -> str:
    typed = ", ".join(f"{name} {kind}" for name, kind in element.types(compiler))
    rows = compiler.process(_ROWS, **kw)
    return f"SELECT * FROM json_to_recordset(CAST({rows} AS json)) AS r({typed})"  # noqa: S608


@compiles(_rows_of_json, "duckdb")
def _(element: _rows_of_json, compiler: SQLCompiler, **kw: Any) -> str:
    shape = ", ".join(f'"{name}":"{kind}"' for name, kind in element.types(compiler))
    rows = compiler.process(_ROWS, **kw)
    return f"SELECT unnest(from_json(CAST({rows} AS JSON), '[{{{shape}}}]'), recursive := true)"


def rows_of_json(columns: Sequence[sa.Column[Any]]) -> Subquery:
    """The rows of a JSON array of objects, bound as the text parameter `rows`: these columns of each.

    One statement whatever the number of rows, and the journal's text goes to the engine unread: on DuckDB this
    inserted 367,000 rows/s where a list for each column gave 280,000 and `executemany` 2,000. A text column that an
    object lacks is '': batches written before an upgrade that adds a column can still be applied.
    """
    given = _rows_of_json(columns).columns(*(sa.column(c.name, c.type) for c in columns)).subquery("given")
    values = (
        sa.func.coalesce(given.c[c.name], "").label(c.name)
        if isinstance(c.type, sa.Text)
        else given.c[c.name]
        for c in columns
    )
    return sa.select(*values).subquery("r")


# The number of the write that rows are stored in.
STORED_IN: Final = sa.cast(sa.bindparam("stored_in", type_=sa.BigInteger), sa.BigInteger)


@cache
def insert_json(table: sa.Table) -> sa.Insert:
    """`INSERT` of rows as `rows_of_json` finds them, `stored_in` being a parameter too. Kept: every write needs it."""
    columns = [column for column in table.columns if column.name != "stored_in"]
    rows = rows_of_json(columns)
    names = [*(column.name for column in columns), "stored_in"]
    return table.insert().from_select(names, sa.select(*rows.c, STORED_IN), include_defaults=False)
