"""Alembic's entry point for both chains. `app.migrations.upgrade` hands over the connection and the chain's names."""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes["metadata"],
    version_table=attributes["version_table"],
    render_as_batch=attributes["connection"].dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
