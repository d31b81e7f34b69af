from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from app import engines, migrations
from app.errors import Invalid
from app.settings import Settings

# In a process of its own: here Alembic is imported already, and DuckDB's dialect makes itself known to it only if so.
_UPGRADE = """
import sys
from app import engines, migrations
from app.settings import Settings
migrations.upgrade(engines.events_engine(Settings()), "events")
print("alembic" in sys.modules)
"""


@pytest.mark.parametrize("chain", ["accounts", "events"])
def test_the_newest_migration_is_that_which_alembic_finds(chain: migrations.Chain) -> None:
    config = Config()
    folder = Path(migrations.__file__).parent
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder / chain))
    config.set_main_option("path_separator", "newline")
    assert migrations.newest(chain) == ScriptDirectory.from_config(config).get_current_head()


def test_events_alone_are_migrated_and_then_nothing_is_imported_for_it(tmp_path: Path) -> None:
    def upgrade() -> str:
        env = {**os.environ, "DATA_DIR": str(tmp_path), "EVENTS_URL": "", "DATABASE_URL": ""}
        command = [sys.executable, "-c", _UPGRADE]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()

    assert upgrade() == "True"
    assert upgrade() == "False"


def test_what_a_later_version_made_is_not_taken_for_ours(
    store: str, make_settings: Callable[..., Settings]
) -> None:
    newest = migrations.newest("accounts")
    engine = engines.accounts_engine(make_settings(store))
    migrations.upgrade(engine, "accounts")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version_accounts SET version_num = 'accounts_9999'"))
    said = f"The schema of accounts is accounts_9999, of a newer Dashi; this version knows it up to {newest}"
    with pytest.raises(Invalid, match=said):
        migrations.upgrade(engine, "accounts")
    engine.dispose()
