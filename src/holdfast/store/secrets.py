"""A cluster's secrets, sealed: its certificate authorities and keys."""

from sqlalchemy import delete, select

from holdfast.model.ids import ClusterId
from holdfast.store.database import Tx
from holdfast.store.tables import secrets
from holdfast.store.vault import Vault

_ROW = secrets.c


class Secrets:
    """Named values of a cluster; the database holds them sealed."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def put(self, tx: Tx, cluster: ClusterId, name: str, value: bytes) -> None:
        """Insert or replace."""
        sealed = self._vault.seal(value, about(cluster, name))
        await tx.upsert(secrets, [{"cluster": cluster, "name": name, "value": sealed}])

    async def get(self, tx: Tx, cluster: ClusterId, name: str) -> bytes | None:
        """The value. Raises Sealed when the vault has not the key."""
        row = await tx.row(select(_ROW.value).where(_ROW.cluster == cluster, _ROW.name == name))
        return None if row is None else self._vault.open(row["value"], about(cluster, name))

    async def names(self, tx: Tx, cluster: ClusterId) -> tuple[str, ...]:
        """The names of what is kept."""
        rows = await tx.rows(select(_ROW.name).where(_ROW.cluster == cluster).order_by(_ROW.name))
        return tuple(row["name"] for row in rows)

    async def drop(self, tx: Tx, cluster: ClusterId) -> None:
        """Forget all of a cluster."""
        await tx.run(delete(secrets).where(_ROW.cluster == cluster))


def about(cluster: str, name: str) -> str:
    """What the sealed value is bound to."""
    return f"secrets/{cluster}/{name}"
