"""Deletion certificates: one a cluster, provisional first and then confirmed."""

from sqlalchemy import bindparam, delete, select

from holdfast.model.certificate import DeletionCertificate
from holdfast.model.ids import ClusterId
from holdfast.store.codec import Codec
from holdfast.store.database import Tx
from holdfast.store.tables import certificates

_THIS = certificates.c.cluster == bindparam("of")
_GET = select(certificates).where(_THIS)
_DROP = delete(certificates).where(_THIS)
_CERTIFICATE: Codec[DeletionCertificate] = Codec(DeletionCertificate)


class Certificates:
    """The rows of certificates."""

    async def put(self, tx: Tx, certificate: DeletionCertificate) -> None:
        """Insert, or replace the provisional one."""
        row = {"cluster": certificate.cluster, "value": _CERTIFICATE.encode(certificate)}
        await tx.upsert(certificates, [row])

    async def drop(self, tx: Tx, cluster: ClusterId) -> None:
        """Withdraw a provisional one: something showed up again."""
        await tx.run(_DROP, of=cluster)

    async def get(self, tx: Tx, cluster: ClusterId) -> DeletionCertificate | None:
        """The cluster's certificate, or None before there is one."""
        row = await tx.row(_GET, of=cluster)
        return None if row is None else _CERTIFICATE.decode(row["value"])
