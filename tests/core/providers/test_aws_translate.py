"""AWS's answers as things: what is rebuilt, what differs, and of what nothing is claimed."""

from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import names
from holdfast.model.ids import ClusterId, InstallationId, MachineId, ProviderId, ResourceName
from holdfast.model.observed import Blind, Life, Seen
from holdfast.model.offering import CapacityType, Cloud, OfferingKey
from holdfast.model.resource import (
    AddressBinding,
    Direction,
    FirewallRule,
    GatewayAttachment,
    Resource,
    Role,
    Route,
    RouteAssociation,
    VirtualMachine,
)
from holdfast.providers import errors
from holdfast.providers.aws import machine, rules, tagging, translate
from holdfast.providers.aws.tagging import Owner
from holdfast.providers.aws.translate import Ids
from holdfast.providers.port import Creation, Scope

INSTALLATION = InstallationId("11111111-1111-4111-8111-111111111111")
CLUSTER = ClusterId("22222222-2222-4222-8222-222222222222")
SCOPE = Scope(INSTALLATION, CLUSTER, "Demo", "eu-central-1")
NETWORK, GATEWAY, TABLE = (ResourceName(f"aws/{n}") for n in ("network", "gateway", "route-table"))
SUBNET, GROUP = ResourceName("aws/subnet/eu-central-1a"), ResourceName("aws/firewall/worker")
MACHINE = ResourceName("aws/machine/33333333-3333-4333-8333-333333333333")
IDS = Ids(
    {
        "vpc-1": NETWORK,
        "igw-1": GATEWAY,
        "rtb-1": TABLE,
        "subnet-1": SUBNET,
        "sg-1": GROUP,
        "i-1": MACHINE,
    },
    frozenset({"igw-9", "sg-9", "i-9", "subnet-9"}),
)


def owner(name: str) -> Owner:
    return Owner(INSTALLATION, CLUSTER, ResourceName(name))


def named(found: list[Seen | Blind], kind: type[Resource]) -> list[Resource]:
    return [s.resource for s in found if isinstance(s, Seen) and isinstance(s.resource, kind)]


def blind(found: list[Seen | Blind]) -> set[str]:
    return {kind for one in found if isinstance(one, Blind) for kind in one.kinds}


def table(route: dict[str, Any], **association: Any) -> list[Seen | Blind]:
    answer = {
        "RouteTableId": "rtb-1",
        "VpcId": "vpc-1",
        "Routes": [
            {"DestinationCidrBlock": "10.10.0.0/16", "GatewayId": "local", "State": "active"},
            {"DestinationCidrBlock": "0.0.0.0/0", **route},
        ],
        "Associations": [{"RouteTableAssociationId": "rtbassoc-1", **association}],
    }
    return list(translate.route_table(answer, owner(TABLE), IDS))


def test_a_route_to_our_gateway_is_the_wanted_one() -> None:
    found = table({"GatewayId": "igw-1", "State": "active"}, SubnetId="subnet-1")
    route = ResourceName("aws/route/internet")
    assert named(found, Route) == [Route(route, TABLE, GATEWAY)]
    association = ResourceName("aws/route-association/eu-central-1a")
    assert named(found, RouteAssociation) == [RouteAssociation(association, TABLE, SUBNET)]


@pytest.mark.parametrize(
    ("route", "target"),
    [
        ({"GatewayId": "igw-9", "State": "active"}, "igw-9"),
        ({"NatGatewayId": "nat-1", "State": "active"}, "nat-1"),
        ({"GatewayId": "igw-gone", "State": "blackhole"}, "igw-gone"),
        ({"NetworkInterfaceId": "eni-1", "InstanceId": "i-7", "State": "active"}, "i-7"),
    ],
)
def test_a_route_that_certainly_leads_elsewhere_differs(route: Any, target: str) -> None:
    (found,) = named(table(route), Route)
    assert isinstance(found, Route)
    assert found.gateway == target


