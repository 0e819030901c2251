"""AWS in detail: how machines are launched, drift of every kind, adoption, rights, roles."""

import asyncio
import base64
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from tests.contract.provider.side import REGION, ZONE, Side, Things, machine_name, name

from holdfast.model.ids import ResourceName
from holdfast.model.observed import Life, Seen
from holdfast.model.resource import (
    AddressBinding,
    FirewallRule,
    GatewayAttachment,
    Route,
    VirtualMachine,
)
from holdfast.providers import errors
from holdfast.providers.aws import tagging
from holdfast.providers.aws.permissions import PERMISSIONS

ANYWHERE = "0.0.0.0/0"


@pytest.fixture
def side(aws_side: Side) -> Side:
    """Only this one: these are about AWS's own ways."""
    return aws_side


def _described(side: Side, machine: Seen) -> dict[str, Any]:
    found = side.stranger().describe_instances(InstanceIds=[machine.id])
    described: dict[str, Any] = found["Reservations"][0]["Instances"][0]
    return described


def test_a_machine_is_launched_as_the_design_says(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted(workers=1, spot=True))
        ec2 = side.stranger()
        worker, first = (_described(side, seen[machine_name(n)]) for n in (1, 0))
        options = worker["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
        assert worker["InstanceLifecycle"] == "spot"
        assert "InstanceLifecycle" not in first
        disk = worker["BlockDeviceMappings"][0]["Ebs"]
        assert disk["DeleteOnTermination"] is True
        (volume,) = ec2.describe_volumes(VolumeIds=[disk["VolumeId"]])["Volumes"]
        assert (volume["VolumeType"], volume["Size"], volume["Encrypted"]) == ("gp3", 20, True)
        link = worker["NetworkInterfaces"][0]
        assert link["Attachment"]["DeleteOnTermination"] is True
        (nic,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[link["NetworkInterfaceId"]])[
            "NetworkInterfaces"
        ]
        for thing in (worker, volume, nic):
            tags = tagging.tags_of(thing)
            assert tagging.is_ours(tags, side.scope)
            assert tags["team"] == "shop"
            assert tags["Name"] == "demo-1"

    asyncio.run(story())


def test_user_data_arrives_as_it_was_given(side: Side) -> None:
    async def story() -> None:
        side.payload = b"#cloud-config\n# \xe2\x82\xac\n"
        seen = await side.build(side.wanted())
        told = side.stranger().describe_instance_attribute(
            InstanceId=seen[machine_name(1)].id, Attribute="userData"
        )
        assert base64.b64decode(told["UserData"]["Value"]) == side.payload

    asyncio.run(story())


def test_a_renamed_machine_is_still_the_machine(side: Side) -> None:
    async def story() -> None:
        wanted = side.wanted()
        seen = await side.build(wanted)
        rename = [{"Key": "Name", "Value": "pet"}]
        side.stranger().create_tags(Resources=[seen[machine_name(1)].id], Tags=rename)
        assert (await side.things())[machine_name(1)].resource == wanted[machine_name(1)]

    asyncio.run(story())


def test_a_machine_in_other_groups_differs(side: Side) -> None:
    async def story() -> None:
        wanted = side.wanted()
        seen = await side.build(wanted)
        machine = _described(side, seen[machine_name(1)])
        side.stranger().modify_network_interface_attribute(
            NetworkInterfaceId=machine["NetworkInterfaces"][0]["NetworkInterfaceId"],
            Groups=[seen[name("firewall", "control-plane")].id],
        )
        found = (await side.things())[machine_name(1)].resource
        machine_wanted = wanted[machine_name(1)]
        assert isinstance(machine_wanted, VirtualMachine)
        assert found == replace(machine_wanted, groups=(name("firewall", "control-plane"),))

    asyncio.run(story())


@pytest.mark.fault("F33", "W")
def test_a_stopped_machine_is_lost(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        side.stranger().stop_instances(InstanceIds=[seen[machine_name(1)].id])
        side.settle()
        stopped = (await side.things())[machine_name(1)]
        assert stopped.life is Life.FAILED
        assert stopped.evidence.startswith("stopped: Client.UserInitiatedShutdown")

    asyncio.run(story())


def test_a_rule_of_our_name_that_allows_something_else_differs(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        rule = seen[name("rule", "control-plane", "api")]
        group = seen[name("firewall", "control-plane")].id
        ec2 = side.stranger()
        (shown,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule.id])[
            "SecurityGroupRules"
        ]
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule.id])
        ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 22,
                    "ToPort": 22,
                    "IpRanges": [{"CidrIp": "192.0.2.0/24"}],
                }
            ],
            TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": shown["Tags"]}],
        )
        found = (await side.things())[rule.resource.name].resource
        assert isinstance(found, FirewallRule)
        assert (found.from_port, found.to_port) == (22, 22)
        assert found.peer == IPv4Network("192.0.2.0/24")

    asyncio.run(story())


