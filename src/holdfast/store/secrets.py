"""A cluster's secrets, sealed: its certificate authorities and keys."""

from sqlalchemy import bindparam, delete, select

from holdfast.model.ids import ClusterId
from holdfast.store.database import Tx
from holdfast.store.tables import secrets
from holdfast.store.vault import Vault

_ROW = secrets.c
_OF_CLUSTER = _ROW.cluster == bindparam("of")
_GET = select(_ROW.value).where(_OF_CLUSTER, _ROW.name == bindparam("named"))
_NAMES = select(_ROW.name).where(_OF_CLUSTER).order_by(_ROW.name)
_DROP = delete(secrets).where(_OF_CLUSTER)


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
        row = await tx.row(_GET, of=cluster, named=name)
        return None if row is None else self._vault.open(row["value"], about(cluster, name))

    async def names(self, tx: Tx, cluster: ClusterId) -> tuple[str, ...]:
        """The names of what is kept."""
        return tuple(row["name"] for row in await tx.rows(_NAMES, of=cluster))

    async def drop(self, tx: Tx, cluster: ClusterId) -> None:
        """Forget all of a cluster."""
        await tx.run(_DROP, of=cluster)


def about(cluster: str, name: str) -> str:
    """What the sealed value is bound to."""
    return f"secrets/{cluster}/{name}"