def test_of_a_route_to_a_gateway_that_no_listing_shows_nothing_is_claimed() -> None:
    found = table({"GatewayId": "igw-new", "State": "active"})
    assert named(found, Route) == []
    assert blind(found) == {"Route"}


def test_main_associations_and_those_of_foreign_subnets_are_not_ours() -> None:
    for association in ({"Main": True}, {"SubnetId": "subnet-9"}):
        found = table({"GatewayId": "igw-1"}, **association)
        assert named(found, RouteAssociation) == []
        assert blind(found) == set()


def test_a_gateway_tells_its_attachment_and_a_detached_one_has_none() -> None:
    answer = {
        "InternetGatewayId": "igw-1",
        "Attachments": [{"VpcId": "vpc-1", "State": "available"}],
    }
    found = list(translate.gateway(answer, owner(GATEWAY), IDS))
    name = ResourceName("aws/gateway-attachment")
    assert named(found, GatewayAttachment) == [GatewayAttachment(name, GATEWAY, NETWORK)]
    assert [s.id for s in found if isinstance(s, Seen)] == ["igw-1", "igw-1/vpc-1"]
    detached = list(translate.gateway({**answer, "Attachments": []}, owner(GATEWAY), IDS))
    assert named(detached, GatewayAttachment) == []


@pytest.mark.parametrize(
    ("holder", "expected"),
    [("i-1", MACHINE), ("i-9", "i-9"), ("eni-3", "eni-3")],
)
def test_an_address_tells_what_it_leads_to(holder: str, expected: str) -> None:
    key = "InstanceId" if holder.startswith("i-") else "NetworkInterfaceId"
    answer = {
        "AllocationId": "eipalloc-1",
        "PublicIp": "198.18.0.7",
        "AssociationId": "eipassoc-1",
        key: holder,
    }
    found = list(translate.address(answer, owner("aws/address/endpoint"), IDS))
    (binding,) = named(found, AddressBinding)
    assert isinstance(binding, AddressBinding)
    assert binding.name == "aws/address-binding/endpoint"
    assert binding.machine == expected
    assert all(s.public_ip == "198.18.0.7" for s in found if isinstance(s, Seen))


def test_of_an_address_at_a_machine_that_no_listing_shows_nothing_is_claimed() -> None:
    answer = {
        "AllocationId": "eipalloc-1",
        "PublicIp": "198.18.0.7",
        "AssociationId": "eipassoc-1",
        "InstanceId": "i-new",
    }
    found = list(translate.address(answer, owner("aws/address/endpoint"), IDS))
    assert blind(found) == {"AddressBinding"}
    assert named(found, AddressBinding) == []


RULES = st.builds(
    FirewallRule,
    name=st.just(ResourceName("aws/rule/worker/x")),
    group=st.just(GROUP),
    direction=st.sampled_from(Direction),
    protocol=st.sampled_from(["tcp", "udp"]),
    from_port=st.integers(0, 65535),
    to_port=st.integers(0, 65535),
    peer=st.one_of(
        st.just(GROUP),
        st.builds(
            lambda n, p: IPv4Network((n, p), strict=False),
            st.integers(0, 2**32 - 1),
            st.integers(0, 32),
        ),
    ),
) | st.builds(
    FirewallRule,
    name=st.just(ResourceName("aws/rule/worker/x")),
    group=st.just(GROUP),
    direction=st.sampled_from(Direction),
    protocol=st.sampled_from(["all", "icmp"]),
    from_port=st.just(0),
    to_port=st.just(0),
    peer=st.just(GROUP),
)