def test_a_rule_that_somebody_added_is_shown_and_holds_nothing(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        _open_ssh(side, seen)
        (found,) = await side.foreign()
        assert found.kind == "firewall rule"
        assert found.holds == frozenset()
        assert "tcp 22-22 from 0.0.0.0/0" in found.owner
        assert await side.tear_down() == []
        assert side.living() == []

    asyncio.run(story())


def _open_ssh(side: Side, seen: Things) -> None:
    side.stranger().authorize_security_group_ingress(
        GroupId=seen[name("firewall", "worker")].id,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 22,
                "ToPort": 22,
                "IpRanges": [{"CidrIp": ANYWHERE}],
            }
        ],
    )


def test_the_first_egress_rule_of_a_group_is_adopted_and_missed_when_it_goes(side: Side) -> None:
    async def story() -> None:
        wanted = side.wanted()
        seen = await side.build(wanted)
        group, rule = seen[name("firewall", "worker")], seen[name("rule", "worker", "egress")]
        rules = side.stranger().describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [group.id]}]
        )["SecurityGroupRules"]
        assert [one["SecurityGroupRuleId"] for one in rules if one["IsEgress"]] == [rule.id]
        await side.provider.delete(side.scope, rule)
        assert rule.resource.name not in await side.things()
        again = await side.build(wanted)
        assert again[rule.resource.name].id != rule.id

    asyncio.run(story())


