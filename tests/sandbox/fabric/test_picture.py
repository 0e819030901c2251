"""Which pictures are refused, and what is public in one."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.picture import bound, check
from holdfast_sandbox.ports import NetworkPicture, NetworkPort

NET = IPv4Network("10.0.0.0/16")
PUBLIC, PRIVATE = IPv4Network("10.0.1.0/24"), IPv4Network("10.0.2.0/24")
PORT = NetworkPort("i-1", PUBLIC[10], "02:00:00:00:00:01", public=IPv4Address("198.18.5.5"))
PICTURE = NetworkPicture("vpc-1", NET, (PUBLIC, PRIVATE), (PUBLIC,), (PORT,))


def test_a_good_picture_passes() -> None:
    check(PICTURE)
    check(replace(PICTURE, subnets=(), internet=(), ports=()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cidr": IPv4Network("198.19.0.0/16")}, "198.19.0.0/16 overlaps 198.18.0.0/15"),
        ({"cidr": IPv4Network("169.254.0.0/16")}, "overlaps 169.254.0.0/16"),
        ({"cidr": IPv4Network("10.1.0.0/16")}, "subnet 10.0.1.0/24 is outside"),
        ({"subnets": (PUBLIC, IPv4Network("10.0.0.0/22"))}, "10.0.1.0/24 overlap"),
        ({"ports": (replace(PORT, address=NET[5]),)}, "i-1: 10.0.0.5 is in no subnet"),
        ({"ports": (replace(PORT, public=IPv4Address("8.8.8.8")),)}, "8.8.8.8 is no free address"),
        ({"ports": (replace(PORT, public=IPv4Address("198.18.0.1")),)}, "198.18.0.1 is no free"),
        ({"ports": (PORT, replace(PORT, address=PUBLIC[11], public=None))}, "i-1 belongs to ports"),
        ({"ports": (PORT, replace(PORT, machine="i-2", public=None))}, "10.0.1.10 belongs to"),
        ({"ports": (PORT, replace(PORT, machine="i-2", address=PUBLIC[11]))}, "198.18.5.5 belongs"),
    ],
)
def test_a_contradiction_is_named(change: dict[str, object], says: str) -> None:
    with pytest.raises(FabricError, match="vpc-1") as refused:
        check(replace(PICTURE, **change))  # type: ignore[arg-type]
    assert says in str(refused.value)


def test_public_addresses_are_bound_where_a_gateway_is() -> None:
    hidden = replace(PORT, machine="i-2", address=PRIVATE[10], public=IPv4Address("198.18.5.6"))
    silent = replace(PORT, machine="i-3", address=PUBLIC[12], public=None)
    picture = replace(PICTURE, ports=(PORT, hidden, silent))
    assert bound(picture) == {IPv4Address("198.18.5.5"): PUBLIC[10]}
    assert bound(replace(picture, internet=())) == {}
