"""Brings a database to the newest schema: runs the Alembic revisions that it lacks."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from holdfast.store.database import Database
from holdfast.store.errors import UnusableDatabase

SCRIPTS = Path(__file__).with_name("migrations")


async def migrate(database: Database, revision: str = "head") -> None:
    """From wherever the database is to a revision; nothing when it is there already.

    Raises UnusableDatabase when a newer release made the schema.
    """
    try:
        async with database.writing() as tx:
            await tx.lent(_upgrade, revision)
    except CommandError as error:
        message = (
            f"database {database.file or 'in memory'}: its schema is of another release "
            f"({error}); use the release that made it"
        )
        raise UnusableDatabase(message) from error


@cache
def newest() -> str:
    """The newest revision of this release."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


def _upgrade(connection: Connection, revision: str) -> None:
    """Skips Alembic's work where nothing is to be done: it takes most of a warm start."""
    at = MigrationContext.configure(connection).get_current_revision()
    if at == (newest() if revision == "head" else revision):
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
