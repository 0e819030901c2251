"""Identities. A name is for people; one of these is what a thing *is*."""

from typing import NewType

ClusterId = NewType("ClusterId", str)  # lower-case UUID
MachineId = NewType("MachineId", str)  # lower-case UUID, never used twice
RequestId = NewType("RequestId", str)  # lower-case UUID of one node that the user asked for
CredentialsId = NewType("CredentialsId", str)  # lower-case UUID
InstallationId = NewType("InstallationId", str)  # lower-case UUID of this Holdfast
AccountKey = NewType("AccountKey", str)  # the credentials whose account is meant, as their id
ResourceName = NewType("ResourceName", str)  # unique within a cluster: "aws/subnet/eu-central-1a"
ProviderId = NewType("ProviderId", str)  # the cloud's own id: "i-0abc", "vpc-1", "eipalloc-2"
EngineKey = NewType("EngineKey", str)  # "cluster:<id>" or "account:<id>"


def cluster_key(cluster: ClusterId) -> EngineKey:
    """The engine's key for the pass of one cluster."""
    return EngineKey(f"cluster:{cluster}")


def account_key(credentials: CredentialsId) -> EngineKey:
    """The engine's key for the pass of one account."""
    return EngineKey(f"account:{credentials}")