@given(RULES)
def test_a_rule_comes_back_as_it_was_sent(rule: FirewallRule) -> None:
    sent = rules.permission(rule, {GROUP: ProviderId("sg-1")})
    answer = shown(sent, outward=rule.direction is Direction.EGRESS)
    (seen,) = translate.firewall_rule(answer, owner(rule.name), IDS)
    assert isinstance(seen, Seen)
    assert seen.resource == rule
    assert rules.is_same(answer, sent, outward=rule.direction is Direction.EGRESS)
    assert not rules.is_same(answer, sent, outward=rule.direction is Direction.INGRESS)


def shown(permission: dict[str, Any], *, outward: bool) -> dict[str, Any]:
    """A permission as DescribeSecurityGroupRules shows it."""
    answer = {
        "SecurityGroupRuleId": "sgr-1",
        "GroupId": "sg-1",
        "IsEgress": outward,
        "IpProtocol": permission["IpProtocol"],
        "FromPort": permission.get("FromPort", -1),
        "ToPort": permission.get("ToPort", -1),
    }
    for one in permission.get("IpRanges", ()):
        answer["CidrIpv4"] = one["CidrIp"]
    for one in permission.get("UserIdGroupPairs", ()):
        answer["ReferencedGroupInfo"] = {"GroupId": one["GroupId"]}
    return answer


@pytest.mark.parametrize(
    ("change", "peer"),
    [
        ({"ReferencedGroupInfo": {"GroupId": "sg-9"}}, "sg-9"),
        ({"CidrIpv6": "::/0"}, "::/0"),
        ({"PrefixListId": "pl-1"}, "pl-1"),
    ],
)
def test_a_rule_with_another_peer_differs(change: dict[str, Any], peer: str) -> None:
    answer = {**shown({"IpProtocol": "-1"}, outward=False), **change}
    (seen,) = translate.firewall_rule(answer, owner("aws/rule/worker/x"), IDS)
    assert isinstance(seen, Seen)
    assert isinstance(seen.resource, FirewallRule)
    assert seen.resource.peer == peer


def test_of_a_rule_with_a_peer_that_no_listing_shows_nothing_is_claimed() -> None:
    answer = {
        **shown({"IpProtocol": "-1"}, outward=False),
        "ReferencedGroupInfo": {"GroupId": "sg-new"},
    }
    assert blind(list(translate.firewall_rule(answer, owner("r"), IDS))) == {"FirewallRule"}


WANTED = VirtualMachine(
    name=MACHINE,
    machine=MachineId("33333333-3333-4333-8333-333333333333"),
    hostname="demo-22222222-aws-3333",
    role=Role.WORKER,
    offering=OfferingKey(Cloud.AWS, "eu-central-1", "eu-central-1a", "t3.large", CapacityType.SPOT),
    image="ami-1",
    disk_gib=40,
    subnet=SUBNET,
    groups=(GROUP,),
    machine_role=ResourceName("aws/role/worker"),
)
KNOWN = {
    SUBNET: ProviderId("subnet-1"),
    GROUP: ProviderId("sg-1"),
    WANTED.machine_role: ProviderId(tagging.profile_name(CLUSTER, WANTED.machine_role)),
}


def instance(**change: Any) -> dict[str, Any]:
    """What DescribeInstances answers after the launch of WANTED."""
    sent = machine.launch(SCOPE, Creation(WANTED, "token", KNOWN, b"#"), "/dev/sda1")
    return {
        "InstanceId": "i-1",
        "ImageId": sent["ImageId"],
        "InstanceType": sent["InstanceType"],
        "InstanceLifecycle": "spot",
        "Placement": {"AvailabilityZone": "eu-central-1a"},
        "SubnetId": "subnet-1",
        "State": {"Name": "running"},
        "SecurityGroups": [
            {"GroupId": "sg-1", "GroupName": tagging.group_name(CLUSTER, GROUP)},
        ],
        "IamInstanceProfile": {
            "Arn": f"arn:aws:iam::1:instance-profile/x/{KNOWN[WANTED.machine_role]}"
        },
        "Tags": sent["TagSpecifications"][0]["Tags"],
        **change,
    }


