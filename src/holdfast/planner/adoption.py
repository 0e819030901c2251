"""Machines that live and have no record: the database is older than they are, so they are taken in.

Tags say whose they are and in which role; the rest is rebuilt from what the cloud shows. One that
no request can use stays without a record and goes like everything that nobody wants.
"""

from collections.abc import Iterable, Set
from datetime import datetime

from holdfast.model import names
from holdfast.model.account import Region
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Observed, Seen
from holdfast.model.offering import SHAPES
from holdfast.model.resource import VirtualMachine
from holdfast.model.spec import NodeRequest


def adoptable(
    request: NodeRequest, unrecorded: Iterable[Seen], taken: Set[MachineId], region: Region
) -> Seen | None:
    """The oldest unrecorded machine that fits a request; None when there is none."""
    fitting = [
        seen
        for seen in unrecorded
        if isinstance(seen.resource, VirtualMachine)
        and seen.life.is_living
        and seen.resource.machine not in taken
        and _fits(request, seen.resource, region)
    ]
    return min(fitting, key=lambda seen: (str(seen.created_at), seen.id), default=None)


def adopted(
    cluster: Cluster,
    request: NodeRequest,
    seen: Seen,
    observed: Observed,
    nonce_hash: str,
    now: datetime,
) -> Machine:
    """The record of such a machine. It has joined when its node says so; its agent is unknown."""
    resource = seen.resource
    if not isinstance(resource, VirtualMachine):
        raise TypeError(f"{seen.id} is no machine")
    made = seen.created_at or now
    node = observed.kube.nodes.get(resource.hostname) if observed.kube else None
    return Machine(
        id=resource.machine,
        cluster=cluster.id,
        request=request.id,
        name=resource.hostname,
        role=resource.role,
        offering=resource.offering,
        image=resource.image,
        disk_gib=resource.disk_gib,
        kubernetes_version=cluster.spec.kubernetes_version,
        attempt=1,
        token=names.client_token(resource.machine, 1, f"adopted/{seen.id}"),
        nonce_hash=nonce_hash,
        chosen_at=made,
        provider_id=seen.id,
        private_ip=seen.private_ip,
        public_ip=seen.public_ip,
        launched_at=made,
        registered_at=made if node is not None else None,
        joining_at=made if node is not None else None,
        joined_at=now if node is not None else None,
        ready_at=now if node is not None and node.ready else None,
    )


def _fits(request: NodeRequest, machine: VirtualMachine, region: Region) -> bool:
    """Its role, its market, and at least its size."""
    key = machine.offering
    wanted = (request.role, request.cloud, request.capacity_type)
    if (machine.role, key.cloud, key.capacity_type) != wanted:
        return False
    if request.instance_type is not None:
        return key.instance_type == request.instance_type
    size = next((o.size for o in region.offerings if o.key == key), None)
    least = SHAPES[request.shape]
    return size is not None and size.cpus >= least.cpus and size.memory_mib >= least.memory_mib
