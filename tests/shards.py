"""ClickHouse tables on two shards in one process: statements meet the same divisions as in a cluster, but no wire.

The shards are two databases of the engine, which a configuration of its own takes for a cluster's. It has no Keeper and
so neither replicas nor statements `ON CLUSTER`: the databases are migrated one by one, and what lies over them is made
here as `app/migrations/events/0006_clickhouse.py` makes it.
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

_SHARDS: Final = ("first",)
_CONFIG: Final = """
<clickhouse><tcp_port>9000</tcp_port><remote_servers><main>{shards}</main></remote_servers></clickhouse>
"""
_SHARD: Final = """
<shard><internal_replication>true</internal_replication>
<replica><host>localhost</host><port>9000</port></replica></shard>
"""


def two_shards(directory: Path) -> str:
    """Make them, with tables over them in a database of its own: its URL. There can be no other engine in the process."""
    config = directory / "config.xml"
    config.write_text(_CONFIG.format(shards="".join(map(_SHARD.format, _SHARDS))))

    @sa.event.listens_for(Engine, "do_connect")
    def _configured(_dialect: Any, _record: Any, _arguments: Any, given: dict[str, Any]) -> None:
        if given.get("interface") == "chdb":
            given["chdb_options"] = {"config-file": str(config)}

    url = f"clickhousedb:///{{}}?interface=chdb&path={directory / 'engine'}"
    for shard in _SHARDS:
        store = event_store(Settings(data_dir=directory, events_url=url.format(shard)))
        migrations.upgrade(store.engine, "events")
        with store.engine.connect() as connection:
            if shard == _SHARDS[0]:
                _over(connection, shard)
        store.close()
    # There is nobody to connect to.
    return url.format("whole") + "&prefer_localhost_replica=1"


def _over(connection: sa.Connection, shard: str) -> None:
    run = connection.exec_driver_sql
    run("CREATE DATABASE whole")
    for table in set(metadata.tables.values()) - {tidied}:
        key = "0" if table is applied_batch else "cityHash64(session_id)"
        run(
            f"CREATE TABLE whole.{table.name} AS {shard}.{table.name} "
            f"ENGINE = Distributed('main', '{shard}', '{table.name}', {key})"
        )
    for table in DATA_TABLES:
        run(f"CREATE TABLE whole.try_{table.name} AS {shard}.try_{table.name}")
    run(f"CREATE TABLE whole.alembic_version_events AS {shard}.alembic_version_events")
    run(f"INSERT INTO whole.alembic_version_events SELECT * FROM {shard}.alembic_version_events")
