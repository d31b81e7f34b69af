"""ClickHouse as SQLAlchemy sees it: the engine, its settings, and its errors by the classes that others raise."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from clickhouse_connect.cc_sqlalchemy.sql.compiler import ChStatementCompiler
from clickhouse_connect.driver.exceptions import Error
from sqlalchemy import event as sa_event
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Engine

from app.errors import Invalid
from app.settings import Settings

# What a ClickHouse server is told of all that it is asked (docs/decisions/0029-clickhouse.md).
_SETTINGS: Final[dict[str, Any]] = {
    # NULL where SQL says so: without these an outer join fills in '' and 0, and an aggregate over nothing is 1970 or 0.
    "join_use_nulls": 1,
    "aggregate_functions_null_for_empty": 1,
    "cast_keep_nullable": 1,
    # A name in a condition is a column's, as in SQL, and not that of a result which is called the same.
    "prefer_column_name_to_alias": 1,
    # Days and weeks before 1970 as they are, not as 1970.
    "enable_extended_results_for_datetime_functions": 1,
    # What several parts of a statement read is computed once (`app.sql.read_once`).
    "enable_materialized_cte": 1,
    # A filter may list ten thousand values, which are part of the statement.
    "max_query_size": 64 << 20,
    "max_ast_elements": 10_000_000,
    "max_expanded_ast_elements": 10_000_000,
    # In a cluster: a subquery is about all shards, and questions go to the replica that writes go to, which has them.
    "distributed_product_mode": "global",
    "load_balancing": "in_order",
    "prefer_localhost_replica": 0,
    # With it a shard calls the least of some values another name than who asks, who then does not find it.
    "optimize_rewrite_aggregate_function_with_if": 0,
}
# Seconds that an answer may come later than the server's own time limit.
_GRACE: Final = 15
_CLUSTER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")

# Error codes of ClickHouse: what is wrong with a value or a statement's use of it …
_OF_VALUES: Final = {6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 131, 190, 321, 349, 376, 407, 427, 691}
# … and where the server, its disk, its memory, its replicas or its Keeper cannot do it now. 159 and 241 are a
# statement's own limits of time and memory.
_OF_OUTAGES: Final = {
    *(3, 74, 75, 76, 159, 173, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 265, 279, 285, 286),
    *(287, 319, 364, 373, 394, 415, 425, 439, 516, 519, 571, 574, 613, 641, 668, 677, 679, 745, 746),
    *(999, 1000, 1002),
}
TOO_SLOW: Final = 159
TOO_LARGE: Final = 241


def held_in(dialect: sa.Dialect, table: str) -> str:
    """Where the rows of a table are: a distributed one has none of its own."""
    cluster = getattr(dialect, "cluster", "")
    return f"`{table}_local` ON CLUSTER `{cluster}`" if cluster else f"`{table}`"


class _Compiler(ChStatementCompiler):
    def limit_clause(self, select: Any, **kw: Any) -> str:
        # An offset alone would be written with LIMIT -1, which is the last row.
        if select._limit_clause is None and select._offset_clause is not None:
            return f"\n OFFSET {self.process(select._offset_clause, **kw)}"
        return str(super().limit_clause(select, **kw))  # type: ignore[no-untyped-call]

    def visit_delete(self, delete_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        text = str(super().visit_delete(delete_stmt, visiting_cte, **kw))  # type: ignore[no-untyped-call]
        name = delete_stmt.table.name
        return text.replace(f"`{name}`", held_in(self.dialect, name), 1)


class Dialect(ClickHouseDialect):
    """clickhouse-connect's dialect, which keeps what it has compiled: writing a dashboard's statement takes as long as
    answering it. `cluster` is the cluster whose shards hold the tables, '' if there is none."""

    supports_statement_cache = True
    supports_native_uuid = True
    statement_compiler = _Compiler

    def __init__(self, cluster: str = "", **given: Any) -> None:
        self.cluster = cluster
        super().__init__(**given)

    @classmethod
    def import_dbapi(cls) -> Any:
        from clickhouse_connect import dbapi

        return dbapi


# It logs what it raises, and with it values, which are visitors' data.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

registry.register("clickhousedb", "app.clickhouse", "Dialect")
registry.register("clickhousedb.connect", "app.clickhouse", "Dialect")


def clickhouse_engine(settings: Settings, url: sa.URL) -> Engine:
    """The engine of a ClickHouse server, or of the same engine within this process: `?interface=chdb&path=…`.

    What the URL says of settings stands. Raises Invalid for a cluster's name that is none.
    """
    if settings.clickhouse_cluster and not _CLUSTER.fullmatch(settings.clickhouse_cluster):
        raise Invalid("CLICKHOUSE_CLUSTER is no name of a cluster", field="CLICKHOUSE_CLUSTER")
    seconds = max(1, round(settings.statement_timeout))
    given: dict[str, Any] = _SETTINGS | {"max_execution_time": seconds}
    if url.query.get("interface") != "chdb":
        given |= {
            "connect_timeout": 10,
            "send_receive_timeout": seconds + _GRACE,
            # A session would tie a connection to one replica.
            "autogenerate_session_id": False,
        }
    engine = sa.create_engine(
        url,
        cluster=settings.clickhouse_cluster,
        connect_args={name: value for name, value in given.items() if name not in url.query},
        pool_size=settings.read_threads + 2,
        max_overflow=4,
        hide_parameters=True,
    )
    sa_event.listen(engine, "handle_error", _translate)
    return engine


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the driver within the block as SQLAlchemy's, for what is not done through it."""
    try:
        yield
    except Error as error:
        raise _classified(None, error) from error


def _translate(context: sa.engine.ExceptionContext) -> None:
    if isinstance(context.original_exception, Error):
        raise _classified(context.statement, context.original_exception)


def _classified(statement: str | None, error: Error) -> Exception:
    """The driver has one class for nearly all that a server refuses; the number says which kind it is. Without parameters,
    which are visitors' data."""
    code = getattr(error, "code", None)
    if code in _OF_VALUES:
        return sa.exc.DataError(statement, None, error, hide_parameters=True)
    if code in _OF_OUTAGES:
        return sa.exc.OperationalError(statement, None, error, hide_parameters=True)
    return sa.exc.DBAPIError.instance(statement, None, error, Error, hide_parameters=True)
