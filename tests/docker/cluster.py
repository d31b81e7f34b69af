"""ClickHouse's engine with the configuration of docker/clickhouse, as far as one process goes: for tests alone.

`python -m tests.docker.cluster DIRECTORY` makes all tables under DIRECTORY as the second shard's first replica would have
them, and prints as JSON what the engine says of itself. Its Keeper is its own, in memory; where the servers of the
composition are nobody listens, so nothing is stored.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import chdb
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app import migrations
from app.settings import Settings
from app.stores import event_store

CONFIG = Path(__file__).parent.parent.parent / "docker" / "clickhouse" / "config.xml"
CLUSTER = "dashi"
KEEPER = "<zookeeper><implementation>testkeeper</implementation></zookeeper>"
ASKED = {
    "clusters": f"SELECT shard_num, internal_replication, replica_num, host_name, port FROM system.clusters"
    f" WHERE cluster = '{CLUSTER}' ORDER BY shard_num, replica_num",
    "macros": "SELECT macro, substitution FROM system.macros",
    "settings": "SELECT name, value FROM system.server_settings WHERE changed",
    "merging": "SELECT name, value FROM system.merge_tree_settings WHERE changed",
    "tables": "SELECT name, engine FROM system.tables WHERE database = currentDatabase()",
    "replicas": "SELECT table, zookeeper_path, replica_name FROM system.replicas",
    "distributed": "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND engine = 'Distributed'",
}


def main() -> None:
    directory = Path(sys.argv[1])
    file = directory / "config.xml"
    file.write_text(configuration(directory))
    os.environ |= {"SHARD": "2", "REPLICA": "1", "CLICKHOUSE_SECRET": "of this test"}
    # Whoever opens it first says how it is configured.
    first = chdb.connect(f"{directory / 'data'}?config-file={file}")
    sa.event.listen(Engine, "before_cursor_execute", _here, retval=True)
    url = f"clickhousedb:///dashi?interface=chdb&path={directory / 'data'}"
    store = event_store(Settings(events_url=url, data_dir=directory, clickhouse_cluster=CLUSTER))
    migrations.upgrade(store.engine, "events")
    with store.connected() as connection:
        found = {
            name: [list(row) for row in connection.exec_driver_sql(text)] for name, text in ASKED.items()
        }
    print(json.dumps(found), flush=True)  # noqa: T201
    del first
    # Replicated tables look for their Keeper for a long time before they end.
    os._exit(0)


def configuration(directory: Path) -> str:
    """That of the composition, with places of this machine."""
    text = CONFIG.read_text().replace("/var/lib/clickhouse/", f"{directory}/")
    # The engine comes in as `default`, who is none of the composition's users.
    text = re.sub(r"<user_directories>.*?</user_directories>", "", text, flags=re.DOTALL)
    text = re.sub(r"<zookeeper>.*?</zookeeper>", KEEPER, text, flags=re.DOTALL)
    # No name has to be looked up.
    return re.sub(r"<host>clickhouse-(\d)-(\d)</host>", r"<host>127.0.\1.\2</host>", text)


def _here(_connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, _many: bool) -> Any:
    """There is nobody else whom it could be told, and no queue to tell it by."""
    return statement.replace(f" ON CLUSTER `{CLUSTER}`", ""), given


if __name__ == "__main__":
    main()
