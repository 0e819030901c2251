"""A cluster's network: the address ranges that a user chose, and what v1 shows of them."""

from collections.abc import Iterable, Mapping
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

from holdfast.model import spec
from holdfast.model.offering import Cloud
from holdfast.model.spec import (
    DEFAULT_VPC_CIDRS,
    POD_CIDR,
    SERVICE_CIDR,
    WIREGUARD_CIDR,
    CloudSpec,
)
from holdfast.wire.document import Document, MaybeText
from holdfast.wire.error import Wrong

PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
# A cloud takes /16 at most; a sixteenth of the range is a zone's subnet, at least a /28.
WIDEST, NARROWEST = 16, 24
CHOOSE = f"use wireGuard with topology {' or '.join(spec.Vpn)}"
TAKEN = {"services": SERVICE_CIDR, "pods": POD_CIDR, "WireGuard": WIREGUARD_CIDR}


class CloudNetwork(Document):
    """The cluster's range in one cloud."""

    vpc_cidr: MaybeText = None


class WireGuard(Document):
    """The machines' own VPN."""

    topology: str = "fullMesh"


class IpSec(Document):
    """The clouds' own VPN gateways: an empty object."""


class Vpn(Document):
    """At most one of the kinds."""

    ip_sec: IpSec | None = None
    wire_guard: WireGuard | None = None


class Network(Document):
    """v1's network object. An answer that has it always has `vpn`: a client crashes otherwise."""

    private_worker_nodes: bool = False
    aws: CloudNetwork | None = None
    gcp: CloudNetwork | None = None
    azure: CloudNetwork | None = None
    do: CloudNetwork | None = None
    vpn: Vpn | None = None

    def cidr_of(self, cloud: Cloud) -> str | None:
        """The range that was given for a cloud."""
        given: CloudNetwork | None = getattr(self, cloud.value)
        return given.vpc_cidr if given else None


def wrong(network: Network, clouds: Iterable[Cloud]) -> list[Wrong]:
    """What cannot be built, field by field; ranges are checked by `cidrs`."""
    used = set(clouds)
    found = [
        Wrong(f"network.{cloud.value}", "the cluster has no credentials of this cloud")
        for cloud in Cloud
        if network.cidr_of(cloud) and cloud not in used
    ]
    if network.private_worker_nodes:
        reason = "workers without public addresses are not available in this release"
        found.append(Wrong("network.privateWorkerNodes", reason))
    return found + _wrong_vpn(network.vpn or Vpn(), len(used))


def _wrong_vpn(given: Vpn, clouds: int) -> list[Wrong]:
    if given.ip_sec is not None and given.wire_guard is not None:
        return [Wrong("network.vpn", "choose one kind, not both")]
    if given.wire_guard is not None:
        return _wrong_wire_guard(given.wire_guard, clouds)
    if given.ip_sec is not None and clouds > 1:
        reason = f"gateways between several clouds are not available in this release; {CHOOSE}"
        return [Wrong("network.vpn.ipSec", reason)]
    if clouds > 1:
        return [Wrong("network.vpn", f"machines in several clouds need one; {CHOOSE}")]
    return []


def _wrong_wire_guard(given: WireGuard, clouds: int) -> list[Wrong]:
    if given.topology not in set(spec.Vpn):
        offered = ", ".join(spec.Vpn)
        reason = f"{given.topology!r} is unknown; there is {offered}"
        return [Wrong("network.vpn.wireGuard.topology", reason)]
    if clouds > 1:
        return []
    reason = "WireGuard is not available in this release; one cloud needs no VPN"
    return [Wrong("network.vpn.wireGuard", reason)]


def vpn(network: Network) -> spec.Vpn | None:
    """The kind that was asked for, of a network that is not wrong."""
    asked = network.vpn.wire_guard if network.vpn else None
    return spec.Vpn(asked.topology) if asked else None


def cidrs(
    network: Network, clouds: Iterable[Cloud]
) -> tuple[dict[Cloud, IPv4Network], list[Wrong]]:
    """The range of each cloud, given or default, and what is wrong with the given ones."""
    chosen: dict[Cloud, IPv4Network] = {}
    found: list[Wrong] = []
    for cloud in sorted(clouds, key=lambda one: network.cidr_of(one) is None):  # given ones first
        text = network.cidr_of(cloud)
        if text is None:
            chosen[cloud] = _default(cloud, chosen.values())
            continue
        field = f"network.{cloud.value}.vpcCidr"
        try:
            chosen[cloud] = _parsed(text)
        except ValueError as error:
            found.append(Wrong(field, str(error)))
    return chosen, found + _overlaps(chosen)


def _parsed(text: str) -> IPv4Network:
    try:
        cidr = IPv4Network(text.strip())
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        message = f"{text!r} is not an IPv4 range like 10.10.0.0/16: {error}"
        raise ValueError(message) from error
    if not any(cidr.subnet_of(private) for private in PRIVATE):
        message = f"{cidr} is not private; use a part of 10/8, 172.16/12 or 192.168/16"
        raise ValueError(message)
    if not WIDEST <= cidr.prefixlen <= NARROWEST:
        message = f"/{cidr.prefixlen} is not between /{WIDEST} and /{NARROWEST}"
        raise ValueError(message)
    return cidr


def _overlaps(chosen: Mapping[Cloud, IPv4Network]) -> list[Wrong]:
    found = []
    for cloud, cidr in chosen.items():
        others = {**TAKEN, **{c.value: r for c, r in chosen.items() if c is not cloud}}
        found += [
            Wrong(f"network.{cloud.value}.vpcCidr", f"{cidr} overlaps {other} of {owner}")
            for owner, other in others.items()
            if cidr.overlaps(other)
        ]
    return found


def _default(cloud: Cloud, taken: Iterable[IPv4Network]) -> IPv4Network:
    fixed = DEFAULT_VPC_CIDRS.get(cloud)
    if fixed is not None:
        return fixed
    used = (*TAKEN.values(), *DEFAULT_VPC_CIDRS.values(), *taken)
    candidates = IPv4Network("10.0.0.0/8").subnets(new_prefix=20)
    return next(
        block
        for block in candidates
        if block.network_address.packed[1] >= 100 and not any(block.overlaps(r) for r in used)
    )


def shown(clouds: Iterable[CloudSpec], kind: spec.Vpn | None) -> Network | None:
    """What v1 shows: nothing where nothing was chosen, so that published clients see no change."""
    chosen = {
        one.cloud.value: CloudNetwork(vpc_cidr=str(one.vpc_cidr))
        for one in clouds
        if one.vpc_cidr != DEFAULT_VPC_CIDRS.get(one.cloud)
    }
    shown_vpn = Vpn(wire_guard=WireGuard(topology=kind)) if kind else Vpn()
    return Network.model_validate({**chosen, "vpn": shown_vpn}) if chosen or kind else None
