"""The deletion certificate on the wire."""

from holdfast.model.certificate import CertificateState
from holdfast.model.certificate import DeletionCertificate as Certificate
from holdfast.wire.document import Document, Moment


class RemovedThing(Document):
    """One thing that went."""

    kind: str
    name: str
    id: str
    removed_at: Moment


class DeletionCertificate(Document):
    """What was asked, what went, what is foreign, and the listings that showed nothing of ours."""

    cluster_id: str
    cluster_name: str
    state: CertificateState
    asked_at: Moment
    issued_at: Moment
    removed: list[RemovedThing]
    foreign: list[str]
    listings: list[Moment]
    signature: str


def shown(certificate: Certificate) -> DeletionCertificate:
    """The certificate as the API answers it."""
    return DeletionCertificate(
        cluster_id=certificate.cluster,
        cluster_name=certificate.name,
        state=certificate.state,
        asked_at=certificate.asked_at,
        issued_at=certificate.issued_at,
        removed=[
            RemovedThing(kind=one.kind, name=one.name, id=one.id, removed_at=one.removed_at)
            for one in certificate.removed
        ],
        foreign=list(certificate.foreign),
        listings=list(certificate.listings),
        signature=certificate.signature,
    )
