"""ClickHouse tables on two shards in one process: statements are divided and put together as in a cluster, without a wire.

The engine takes itself for both shards of a cluster, and a setting lets each see its own sessions only. There is no Keeper,
so neither replicas nor statements `ON CLUSTER`: what lies over the shards is made here, as
`app/migrations/events/0006_clickhouse.py` makes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app import migrations
from app.settings import Settings
from app.stores import event_store
from app.tables import DATA_TABLES, applied_batch, metadata, tidied

_PARTS: Final = "parts"  # the database of both shards
_WHOLE: Final = "whole"  # and the one that is asked
_SHARD: Final = """
<shard><internal_replication>true</internal_replication><replica><host>localhost</host><port>9000</port></replica></shard>
"""
_CONFIG: Final = f"""
<clickhouse><tcp_port>9000</tcp_port><remote_servers><main>{_SHARD * 2}</main></remote_servers></clickhouse>
"""


def two_shards(directory: Path) -> str:
    """Make them, with tables over them in a database of its own: its URL. There can be no other engine in the process."""
    config = directory / "config.xml"
    config.write_text(_CONFIG)

    @sa.event.listens_for(Engine, "do_connect")
    def _configured(_dialect: Any, _record: Any, _arguments: Any, given: dict[str, Any]) -> None:
        if given.get("interface") == "chdb":
            given["chdb_options"] = {"config-file": str(config)}

    url = sa.URL.create(
        "clickhousedb",
        database=_PARTS,
        query={"interface": "chdb", "path": str(directory / "engine")},
    )
    store = event_store(Settings(data_dir=directory, events_url=str(url)))
    migrations.upgrade(store.engine, "events")
    with store.engine.connect() as connection:
        _over(connection)
    store.close()
    seen = ", ".join(f"'{_PARTS}.{table.name}': '{_seen(table)}'" for table in _tables())
    # There is nobody to connect to.
    more = {"prefer_localhost_replica": "1", "additional_table_filters": f"{{{seen}}}"}
    return str(url.set(database=_WHOLE).update_query_dict(more))


def _tables() -> list[sa.Table]:
    return [table for table in metadata.tables.values() if table is not tidied]


def _key(table: sa.Table) -> str:
    return "0" if table is applied_batch else "cityHash64(session_id)"


def _seen(table: sa.Table) -> str:
    """What a shard has of a table; who asks the table itself has all."""
    return f"shardNum() = 0 OR {_key(table)} % 2 = shardNum() - 1"


def _over(connection: sa.Connection) -> None:
    run = connection.exec_driver_sql
    run(f"CREATE DATABASE {_WHOLE}")
    for table in _tables():
        over = f"Distributed('main', '{_PARTS}', '{table.name}', {_key(table)})"
        run(f"CREATE TABLE {_WHOLE}.{table.name} AS {_PARTS}.{table.name} ENGINE = {over}")
    for name in (*(f"try_{table.name}" for table in DATA_TABLES), "alembic_version_events"):
        run(f"CREATE TABLE {_WHOLE}.{name} AS {_PARTS}.{name}")
    run(f"INSERT INTO {_WHOLE}.alembic_version_events SELECT * FROM {_PARTS}.alembic_version_events")
