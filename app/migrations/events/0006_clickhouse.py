"""All tables on ClickHouse, see docs/decisions/0029-clickhouse.md. Other stores have theirs.

Every statement may have been run before: there are no transactions here, and what was cut off begins again.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "events_0006"
down_revision = "events_0005"
branch_labels = None
depends_on = None

_ID: Final = "UUID"
# Times grow within what is sorted together: their differences take a few bits.
_TIME: Final = "DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1))"
_NUMBER: Final = "Int64 DEFAULT 0 CODEC(Delta(8), ZSTD(1))"
_TEXT: Final = "String CODEC(ZSTD(1))"
# Up to some ten thousand different values; of more it is as good as the other.
_NAME: Final = "LowCardinality(String)"

_ATTRIBUTES: Final = {
    "distinct_id": _TEXT,
    **dict.fromkeys(("browser", "os", "device", "screen", "language", "country", "region", "city"), _NAME),
}
_VALUES: Final = {
    "data_key": _NAME,
    "data_type": "Int16",
    "string_value": _TEXT,
    "number_value": "Nullable(Decimal(19, 4))",
    # Microseconds since 1970: DateTime64 has no years before 1900 and after 2299.
    "date_value": "Nullable(Int64)",
}
_CLICK_IDS: Final = ("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid")
_UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")

_TABLES: Final[dict[str, dict[str, str]]] = {
    "event": {
        **dict.fromkeys(("event_id", "website_id", "session_id", "visit_id"), _ID),
        "created_at": _TIME,
        "stored_in": _NUMBER,
        "event_type": "Int16",
        "event_name": _NAME,
        "url_path": _NAME,
        "url_query": _TEXT,
        "hostname": _NAME,
        "page_title": _NAME,
        "referrer_domain": _NAME,
        "referrer_path": _TEXT,
        "referrer_query": _TEXT,
        **dict.fromkeys(_UTM, _NAME),
        **dict.fromkeys(_CLICK_IDS, _TEXT),
        "tag": _NAME,
        **_ATTRIBUTES,
    },
    "event_data": {
        **dict.fromkeys(("website_id", "session_id", "visit_id", "event_id"), _ID),
        "created_at": _TIME,
        "stored_in": _NUMBER,
        "url_path": _NAME,
        "event_name": _NAME,
        **_VALUES,
    },
    "session_data": {
        **dict.fromkeys(("website_id", "session_id"), _ID),
        "distinct_id": _TEXT,
        **_VALUES,
        "created_at": _TIME,
        "stored_in": _NUMBER,
        "version": "Int64",
    },
    "revenue": {
        **dict.fromkeys(("website_id", "session_id", "visit_id", "event_id"), _ID),
        "event_name": _NAME,
        "currency": _NAME,
        "revenue": "Decimal(19, 4)",
        "created_at": _TIME,
        "stored_in": _NUMBER,
        "country": _NAME,
    },
    "visit_part": {
        **dict.fromkeys(("website_id", "session_id", "visit_id"), _ID),
        "half_hour": _TIME,
        # Parts of one generation are merged, those of different ones never: some may be to be removed.
        "generation": "Int64",
        "stored_in": "SimpleAggregateFunction(max, Int64) DEFAULT 0",
        "first_at": "SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC')))",
        "last_at": "SimpleAggregateFunction(max, Nullable(DateTime64(6, 'UTC')))",
        "views": "SimpleAggregateFunction(sum, Int64)",
        "events": "SimpleAggregateFunction(sum, Int64)",
        **_ATTRIBUTES,
    },
    # The greatest of each journal is kept when parts are merged.
    "applied_batch": {"journal_id": _ID, "batch": "Int64", "stored_in": "Int64 DEFAULT 0"},
}
_FOLDED: Final = ("website_id", "session_id", "visit_id", "half_hour", "generation", *_ATTRIBUTES)

# One website's day lies together, and within it each visitor's events.
_DAY: Final = "website_id, toDate(created_at)"
_ORDER: Final = {
    "event": f"{_DAY}, session_id, visit_id, created_at",
    "event_data": f"{_DAY}, data_key, session_id, event_id",
    "session_data": "website_id, session_id, data_key, version",
    "revenue": f"{_DAY}, session_id",
    "visit_part": "website_id, toDate(half_hour), session_id, visit_id, half_hour, generation, "
    + ", ".join(_ATTRIBUTES),
    "applied_batch": "journal_id",
}
_PRIMARY: Final = {"visit_part": "website_id, toDate(half_hour), session_id"}
_MONTH: Final = {
    **dict.fromkeys(("event", "event_data", "session_data", "revenue"), "toYYYYMM(created_at)"),
    "visit_part": "toYYYYMM(half_hour)",
}
_ENGINE: Final = {"visit_part": "AggregatingMergeTree", "applied_batch": "ReplacingMergeTree"}
_GREATEST: Final = "stored_in"

# What is acknowledged is on the disk; a group of batches that is inserted once more is known for as many inserts.
_SETTINGS: Final = "fsync_after_insert = 1, fsync_part_directory = 1"
_WINDOW: Final = 10_000
_ALONE: Final = f"{_SETTINGS}, non_replicated_deduplication_window = {_WINDOW}"
_REPLICATED: Final = (
    f"{_SETTINGS}, replicated_deduplication_window = {_WINDOW}, "
    "replicated_deduplication_window_seconds = 604800"
)
_PROBED: Final = ("event", "event_data", "session_data", "revenue")

_FOLD: Final = """
CREATE MATERIALIZED VIEW IF NOT EXISTS {view}{on} TO {target} AS
SELECT website_id, session_id, visit_id,
    fromUnixTimestamp64Micro(
        toUnixTimestamp64Micro(created_at) - positiveModulo(toUnixTimestamp64Micro(created_at), 1800000000), 'UTC'
    ) AS half_hour,
    intDiv(stored_in, 4294967296) AS generation, max(stored_in) AS stored_in,
    minOrNullIf(created_at, event_type = 1) AS first_at, maxOrNullIf(created_at, event_type = 1) AS last_at,
    toInt64(countIf(event_type = 1)) AS views, toInt64(countIf(event_type = 2)) AS events, {names}
