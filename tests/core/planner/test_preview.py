"""What a cluster would cost, and what does not fit."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.core.planner.build import REGION, a_region, a_request, a_spec

from holdfast.model.account import Region
from holdfast.model.offering import CapacityType, Cloud, Shape
from holdfast.model.resource import Role
from holdfast.model.spec import ClusterSpec, NodeRequest
from holdfast.planner.preview import Preview, Violation, offering_for, preview, zone_for


def previewed(spec: ClusterSpec, region: Region | None = None) -> Preview:
    return preview(spec, {Cloud.AWS: region or a_region()})


def zones(found: Preview) -> list[str]:
    return [m.offering.key.zone[-1] if m.offering else "-" for m in found.machines]


def test_the_price_is_machines_disks_addresses_and_the_endpoint() -> None:
    found = previewed(a_spec(1, 2))
    machines = Decimal("0.08") + 2 * Decimal("0.04")
    disks = 3 * 30 * Decimal("0.0001")
    addresses = (3 + 1) * Decimal("0.005")
    assert found.hourly == machines + disks + addresses
    assert found.monthly == 720 * found.hourly
    assert [line.subject for line in found.lines].count("endpoint") == 1
    assert found.lines[0].detail == "control plane: t3.large on-demand in eu-central-1a"
    assert found.violations == ()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 4), "aaaaa"),
        ((2, 2), "abab"),
        ((3, 4), "abcabca"),
        ((5, 1), "abcaba"),
    ],
)
def test_one_control_plane_stays_in_one_zone_and_more_are_spread(
    size: tuple[int, int], expected: str
) -> None:
    assert "".join(zones(previewed(a_spec(*size)))) == expected


def test_spreading_over_two_zones_and_over_none() -> None:
    spec = a_spec(3, 0)
    assert [zone_for(spec, node, ("x", "y")) for node in spec.nodes] == ["x", "y", "x"]
    assert zone_for(spec, spec.nodes[0], ()) == ""
    assert previewed(spec, a_region(zones=(), offerings=())).violations[0].field == "nodes[0]"


def test_others_behind_do_not_move_a_node() -> None:
    before, after = a_spec(3, 1), a_spec(3, 5)
    region = a_region()
    for node in before.nodes:
        assert zone_for(before, node, region.zones) == zone_for(after, node, region.zones)


REQUESTS: list[tuple[str, dict[str, Any], str | None]] = [
    ("the cheapest that is large enough", {"shape": Shape.SMALL}, "t3.medium"),
    ("memory counts", {"shape": Shape.MEDIUM}, "t3.large"),
    ("a larger one when none is equal", {"shape": Shape.LARGE}, "m5.xlarge"),
    ("none is large enough", {"shape": Shape.XX_LARGE}, None),
    ("a named type wins over the shape", {"instance_type": "m5.xlarge"}, "m5.xlarge"),
    ("a named type that nobody sells", {"instance_type": "x9.huge"}, None),
    ("spot", {"capacity_type": CapacityType.SPOT}, "t3.medium"),
]


@pytest.mark.parametrize("case", REQUESTS, ids=[c[0] for c in REQUESTS])
def test_a_request_gets(case: tuple[str, dict[str, Any], str | None]) -> None:
    _, changes, expected = case
    request = a_request(0, **changes)
    offer = offering_for(request, a_region(), f"{REGION}b", frozenset())
    assert (offer.key.instance_type if offer else None) == expected
    if offer is not None:
        assert offer.key.zone == f"{REGION}b"
        assert offer.key.capacity_type is request.capacity_type


def test_what_does_not_fit_is_named_with_its_place() -> None:
    spec = a_spec(1, 1)
    nodes = (spec.nodes[0], replace(spec.nodes[1], instance_type="x9.huge"))
    found = previewed(replace(spec, nodes=nodes))
    assert found.violations == (
        Violation("nodes[1]", f"x9.huge (on-demand) is not on sale in {REGION} now"),
    )
    assert not [line for line in found.lines if line.subject == nodes[1].id]
    unknown = preview(spec, {})
    assert [v.field for v in unknown.violations] == ["nodes[0]", "nodes[1]"]
    assert "nothing is known yet of what aws sells" in unknown.violations[0].description
    assert unknown.hourly == 0


def limited(code: str, limit: float, used: float) -> Region:
    region = a_region()
    quotas = tuple(
        replace(q, limit=limit, used=used) if q.code == code else q for q in region.quotas
    )
    return replace(region, quotas=quotas)


VCPUS, SPOT, ADDRESSES, NETWORKS = "L-1216C47A", "L-34B43A08", "L-0263D0A3", "L-F678F1CE"
QUOTAS = [
    # code, limit, used, what is broken: one control plane and three workers of 2 vCPUs need 8
    (VCPUS, 8, 0, None),
    (VCPUS, 8, 1, "nodes"),
    (VCPUS, 7, 0, "nodes"),
    (SPOT, 0, 0, None),
    (ADDRESSES, 5, 5, "cloudCredentialsIDs"),
    (ADDRESSES, 5, 4, None),
    (NETWORKS, 5, 5, "cloudCredentialsIDs"),
]


@pytest.mark.fault("F24", "P")
@pytest.mark.parametrize(("code", "limit", "used", "field"), QUOTAS)
def test_quotas_count_what_is_used_and_name_themselves(
    code: str, limit: float, used: float, field: str | None
) -> None:
    found = previewed(a_spec(1, 3), limited(code, limit, used))
    assert [v.field for v in found.violations] == ([field] if field else [])
    if field:
        said = found.violations[0].description
        assert code in said
        assert f"allows {limit:g}" in said
        assert f"{used:g} are used" in said


@pytest.mark.fault("F23", "P")
def test_spot_and_on_demand_have_quotas_of_their_own() -> None:
    spec = a_spec(1, 2)
    spot = tuple(
        replace(n, capacity_type=CapacityType.SPOT) if n.role is Role.WORKER else n
        for n in spec.nodes
    )
    found = previewed(replace(spec, nodes=spot), limited(SPOT, 3, 0))
    assert [SPOT in v.description for v in found.violations] == [True]
    assert "needs 4 more" in found.violations[0].description


def drought(request: NodeRequest, *sold_out_zones: str) -> str:
    region = a_region()
    gone = frozenset(o.key for o in region.offerings if o.key.zone[-1] in sold_out_zones)
    offer = offering_for(request, region, f"{REGION}a", gone)
    return offer.key.zone[-1] if offer else "-"


@pytest.mark.fault("F22", "P")
def test_a_drought_at_home_goes_to_another_zone_and_one_everywhere_to_none() -> None:
    request = a_request(0)
    assert [drought(request, *out) for out in ("", "a", "ab", "abc")] == ["a", "b", "c", "-"]


def test_a_type_that_is_sold_out_at_home_is_replaced_there_by_a_larger_one() -> None:
    region = a_region()
    gone = frozenset(o.key for o in region.offerings if o.key.instance_type == "t3.medium")
    offer = offering_for(a_request(0), region, f"{REGION}a", gone)
    assert offer is not None
    assert (offer.key.instance_type, offer.key.zone[-1]) == ("t3.large", "a")


@pytest.mark.parametrize(("price", "zone"), [("0.05", "a"), ("0.0501", "b")])
def test_a_zone_without_small_machines_is_kept_only_for_a_little_more(
    price: str, zone: str
) -> None:
    region = a_region()
    offers = tuple(
        replace(o, price=Decimal(price)) if o.key.instance_type == "t3.large" else o
        for o in region.offerings
    )
    gone = frozenset(
        o.key for o in offers if o.key.instance_type == "t3.medium" and o.key.zone[-1] == "a"
    )
    offer = offering_for(a_request(0), replace(region, offerings=offers), f"{REGION}a", gone)
    assert offer is not None
    assert offer.key.zone[-1] == zone


def test_what_the_cloud_lists_as_unavailable_is_not_bought() -> None:
    region = a_region()
    offers = tuple(replace(o, available=o.key.zone[-1] != "a") for o in region.offerings)
    offer = offering_for(a_request(0), replace(region, offerings=offers), f"{REGION}a", frozenset())
    assert offer is not None
    assert offer.key.zone[-1] == "b"


def test_only_an_architecture_with_an_image_is_bought() -> None:
    region = a_region()
    arm = tuple(replace(o, arch="arm64") for o in region.offerings)
    named = a_request(0, instance_type="t3.medium")
    zone = f"{REGION}a"
    assert offering_for(named, replace(region, offerings=arm), zone, frozenset()) is None
    both = replace(region, offerings=arm, images={"amd64": "ami-1", "arm64": "ami-2"})
    assert offering_for(named, both, zone, frozenset()) is not None
    assert offering_for(a_request(0), both, zone, frozenset()) is None
