"""Every name, tag, label and client token that Holdfast gives to things.

Host and cloud names are for people: lower-case slug of the cluster name, 8 characters of the
cluster's UUID, the cloud, 4 of the machine's UUID. Cutting the slug is harmless, because
identity is in the tags and is never cut.
"""

import hashlib
import re

from holdfast.model.ids import ClusterId, InstallationId, MachineId, ResourceName
from holdfast.model.offering import Cloud

TAG_CLUSTER = "holdfast:cluster"
TAG_NAME = "holdfast:name"
TAG_INSTALLATION = "holdfast:installation"
TAG_MACHINE = "holdfast:machine"
RESERVED_PREFIX = "holdfast:"

LABEL_PREFIX = "node.holdfast.dev/"
LABEL_MACHINE = f"{LABEL_PREFIX}machine"
LABEL_CLOUD = f"{LABEL_PREFIX}cloud"

SLUG_LENGTH = 30
TOKEN_LENGTH = 64  # AWS takes at most 64 ASCII characters as a client token


def slug(name: str) -> str:
    """A lower-case DNS label part of a cluster name, at most 30 characters."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:SLUG_LENGTH].strip("-") or "cluster"


def display(cluster_name: str, cluster: ClusterId) -> str:
    """`<name>-<8 of the UUID>`: kubeconfig contexts and things that exist once a cluster."""
    return f"{slug(cluster_name)}-{cluster[:8]}"


def host(cluster_name: str, cluster: ClusterId, cloud: Cloud, machine: MachineId) -> str:
    """A machine's host name, which is also its Kubernetes node name."""
    return f"{display(cluster_name, cluster)}-{cloud.value}-{machine[:4]}"


def cloud_name(cluster_name: str, cluster: ClusterId, name: ResourceName) -> str:
    """The name people see in the cloud's own console, at most 63 characters."""
    return f"{display(cluster_name, cluster)}-{name.replace('/', '-')}"[:63].rstrip("-")


def client_token(owner: str, attempt: int, what: str) -> str:
    """The idempotency key of one attempt: a machine out of an offering, a thing of a cluster.

    A new attempt or another offering is another token, since a cloud refuses a known token with
    other parameters. Source: AWS EC2, "Ensuring idempotency".
    """
    digest = hashlib.sha256(f"{owner}/{attempt}/{what}".encode()).hexdigest()
    return f"hf-{digest}"[:TOKEN_LENGTH]


def tags(
    installation: InstallationId, cluster: ClusterId, name: ResourceName, user: dict[str, str]
) -> dict[str, str]:
    """All tags of a thing: the user's first, ours last, so that ours cannot be overwritten."""
    return {
        **user,
        TAG_INSTALLATION: installation,
        TAG_CLUSTER: cluster,
        TAG_NAME: name,
    }


def machine(cloud: Cloud, machine_id: MachineId) -> ResourceName:
    """The resource name of a machine."""
    return ResourceName(f"{cloud.value}/machine/{machine_id}")


def cloud_of(name: ResourceName) -> Cloud:
    """The cloud a resource lives in: the first part of its name."""
    return Cloud(name.partition("/")[0])