FROM {source} AS source
GROUP BY website_id, session_id, visit_id, half_hour, intDiv(source.stored_in, 4294967296), {names}
"""


def upgrade() -> None:
    dialect = op.get_bind().dialect
    if dialect.name != "clickhousedb":
        return
    cluster = getattr(dialect, "cluster", "")
    on = f" ON CLUSTER `{cluster}`" if cluster else ""
    local = "{}_local" if cluster else "{}"
    for table, columns in _TABLES.items():
        made = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        if table in _PROBED:
            _run(f"CREATE TABLE IF NOT EXISTS try_{table}{on} ({made}) ENGINE = Null")
        _run(
            f"CREATE TABLE IF NOT EXISTS {local.format(table)}{on} ({made}) ENGINE = {_engine(table, cluster)}"
            + (f" PARTITION BY {_MONTH[table]}" if table in _MONTH else "")
            + (f" PRIMARY KEY ({_PRIMARY[table]})" if table in _PRIMARY else "")
            + f" ORDER BY ({_ORDER[table]}) SETTINGS {_REPLICATED if cluster else _ALONE}"
        )
    _run(
        _FOLD.format(
            view=local.format("fold"),
            on=on,
            target=local.format("visit_part"),
            source=local.format("event"),
            names=", ".join(_ATTRIBUTES),
        )
    )
    if cluster:
        for table in _TABLES:
            # A session lies on one shard, so that each shard can count its own; marks are read as one.
            key = "0" if table == "applied_batch" else "cityHash64(session_id)"
            _run(
                f"CREATE TABLE IF NOT EXISTS {table}{on} AS {table}_local "
                f"ENGINE = Distributed(`{cluster}`, currentDatabase(), {table}_local, {key})"
            )


def _engine(table: str, cluster: str) -> str:
    engine = _ENGINE.get(table, "MergeTree")
    given = [_GREATEST] if table == "applied_batch" else []
    if cluster:
        given = [f"'/clickhouse/tables/{{shard}}/{{database}}/{table}'", "'{replica}'", *given]
        engine = f"Replicated{engine}"
    return f"{engine}({', '.join(given)})"


def _run(statement: str) -> None:
    # None of it comes from outside; a colon or a percent sign would be taken for a parameter's.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    raise NotImplementedError("a ClickHouse store is dropped by dropping its database")
