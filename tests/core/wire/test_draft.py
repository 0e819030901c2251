"""From requests to specifications over several clouds: placement, ranges, presets, shapes."""

import itertools
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.ids import CredentialsId
from holdfast.model.offering import CapacityType, Cloud, Shape, Size
from holdfast.model.resource import Role
from holdfast.model.spec import POD_CIDR, SERVICE_CIDR, WIREGUARD_CIDR, ClusterSpec, Vpn
from holdfast.wire import draft, network, requested, tags
from holdfast.wire.cluster import ClusterRequest
from holdfast.wire.error import Invalid
from holdfast.wire.known import Known
from holdfast.wire.network import Network
from holdfast.wire.region import REGIONS, find, groups

ALL = tuple(Cloud)
KNOWN = Known(REGIONS, frozenset(Cloud), {CredentialsId(c.value): c for c in Cloud})


def _ids() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"id-{next(numbers)}"


def _request(clouds: tuple[Cloud, ...] = (Cloud.AWS,), **changes: Any) -> ClusterRequest:
    nodes = [{"cloud": clouds[0], "role": "master", "shape": "medium"}]
    nodes += [{"cloud": cloud, "role": "worker", "shape": "small"} for cloud in clouds]
    body: dict[str, Any] = {
        "name": "web",
        "region": "eu-central",
        "cloudCredentialsIDs": [cloud.value for cloud in clouds],
        "nodes": nodes,
    }
    if len(clouds) > 1:
        body["network"] = {"vpn": {"wireGuard": {"topology": "fullMesh"}}}
    return ClusterRequest.model_validate(body | changes)


def _spec(request: ClusterRequest) -> ClusterSpec:
    return draft.spec(request, KNOWN, _ids())


def _wrong(request: ClusterRequest) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        _spec(request)
    return {one.field: one.description for one in caught.value.wrong}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a23_the_clis_basic_passes_on_one_to_four_clouds(count: int) -> None:
    spec = _spec(_request(ALL[:count]))
    assert [cloud.cloud for cloud in spec.clouds] == list(ALL[:count])
    assert len(spec.control_planes()) == 1
    assert len(spec.nodes) == count + 1


def test_q25_ha_on_four_clouds_with_four_control_planes_passes() -> None:
    nodes = [{"cloud": cloud, "role": "master", "shape": "medium"} for cloud in ALL]
    assert len(_spec(_request(ALL, nodes=nodes)).control_planes()) == 4


def test_each_cloud_gets_its_own_region_of_the_group() -> None:
    spec = _spec(_request(ALL, region="us-east"))
    assert [cloud.region for cloud in spec.clouds] == ["us-east-1", "us-east4", "eastus", "nyc1"]


def test_a_group_without_a_part_on_a_cloud_is_refused() -> None:
    wrong = _wrong(_request((Cloud.AWS, Cloud.DO), region="sa-east"))
    assert "no part on do" in wrong["cloudCredentialsIDs[1]"]


def test_credentials_of_a_cloud_that_no_node_uses_are_refused() -> None:
    nodes = [{"cloud": "aws", "role": "master", "shape": "medium"}]
    wrong = _wrong(_request((Cloud.AWS, Cloud.GCP), nodes=nodes))
    assert wrong == {"cloudCredentialsIDs[1]": "no node uses gcp"}


def test_a61_default_ranges_are_the_contracts_and_overlap_nothing() -> None:
    ranges = {cloud.cloud: cloud.vpc_cidr for cloud in _spec(_request(ALL)).clouds}
    assert ranges[Cloud.GCP] == IPv4Network("10.0.0.0/16")
    assert ranges[Cloud.AWS] == IPv4Network("10.10.0.0/16")
    assert ranges[Cloud.AZURE] == IPv4Network("10.20.0.0/16")
    assert ranges[Cloud.DO].prefixlen == 20
    taken = [*ranges.values(), SERVICE_CIDR, POD_CIDR, WIREGUARD_CIDR]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(taken, 2))


def test_ranges_of_two_clouds_may_not_overlap() -> None:
    given_ = {"aws": {"vpcCidr": "10.0.128.0/20"}}
    wrong = _wrong(_request((Cloud.AWS, Cloud.GCP), network=given_))
    assert "network.vpn" in wrong  # several clouds need one
    assert "10.0.0.0/16 of gcp" in wrong["network.aws.vpcCidr"]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(16, 24))
def test_an_accepted_range_overlaps_nothing(second: int, third: int, prefix: int) -> None:
    text = str(IPv4Network(f"10.{second}.{third}.0/{prefix}", strict=False))
    wish = Network.model_validate({"aws": {"vpcCidr": text}})
    ranges, wrong = network.cidrs(wish, ALL)
    if not wrong:
        taken = [*ranges.values(), SERVICE_CIDR, POD_CIDR, WIREGUARD_CIDR]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(taken, 2))