def rebuilt(ids: Ids = IDS, **change: Any) -> Seen:
    answer = instance(**change)
    found = tagging.owner_of(tagging.tags_of(answer))
    assert found is not None
    return machine.virtual_machine(answer, found, ids, "eu-central-1")


def test_a_machine_comes_back_as_it_was_launched() -> None:
    assert rebuilt().resource == WANTED
    assert rebuilt().life is Life.PRESENT


@pytest.mark.parametrize(
    "change",
    [
        {"ImageId": "ami-2"},
        {"InstanceType": "t3.small"},
        {"InstanceLifecycle": None},
        {"Placement": {"AvailabilityZone": "eu-central-1b"}},
        {"SecurityGroups": [{"GroupId": "sg-9", "GroupName": "theirs"}]},
        {"SecurityGroups": []},
        {"IamInstanceProfile": {"Arn": "arn:aws:iam::1:instance-profile/admin"}},
        {"IamInstanceProfile": {}},
    ],
)
def test_a_machine_that_is_not_as_wanted_differs(change: dict[str, Any]) -> None:
    assert rebuilt(**change).resource != WANTED


def test_a_listing_that_lacks_network_and_groups_does_not_change_the_machine() -> None:
    assert rebuilt(Ids({})).resource == WANTED


@pytest.mark.parametrize("state", ["terminated", "shutting-down", "pending"])
def test_a_terse_answer_is_filled_from_tags(state: str) -> None:
    told = {"Name": state}
    found = rebuilt(State=told, SubnetId="", SecurityGroups=[], IamInstanceProfile={})
    assert found.resource == WANTED


@pytest.mark.parametrize(
    ("state", "life"),
    [
        ("pending", Life.PENDING),
        ("running", Life.PRESENT),
        ("shutting-down", Life.LEAVING),
        ("terminated", Life.GONE),
        ("stopping", Life.FAILED),
        ("stopped", Life.FAILED),
        ("odd", Life.FAILED),
    ],
)
def test_every_state_is_a_life(state: str, life: Life) -> None:
    assert rebuilt(State={"Name": state}).life is life


def test_the_evidence_is_the_clouds_own_words() -> None:
    reason = {
        "Code": "Server.SpotInstanceTermination",
        "Message": "Server.SpotInstanceTermination: Spot instance termination",
    }
    seen = rebuilt(State={"Name": "terminated"}, StateReason=reason)
    assert seen.evidence == (
        "terminated: Server.SpotInstanceTermination: Spot instance termination"
    )
    assert rebuilt(StateReason=reason).evidence == ""


def test_user_data_over_the_limit_is_refused_before_the_call() -> None:
    machine.launch(SCOPE, Creation(WANTED, "t", KNOWN, b"x" * 16384), "/dev/sda1")
    with pytest.raises(errors.RequestRejected, match="16385 bytes, AWS takes 16384"):
        machine.launch(SCOPE, Creation(WANTED, "t", KNOWN, b"x" * 16385), "/dev/sda1")


@pytest.mark.fault("F03", "P")
def test_our_tags_come_last_and_the_users_cannot_replace_them() -> None:
    hostile = Scope(
        INSTALLATION, CLUSTER, "Demo", "eu-central-1", ((names.TAG_CLUSTER, "x"), ("a", "b"))
    )
    found = tagging.tags_of({"Tags": tagging.tags(hostile, WANTED)})
    assert tagging.is_ours(found, SCOPE)
    assert found["a"] == "b"


def test_names_that_aws_limits_fit_for_every_role() -> None:
    for role in Role:
        profile = tagging.profile_name(CLUSTER, ResourceName(f"aws/role/{role.value}"))
        assert len(profile) <= 64
        assert tagging.profile_owner(profile) == (CLUSTER, role.value)
    assert tagging.profile_owner("admin") is None
    assert tagging.profile_owner("holdfast-short-worker") is None