def test_a_group_that_a_foreign_group_names_is_held_by_it(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        ec2 = side.stranger()
        other = ec2.create_security_group(
            GroupName="theirs", Description="theirs", VpcId=seen[name("network")].id
        )["GroupId"]
        pair = [{"GroupId": seen[name("firewall", "worker")].id}]
        ec2.authorize_security_group_ingress(
            GroupId=other, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": pair}]
        )
        refused = await side.tear_down()
        blockers = {(b.id, b.kind) for one in refused for b in one.blockers}
        assert blockers == {(other, "firewall group")}

    asyncio.run(story())


def test_a_foreign_network_interface_is_named_by_what_it_says_of_itself(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        made = side.stranger().create_network_interface(
            SubnetId=seen[name("subnet", ZONE)].id, Description="interface of a function"
        )
        (found,) = await side.foreign()
        assert found.id == made["NetworkInterface"]["NetworkInterfaceId"]
        assert found.kind == "network interface"
        assert "interface of a function" in found.owner

    asyncio.run(story())


@pytest.mark.fault("F15", "W")
def test_an_address_that_leads_to_a_foreign_machine_differs_and_can_be_taken_back(
    side: Side,
) -> None:
    async def story() -> None:
        wanted = side.wanted()
        seen = await side.build(wanted)
        stranger = side.stranger_machine(seen)
        binding = wanted[name("address-binding", "endpoint")]
        side.stranger().associate_address(
            AllocationId=seen[name("address", "endpoint")].id, InstanceId=stranger
        )
        found = (await side.things())[binding.name]
        assert isinstance(found.resource, AddressBinding)
        assert found.resource.machine == stranger
        with pytest.raises(errors.Conflict, match=stranger):
            await side.make(binding, seen)
        await side.provider.delete(side.scope, found)
        await side.make(binding, seen)
        assert (await side.things())[binding.name].resource == binding

    asyncio.run(story())


def test_an_address_in_use_is_not_released(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        with pytest.raises(errors.DependencyHeld) as refusal:
            await side.provider.delete(side.scope, seen[name("address", "endpoint")])
        assert refusal.value.code == "InvalidIPAddress.InUse"
        assert refusal.value.blockers == ()
        assert name("address", "endpoint") in await side.things()

    asyncio.run(story())


def test_a_route_that_leads_elsewhere_differs(side: Side) -> None:
    async def story() -> None:
        wanted = side.wanted()
        seen = await side.build(wanted)
        machine = _described(side, seen[machine_name(1)])
        side.stranger().replace_route(
            RouteTableId=seen[name("route-table")].id,
            DestinationCidrBlock=ANYWHERE,
            NetworkInterfaceId=machine["NetworkInterfaces"][0]["NetworkInterfaceId"],
        )
        found = (await side.things())[name("route", "internet")]
        assert isinstance(found.resource, Route)
        assert found.resource != wanted[name("route", "internet")]
        with pytest.raises(errors.Conflict, match="another default route"):
            await side.make(wanted[name("route", "internet")], seen)
        await side.provider.delete(side.scope, found)
        assert {n: one.resource for n, one in (await side.build(wanted)).items()} == wanted

    asyncio.run(story())


def test_a_gateway_that_was_detached_is_attached_again(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        both = {
            "InternetGatewayId": seen[name("gateway")].id,
            "VpcId": seen[name("network")].id,
        }
        side.stranger().detach_internet_gateway(**both)
        missing = name("gateway-attachment")
        assert missing not in await side.things()
        attachment = wanted[missing]
        assert isinstance(attachment, GatewayAttachment)
        await side.make(attachment, seen)
        assert (await side.things())[missing].resource == attachment

    asyncio.run(story())


def test_a_subnet_whose_range_somebody_else_has_says_whose(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        subnet = seen[name("subnet", ZONE)]
        await side.provider.delete(side.scope, seen[name("route-association", ZONE)])
        await side.provider.delete(side.scope, subnet)
        side.stranger().create_subnet(
            VpcId=seen[name("network")].id,
            CidrBlock=str(wanted[subnet.resource.name].cidr),  # type: ignore[union-attr]
            TagSpecifications=[
                {"ResourceType": "subnet", "Tags": [{"Key": "team", "Value": "ops"}]}
            ],
        )
        with pytest.raises(errors.Conflict, match="team=ops"):
            await side.make(wanted[subnet.resource.name], seen)

    asyncio.run(story())


def test_a_role_without_its_profile_s_role_is_useless_and_goes(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        role = seen[name("role", "worker")]
        side.stranger("iam").remove_role_from_instance_profile(
            InstanceProfileName=role.id, RoleName=role.id
        )
        found = (await side.things())[role.resource.name]
        assert (found.life, found.evidence) == (
            Life.FAILED,
            "the instance profile has no role",
        )
        await side.provider.delete(side.scope, found)
        assert role.resource.name not in await side.things()
        await side.make(wanted[role.resource.name], seen)
        assert (await side.things())[role.resource.name].life is Life.PRESENT

    asyncio.run(story())


def test_a_node_role_trusts_ec2_and_has_no_rights(side: Side) -> None:
    async def story() -> None:
        _, seen = await side.build_network()
        iam = side.stranger("iam")
        role = iam.get_role(RoleName=seen[name("role", "worker")].id)["Role"]
        trust = role["AssumeRolePolicyDocument"]["Statement"]
        assert [one["Principal"] for one in trust] == [{"Service": "ec2.amazonaws.com"}]
        assert role["Path"] == f"/holdfast/{side.scope.installation}/"
        attached = iam.list_attached_role_policies(RoleName=role["RoleName"])
        assert attached["AttachedPolicies"] == []
        assert iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"] == []

    asyncio.run(story())


def test_a_create_without_the_ids_of_its_needs_is_our_mistake(side: Side) -> None:
    async def story() -> None:
        wanted = side.wanted()
        with pytest.raises(errors.RequestRejected, match="aws/network was not observed"):
            await side.make(wanted[name("subnet", ZONE)], {})

    asyncio.run(story())


def test_an_image_that_is_not_there_is_rejected_and_starts_nothing(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        first = wanted[machine_name(0)]
        assert isinstance(first, VirtualMachine)
        machine = replace(first, image="ami-00000000000000000")
        with pytest.raises(errors.RequestRejected, match="ami-00000000000000000"):
            await side.make(machine, seen)
        assert side.count("instance") == 0

    asyncio.run(story())


def test_the_console_tells_the_tail(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        side.emulator.console_from(lambda vm: "x" * 20_000 + f"panic on {vm}\n")
        machine = seen[machine_name(1)].id
        text = await side.provider.console(side.scope, machine)
        assert text.endswith(f"panic on {machine}\n")
        assert len(text) <= 16 * 1024

    asyncio.run(story())


def test_the_table_of_permissions_is_what_the_provider_calls(side: Side) -> None:
    """Everything that the provider does, under the documented policy; then call by call."""

    async def story() -> None:
        await side.provider.check(REGION)
        await side.provider.catalogue(REGION)
        seen = await side.build(side.wanted())
        stranger = side.stranger_machine(seen)
        await side.provider.console(side.scope, seen[machine_name(0)].id)
        await side.provider.observe(side.scope, None)
        await side.tear_down()
        side.stranger().terminate_instances(InstanceIds=[stranger])
        await side.tear_down()
        assert side.living() == []

    before = _counts(side)
    asyncio.run(story())
    called = {action for action, times in _counts(side).items() if times > before[action]}
    by_others = {"ec2:RunInstances", "ec2:TerminateInstances"}  # the provider calls both as well
    table = {one.action for one in PERMISSIONS if one.called}
    assert called - by_others == table - by_others | {"sts:GetCallerIdentity"}


def _counts(side: Side) -> Counter[str]:
    return Counter(side.emulator.record.counts)


def test_ids_of_things_are_the_clouds_own(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        prefixes = {
            ResourceName(name("network")): "vpc-",
            ResourceName(name("subnet", ZONE)): "subnet-",
            ResourceName(name("address", "endpoint")): "eipalloc-",
            ResourceName(name("address-binding", "endpoint")): "eipassoc-",
            ResourceName(name("rule", "worker", "egress")): "sgr-",
            machine_name(0): "i-",
        }
        assert all(seen[n].id.startswith(prefix) for n, prefix in prefixes.items())

    asyncio.run(story())