@pytest.mark.parametrize(
    ("vpn", "clouds", "field"),
    [
        ({"ipSec": {}}, 2, "network.vpn.ipSec"),
        ({"ipSec": {}, "wireGuard": {"topology": "fullMesh"}}, 1, "network.vpn"),
        ({"wireGuard": {"topology": "crossLocationMesh"}}, 1, "network.vpn.wireGuard"),
        ({"wireGuard": {"topology": "ring"}}, 2, "network.vpn.wireGuard.topology"),
        ({}, 2, "network.vpn"),
    ],
)
def test_vpns_that_cannot_be_built_are_refused(
    vpn: dict[str, Any], clouds: int, field: str
) -> None:
    assert field in _wrong(_request(ALL[:clouds], network={"vpn": vpn}))


@pytest.mark.parametrize("topology", list(Vpn))
def test_a27_the_vpn_of_several_clouds_is_shown_as_it_was_sent(topology: Vpn) -> None:
    sent = {"vpn": {"wireGuard": {"topology": topology.value}}}
    spec = _spec(_request((Cloud.AWS, Cloud.GCP), network=sent))
    assert spec.vpn is topology
    shown = network.shown(spec.clouds, spec.vpn)
    assert shown is not None
    assert shown.model_dump(exclude_none=True, by_alias=True)["vpn"] == sent["vpn"]


def test_one_cloud_needs_no_vpn() -> None:
    choices: list[Any] = [None, {"vpn": {"ipSec": {}}}, {"privateWorkerNodes": False}]
    for given_ in choices:
        spec = _spec(_request(network=given_))
        assert spec.vpn is None
        assert network.shown(spec.clouds, spec.vpn) is None


@pytest.mark.parametrize(
    ("preset", "clouds", "roles"),
    [("starter", 1, 2), ("basic", 1, 4), ("ha", 1, 6), ("ha", 3, 6)],
)
def test_presets_spread_over_the_clouds_in_turn(preset: str, clouds: int, roles: int) -> None:
    spec = _spec(_request(ALL[:clouds], nodes=None, preset=preset))
    assert len(spec.nodes) == roles
    assert {node.cloud for node in spec.nodes} == set(ALL[:clouds])
    assert len({node.id for node in spec.nodes}) == roles
    assert spec.nodes[0].role is Role.CONTROL_PLANE


def test_spot_is_a_capacity_type() -> None:
    nodes = [
        {"cloud": "aws", "role": "master", "shape": "medium", "spotConfig": {"isSpot": False}},
        {"cloud": "aws", "role": "worker", "shape": "small", "spotConfig": {"isSpot": True}},
    ]
    spec = _spec(_request(nodes=nodes))
    assert [node.capacity_type for node in spec.nodes] == [
        CapacityType.ON_DEMAND,
        CapacityType.SPOT,
    ]


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        (None, Shape.MEDIUM),
        (Size(1, 1024), Shape.X_SMALL),
        (Size(2, 4096), Shape.SMALL),
        (Size(2, 8192), Shape.MEDIUM),
        (Size(4, 8192), Shape.MEDIUM),
        (Size(64, 512 * 1024), Shape.XX_LARGE),
    ],
)
def test_the_nearest_shape_fits_into_the_size(size: Size | None, shape: Shape) -> None:
    assert requested.nearest(size) is shape


@pytest.mark.fault("F03", "P")
@given(st.dictionaries(st.text(max_size=140), st.text(max_size=270), max_size=45))
def test_f03_no_accepted_tag_can_hide_whose_a_thing_is(given_: dict[str, str]) -> None:
    if not tags.wrong(given_):
        assert not any(key.casefold().startswith(("holdfast:", "aws:")) for key in given_)
        assert all(1 <= len(key) <= 128 and len(value) <= 256 for key, value in given_.items())


@pytest.mark.fault("F03", "P")
@pytest.mark.parametrize("key", ["holdfast:name", " holdfast:name", "HOLDFAST:x", "Aws:x", "NAME"])
def test_f03_reserved_keys_are_refused_however_they_are_written(key: str) -> None:
    assert tags.wrong({key: "x"})


def test_regions_can_be_moved_by_the_installation() -> None:
    moved = find("eu-central", groups({"eu-central": {Cloud.AWS: "eu-west-1"}}))
    assert moved is not None
    assert moved.native[Cloud.AWS] == "eu-west-1"
    assert moved.native[Cloud.GCP] == "europe-west3"
