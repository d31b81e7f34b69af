from __future__ import annotations

from collections.abc import Callable

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app import engines, migrations
from app.models import Base
from app.settings import Settings


def test_migrations_make_what_the_models_declare(store: str, make_settings: Callable[..., Settings]) -> None:
    engine = engines.accounts_engine(make_settings(store))
    migrations.upgrade(engine, "accounts")
    with engine.connect() as connection:
        options = {"version_table": "alembic_version_accounts"}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    engine.dispose()
    assert differences == []
