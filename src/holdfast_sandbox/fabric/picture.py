"""What a network's picture says that the fabric needs, and which pictures can't be drawn. Pure."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.names import LINK_LOCAL, OUTSIDE, PUBLIC
from holdfast_sandbox.ports import NetworkPicture, NetworkPort


def bound(picture: NetworkPicture) -> Mapping[IPv4Address, IPv4Address]:
    """Public address -> private address, for ports whose subnet leads to the internet."""
    return {
        port.public: port.address
        for port in picture.ports
        if port.public is not None and any(port.address in subnet for subnet in picture.internet)
    }


def check(picture: NetworkPicture) -> None:
    """Refuse a picture that contradicts itself or the fabric. Raises FabricError, naming it."""
    for taken in (PUBLIC, LINK_LOCAL):
        if picture.cidr.overlaps(taken):
            raise FabricError(f"network {picture.id}: {picture.cidr} overlaps {taken}")
    for subnet in picture.subnets:
        if not subnet.subnet_of(picture.cidr):
            raise FabricError(f"network {picture.id}: subnet {subnet} is outside {picture.cidr}")
    for one, other in zip(sorted(picture.subnets), sorted(picture.subnets)[1:], strict=False):
        if one.overlaps(other):
            raise FabricError(f"network {picture.id}: subnets {one} and {other} overlap")
    for port in picture.ports:
        _check_port(picture, port)
    _check_unique(picture)


def _check_port(picture: NetworkPicture, port: NetworkPort) -> None:
    name = f"network {picture.id}: port of {port.machine}"
    if not any(port.address in subnet for subnet in picture.subnets):
        raise FabricError(f"{name}: {port.address} is in no subnet")
    if port.public is not None and (port.public not in PUBLIC or port.public == OUTSIDE):
        raise FabricError(f"{name}: {port.public} is no free address of {PUBLIC}")


def _check_unique(picture: NetworkPicture) -> None:
    taken: dict[object, str] = {}
    for port in picture.ports:
        for thing in (port.machine, port.address, port.public):
            if thing is not None and thing in taken:
                owner = f"{taken[thing]} and {port.machine}"
                raise FabricError(f"network {picture.id}: {thing} belongs to ports of {owner}")
            taken[thing] = port.machine
