"""Bringing both databases to the schema this version knows: two Alembic chains, accounts and events."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Engine

Chain = Literal["accounts", "events"]

_HERE = Path(__file__).parent
# Any constant number: two processes that start together must not migrate at once.
_LOCK = 7_244_310


def upgrade(engine: Engine, chain: Chain) -> None:
    """Run the migrations that are missing. Both chains may share one database; each has its own version table."""
    if _is_current(engine, chain):
        return
    # Takes a tenth of a second and 9 MB, and is needed once for each upgrade.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / chain))
    config.set_main_option("path_separator", "newline")
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes.update(
            connection=connection, metadata=None, version_table=f"alembic_version_{chain}"
        )
        command.upgrade(config, "head")


def _is_current(engine: Engine, chain: Chain) -> bool:
    """Whether a database has had the last migration of its chain: files and revisions are numbered alike."""
    last = max(file.name for file in (_HERE / chain).glob("0*.py")).partition("_")[0]
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(f"alembic_version_{chain}"):
            return False
        version: sa.Select[str] = sa.select(sa.column("version_num", sa.Text)).select_from(
            sa.table(f"alembic_version_{chain}")
        )
        return connection.execute(version).scalars().all() == [f"{chain}_{last}"]
