"""Alembic's environment: runs revisions on the connection that `store.migrate` hands in."""

from alembic import context
from sqlalchemy import Connection

from holdfast.store.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can't alter most things in place
    transactional_ddl=False,  # the caller's transaction is the one
    compare_server_default=True,
)
context.run_migrations()
