"""What comes before what, beyond bare existence: a machine is of use only with a way out.

`needs` says what a thing cannot exist without. A machine can exist without a route, but could
not call back; and a gateway cannot be detached while machines with public addresses live. So
machines are made after the way out and go before it. A route that is replaced does not touch
machines: this order never makes anything stale.
"""

from holdfast.model.ids import ResourceName
from holdfast.model.names import cloud_of
from holdfast.model.resource import Resource, VirtualMachine, needs


def comes_after(resource: Resource) -> frozenset[ResourceName]:
    """The names of everything that must be there first, and that must go later."""
    if not isinstance(resource, VirtualMachine):
        return needs(resource)
    cloud = cloud_of(resource.name).value
    way_out = {
        _attachment(resource),
        ResourceName(f"{cloud}/route/internet"),
        ResourceName(f"{cloud}/route-association/{resource.offering.zone}"),
    }
    return needs(resource) | way_out


def held_by_ending(resource: Resource) -> frozenset[ResourceName]:
    """What must outlast a thing that is going already. A machine that shuts down calls nobody any
    more: of its way out only the attachment is refused while it has a public address."""
    if isinstance(resource, VirtualMachine):
        return needs(resource) | {_attachment(resource)}
    return needs(resource)


def _attachment(machine: VirtualMachine) -> ResourceName:
    return ResourceName(f"{cloud_of(machine.name).value}/gateway-attachment")
