"""Bringing both databases to the schema this version knows: two Alembic chains, accounts and events."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Engine

Chain = Literal["accounts", "events"]

_HERE = Path(__file__).parent
# Any constant number: two processes that start together must not migrate at once.
_LOCK = 7_244_310


def upgrade(engine: Engine, chain: Chain) -> None:
    """Run the migrations that are missing. Both chains may share one database; each has its own version table."""
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
