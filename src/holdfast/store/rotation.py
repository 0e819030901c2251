"""After a new master key: wrap the data key of every sealed value by it.

The old key may leave the key file when this has been committed, and no backup needs it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Column, Table, select, update

from holdfast.store import agents, credentials, installation, secrets, tables
from holdfast.store.database import Tx
from holdfast.store.session import Row
from holdfast.store.vault import Vault


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A column of sealed values, and what each is bound to."""

    table: Table
    column: Column[bytes]
    about: Callable[[Row], str]


_SEALED = (
    _Sealed(
        tables.installation,
        tables.installation.c.signing_key,
        lambda row: installation.about(row["id"]),
    ),
    _Sealed(
        tables.platform_secrets,
        tables.platform_secrets.c.value,
        lambda row: installation.about(row["name"]),
    ),
    _Sealed(
        tables.credentials,
        tables.credentials.c.secret,
        lambda row: credentials.about(row["id"]),
    ),
    _Sealed(
        tables.secrets,
        tables.secrets.c.value,
        lambda row: secrets.about(row["cluster"], row["name"]),
    ),
    _Sealed(
        tables.agents,
        tables.agents.c.last_answer,
        lambda row: agents.about(row["machine"]),
    ),
)


async def rewrap(tx: Tx, vault: Vault) -> int:
    """Rewrap what an older key wraps; returns how many values that were. Raises Sealed."""
    return sum([await _rewrap_column(tx, vault, each) for each in _SEALED])


async def _rewrap_column(tx: Tx, vault: Vault, sealed: _Sealed) -> int:
    keys = list(sealed.table.primary_key)
    name = sealed.column.name
    rows = await tx.rows(select(*keys, sealed.column).where(sealed.column.is_not(None)))
    old = [row for row in rows if not vault.is_current(row[name])]
    for row in old:
        value = vault.rewrap(row[name], sealed.about(row))
        this = [key == row[key.name] for key in keys]
        await tx.run(update(sealed.table).where(*this).values({name: value}))
    return len(old)
