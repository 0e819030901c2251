"""The authorities of one cluster: eight files that kubeadm finds before it starts.

The platform makes and keeps them, so that it can sign clients without asking the cluster, and so
that no upload of certificates is needed for a second control plane. Names are those below
/etc/kubernetes/pki; see https://kubernetes.io/docs/setup/best-practices/certificates/.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from holdfast.identity import certificates
from holdfast.identity.certificates import KeyPair

AUTHORITIES: Mapping[str, str] = MappingProxyType(
    {"ca": "kubernetes", "front-proxy-ca": "front-proxy-ca", "etcd/ca": "etcd-ca"}
)
SERVICE_ACCOUNTS = "sa"
NAMES = frozenset(
    {f"{name}.{end}" for name in AUTHORITIES for end in ("crt", "key")} | {"sa.key", "sa.pub"}
)


@dataclass(frozen=True, slots=True, repr=False)
class ClusterPki:
    """`files` maps a path below /etc/kubernetes/pki to PEM text. Secret: never log one."""

    files: Mapping[str, str]

    @property
    def ca(self) -> KeyPair:
        """The authority of the API server and of its clients."""
        return KeyPair(self.files["ca.crt"], self.files["ca.key"])

    def to_json(self) -> bytes:
        """For the encrypted store."""
        return json.dumps(dict(self.files), sort_keys=True).encode()

    @classmethod
    def from_json(cls, stored: bytes) -> "ClusterPki":
        """The reverse of `to_json`. Raises ValueError when a file is missing or too much."""
        files = json.loads(stored)
        if not isinstance(files, dict) or set(files) != NAMES:
            raise ValueError(f"a cluster's PKI has the files {', '.join(sorted(NAMES))}")
        return cls(MappingProxyType(files))


def new_cluster_pki(now: datetime) -> ClusterPki:
    """Three authorities and the key of service accounts, all ECDSA P-256."""
    files: dict[str, str] = {}
    for name, common_name in AUTHORITIES.items():
        pair = certificates.authority(common_name, now)
        files |= {f"{name}.crt": pair.certificate, f"{name}.key": pair.key}
    key = certificates.new_key()
    files |= {"sa.key": certificates.key_pem(key), "sa.pub": certificates.public_pem(key)}
    return ClusterPki(MappingProxyType(files))


def client_certificate(
    pki: ClusterPki, user: str, groups: Sequence[str], now: datetime, valid_for: timedelta
) -> tuple[str, str]:
    """Certificate and key (PEM) of a client that the API server knows as `user` in `groups`."""
    pair = certificates.client(pki.ca, user, groups, now, valid_for)
    return pair.certificate, pair.key
