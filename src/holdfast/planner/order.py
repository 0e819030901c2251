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
        ResourceName(f"{cloud}/gateway-attachment"),
        ResourceName(f"{cloud}/route/internet"),
        ResourceName(f"{cloud}/route-association/{resource.offering.zone}"),
    }
    return needs(resource) | way_out
