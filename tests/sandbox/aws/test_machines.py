"""Machines as the API tells their life: rows H01-H10, H20, H27-H29, H39, H41 of the list."""

import base64
import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.sandbox.aws.conftest import (
    ZONE,
    Cloud,
    Network,
    code_of,
    instance,
    launch,
    make_network,
    refusal,
    running,
)

from holdfast_sandbox.aws.faults import Fault, Kind


def test_h01_a_machine_is_pending_until_it_has_booted(cloud: Cloud, network: Network) -> None:
    name = launch(cloud, network)[0]["InstanceId"]
    assert instance(cloud, name)["State"]["Name"] == "pending"
    cloud.settle()
    assert instance(cloud, name)["State"] == {"Code": 16, "Name": "running"}


def test_h01_a_failed_boot_ends_terminated_with_its_reason(cloud: Cloud, network: Network) -> None:
    cloud.machines.fails = lambda vm: "no init"
    name = running(cloud, network)
    shown = instance(cloud, name)
    assert shown["State"]["Name"] == "terminated"
    assert shown["StateReason"]["Code"] == "Server.InternalError"
    assert "no init" in shown["StateReason"]["Message"]


def test_h02_a_machine_is_shutting_down_until_it_is_gone(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    change = cloud.ec2.terminate_instances(InstanceIds=[name])["TerminatingInstances"][0]
    assert change["CurrentState"]["Name"] == "shutting-down"
    assert change["PreviousState"]["Name"] == "running"
    assert instance(cloud, name)["State"]["Name"] == "shutting-down"
    cloud.settle()
    shown = instance(cloud, name)
    assert shown["State"]["Name"] == "terminated"
    assert shown["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_h02_ending_twice_is_fine(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    for _ in range(2):
        cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    change = cloud.ec2.terminate_instances(InstanceIds=[name])["TerminatingInstances"][0]
    assert change["CurrentState"]["Name"] == "terminated"
    assert not cloud.machines.asked


def test_h02_one_unknown_id_and_none_is_terminated(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    ids = [name, "i-0123456789abcdef0"]
    assert code_of(cloud.ec2.terminate_instances, InstanceIds=ids) == "InvalidInstanceID.NotFound"
    assert instance(cloud, name)["State"]["Name"] == "running"


def test_a_machine_killed_behind_the_clouds_back_goes_with_a_reason(
    cloud: Cloud, network: Network
) -> None:
    name = running(cloud, network)
    cloud.emulator.died(name, "host failure")
    assert instance(cloud, name)["State"]["Name"] == "shutting-down"
    cloud.settle()
    shown = instance(cloud, name)
    assert shown["State"]["Name"] == "terminated"
    assert shown["StateReason"]["Code"] == "Server.InternalError"


def test_h03_a_terminated_machine_cannot_be_started_or_stopped(
    cloud: Cloud, network: Network
) -> None:
    name = running(cloud, network)
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    for call in (cloud.ec2.start_instances, cloud.ec2.stop_instances, cloud.ec2.reboot_instances):
        assert code_of(call, InstanceIds=[name]) == "IncorrectInstanceState"


def test_h03_stopping_and_starting_pass_through_their_states(
    cloud: Cloud, network: Network
) -> None:
    name = running(cloud, network)
    cloud.ec2.stop_instances(InstanceIds=[name])
    assert instance(cloud, name)["State"]["Name"] == "stopping"
    assert code_of(cloud.ec2.start_instances, InstanceIds=[name]) == "IncorrectInstanceState"
    cloud.settle()
    assert instance(cloud, name)["State"]["Name"] == "stopped"
    cloud.ec2.start_instances(InstanceIds=[name])
    assert instance(cloud, name)["State"]["Name"] == "pending"
    cloud.settle()
    assert instance(cloud, name)["State"]["Name"] == "running"


def test_h04_client_token_replays_the_same_instances(cloud: Cloud, network: Network) -> None:
    first = launch(cloud, network, ClientToken="once")[0]
    cloud.settle()
    again = launch(cloud, network, ClientToken="once")[0]
    assert again["InstanceId"] == first["InstanceId"]
    assert again["State"]["Name"] == "running"
    cloud.ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    cloud.settle()
    assert launch(cloud, network, ClientToken="once")[0]["State"]["Name"] == "terminated"
    assert len(cloud.machines.known) == 1


def test_h04_a_token_with_other_parameters_is_refused(cloud: Cloud, network: Network) -> None:
    launch(cloud, network, ClientToken="once")
    params = {"ClientToken": "once", "InstanceType": "t3.large"}
    assert code_of(lambda: launch(cloud, network, **params)) == "IdempotentParameterMismatch"


def test_h04_tokens_survive_a_restart(cloud: Cloud, network: Network) -> None:
    first = launch(cloud, network, ClientToken="once")[0]
    cloud.emulator.restore(cloud.emulator.snapshot())
    cloud.settle()
    again = launch(cloud, network, ClientToken="once")[0]
    assert again["InstanceId"] == first["InstanceId"]
    assert again["State"]["Name"] == "running"


def test_h05_client_tokens_of_the_other_kinds(cloud: Cloud, network: Network) -> None:
    ec2 = cloud.ec2
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    calls: list[tuple[Callable[..., Any], dict[str, Any], tuple[str, str]]] = [
        (
            ec2.create_nat_gateway,
            {"SubnetId": network.subnet, "AllocationId": address},
            ("NatGateway", "NatGatewayId"),
        ),
        (
            ec2.create_network_interface,
            {"SubnetId": network.subnet},
            ("NetworkInterface", "NetworkInterfaceId"),
        ),
        (ec2.create_route_table, {"VpcId": network.vpc}, ("RouteTable", "RouteTableId")),
    ]
    for call, params, (outer, inner) in calls:
        first = call(**params, ClientToken="t")[outer][inner]
        assert call(**params, ClientToken="t")[outer][inner] == first
        tags = [{"ResourceType": "natgateway", "Tags": [{"Key": "k", "Value": "v"}]}]
        code = code_of(call, **params, ClientToken="t", TagSpecifications=tags)
        assert code == "IdempotentParameterMismatch"


def test_h05_a_volume_token_replays_the_volume(cloud: Cloud) -> None:
    params = {"AvailabilityZone": ZONE, "Size": 10, "ClientToken": "v"}
    first = cloud.ec2.create_volume(**params)["VolumeId"]
    assert cloud.ec2.create_volume(**params)["VolumeId"] == first
    params["Size"] = 11
    assert code_of(cloud.ec2.create_volume, **params) == "IdempotentParameterMismatch"


def test_h06_as_many_as_the_capacity_allows_but_at_least_the_minimum(
    cloud: Cloud, network: Network
) -> None:
    assert len(launch(cloud, network, MinCount=1, MaxCount=4)) == 4
    cloud.emulator.faults.add(Fault(Kind.CAPACITY, type="t3.medium", value=2))
    assert len(launch(cloud, network, MinCount=1, MaxCount=4)) == 2
    found = refusal(lambda: launch(cloud, network, MinCount=3, MaxCount=4))
    assert found == ("InsufficientInstanceCapacity", 500)


@pytest.mark.parametrize(("least", "most"), [(0, 0), (1, 0), (2, 1)])
def test_h06_counts_that_make_no_sense(
    cloud: Cloud, network: Network, least: int, most: int
) -> None:
    code = code_of(lambda: launch(cloud, network, MinCount=least, MaxCount=most))
    assert code == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"KeyName": "nobodys"}, "InvalidKeyPair.NotFound"),
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "debian"}, "InvalidAMIID.Malformed"),
        ({"InstanceType": "t9.huge"}, "InvalidInstanceType.NotFound"),
        ({"InstanceType": "t4g.medium"}, "InvalidParameterValue"),  # arm64 with an amd64 image
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
    ],
)
def test_h07_what_is_not_there_cannot_be_launched_with(
    cloud: Cloud, network: Network, wrong: dict[str, Any], code: str
) -> None:
    assert code_of(lambda: launch(cloud, network, **wrong)) == code
    assert not cloud.machines.asked


def test_h08_user_data_is_limited_and_byte_exact(cloud: Cloud, network: Network) -> None:
    packed = gzip.compress(b"#cloud-config\n" * 50)
    name = launch(cloud, network, UserData=packed)[0]["InstanceId"]
    assert cloud.machines.known[name].user_data == packed
    shown = cloud.ec2.describe_instance_attribute(InstanceId=name, Attribute="userData")
    assert base64.b64decode(shown["UserData"]["Value"]) == packed
    launch(cloud, network, UserData="x" * 16384)
    code = code_of(lambda: launch(cloud, network, UserData="x" * 16385))
    assert code == "InvalidParameterValue"


def test_h09_the_primary_link_has_groups_and_tags_and_dies_with_its_machine(
    cloud: Cloud, network: Network
) -> None:
    nic = {"DeviceIndex": 0, "SubnetId": network.subnet, "Groups": [network.group]}
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "k", "Value": "v"}]}]
    name = running(cloud, network, NetworkInterfaces=[nic], TagSpecifications=tags)
    shown = instance(cloud, name)
    assert [group["GroupId"] for group in shown["SecurityGroups"]] == [network.group]
    link = shown["NetworkInterfaces"][0]
    assert link["Attachment"]["DeleteOnTermination"]
    found = cloud.ec2.describe_network_interfaces(Filters=[{"Name": "tag:k", "Values": ["v"]}])
    assert found["NetworkInterfaces"][0]["NetworkInterfaceId"] == link["NetworkInterfaceId"]
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    assert cloud.ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_h09_a_bad_address_is_refused(cloud: Cloud, network: Network) -> None:
    taken = instance(cloud, running(cloud, network))["PrivateIpAddress"]
    for address, code in [
        (taken, "InvalidIPAddress.InUse"),
        ("10.9.0.1", "InvalidParameterValue"),
        ("10.7.1.1", "InvalidParameterValue"),  # the router's
        ("10.7.1.255", "InvalidParameterValue"),
    ]:
        assert code_of(lambda a=address: launch(cloud, network, PrivateIpAddress=a)) == code


def test_h10_a_link_goes_with_its_machine_unless_it_shall_stay(
    cloud: Cloud, network: Network
) -> None:
    nic = {"DeviceIndex": 0, "SubnetId": network.subnet, "DeleteOnTermination": False}
    name = running(cloud, network, NetworkInterfaces=[nic])
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    left = cloud.ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [link["Status"] for link in left] == ["available"]
    cloud.ec2.delete_network_interface(NetworkInterfaceId=left[0]["NetworkInterfaceId"])


def test_h20_a_public_address_only_where_it_is_asked_for_and_freed_at_stop(
    cloud: Cloud, network: Network
) -> None:
    assert "PublicIpAddress" not in instance(cloud, running(cloud, network))
    nic = {"DeviceIndex": 0, "SubnetId": network.subnet, "AssociatePublicIpAddress": True}
    name = running(cloud, network, NetworkInterfaces=[nic])
    assert instance(cloud, name)["PublicIpAddress"].startswith("198.18.")
    cloud.ec2.stop_instances(InstanceIds=[name])
    cloud.settle()
    assert "PublicIpAddress" not in instance(cloud, name)
    cloud.ec2.modify_subnet_attribute(SubnetId=network.subnet, MapPublicIpOnLaunch={"Value": True})
    assert "PublicIpAddress" in instance(cloud, running(cloud, network))


def test_h27_a_terminated_machine_is_forgotten_after_an_hour(
    cloud: Cloud, network: Network
) -> None:
    name = running(cloud, network)
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    cloud.clock.turn(minutes=50)
    assert instance(cloud, name)["State"]["Name"] == "terminated"
    cloud.clock.turn(minutes=20)
    code = code_of(cloud.ec2.describe_instances, InstanceIds=[name])
    assert code == "InvalidInstanceID.NotFound"
    assert cloud.ec2.describe_instances()["Reservations"] == []


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def test_h28_a_profile_is_on_every_machine_and_known_late(a_cloud: Callable[..., Cloud]) -> None:
    cloud = a_cloud(profile_delay=timedelta(seconds=8))
    network = make_network(cloud)
    iam = cloud.client("iam", "us-east-1")
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    params = {"IamInstanceProfile": {"Name": "node"}, "MinCount": 2, "MaxCount": 2}
    found = refusal(lambda: launch(cloud, network, **params))
    assert found == ("InvalidParameterValue", 400)
    cloud.clock.turn(seconds=9)
    for machine in launch(cloud, network, **params):
        shown = instance(cloud, machine["InstanceId"])
        assert shown["IamInstanceProfile"]["Arn"].endswith(":instance-profile/node")
        arn = shown["IamInstanceProfile"]["Arn"]
    filters = [{"Name": "iam-instance-profile.arn", "Values": [arn]}]
    assert len(cloud.ec2.describe_instances(Filters=filters)["Reservations"][0]["Instances"]) == 2


SPOT = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}


def test_h29_a_spot_machine_has_its_request(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network, InstanceMarketOptions=SPOT)
    shown = instance(cloud, name)
    assert shown["InstanceLifecycle"] == "spot"
    request = shown["SpotInstanceRequestId"]
    found = cloud.ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request])
    assert found["SpotInstanceRequests"][0]["InstanceId"] == name
    filters = [{"Name": "instance-lifecycle", "Values": ["spot"]}]
    assert cloud.ec2.describe_instances(Filters=filters)["Reservations"]
    assert code_of(cloud.ec2.stop_instances, InstanceIds=[name]) == "UnsupportedOperation"


def test_h29_an_interruption_is_announced_and_then_happens(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network, InstanceMarketOptions=SPOT)
    assert cloud.emulator.spot_deadline(name) is None
    deadline = cloud.emulator.notice_spot(name)
    assert cloud.emulator.spot_deadline(name) == deadline
    cloud.clock.turn(seconds=110)
    assert instance(cloud, name)["State"]["Name"] == "running"
    cloud.clock.turn(seconds=20)
    assert instance(cloud, name)["State"]["Name"] == "shutting-down"
    cloud.settle()
    assert instance(cloud, name)["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_an_on_demand_machine_gets_no_spot_notice(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    with pytest.raises(KeyError, match="spot"):
        cloud.emulator.notice_spot(name)


def test_h39_each_machine_has_its_own_identity_document(cloud: Cloud, network: Network) -> None:
    first, second = (running(cloud, network) for _ in range(2))
    documents = []
    for name in (first, second):
        vm = cloud.emulator.vm(name)
        assert vm is not None
        documents.append(json.loads(cloud.emulator.identity_document(vm)))
    assert [document["instanceId"] for document in documents] == [first, second]
    shown = instance(cloud, first)
    assert documents[0]["privateIp"] == shown["PrivateIpAddress"]
    assert documents[0]["availabilityZone"] == ZONE
    assert documents[0]["imageId"] == shown["ImageId"]
    assert cloud.emulator.vm_by_address(network.vpc, shown["PrivateIpAddress"]) is not None


def test_h41_the_console_is_the_machines_own(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    cloud.emulator.console_from(lambda vm_id: f"boot of {vm_id}\n")
    assert cloud.ec2.get_console_output(InstanceId=name)["Output"] == f"boot of {name}\n"


def test_h41_status_checks_initialize_then_pass_and_can_fail(
    a_cloud: Callable[..., Cloud],
) -> None:
    cloud = a_cloud(status_delay=timedelta(seconds=60))
    name = running(cloud, make_network(cloud))

    def status() -> str:
        found = cloud.ec2.describe_instance_status(InstanceIds=[name])["InstanceStatuses"]
        return str(found[0]["InstanceStatus"]["Status"])

    assert status() == "initializing"
    cloud.clock.turn(seconds=61)
    assert status() == "ok"
    cloud.emulator.faults.add(Fault(Kind.IMPAIRED, subject=name))
    assert status() == "impaired"


def test_termination_protection_holds(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    cloud.ec2.modify_instance_attribute(InstanceId=name, DisableApiTermination={"Value": True})
    assert code_of(cloud.ec2.terminate_instances, InstanceIds=[name]) == "OperationNotPermitted"
    cloud.ec2.modify_instance_attribute(InstanceId=name, DisableApiTermination={"Value": False})
    cloud.ec2.terminate_instances(InstanceIds=[name])


def test_the_source_check_can_be_turned_off(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    nic = instance(cloud, name)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    cloud.ec2.modify_network_interface_attribute(
        NetworkInterfaceId=nic, SourceDestCheck={"Value": False}
    )
    assert instance(cloud, name)["SourceDestCheck"] is False
    assert not cloud.emulator.pictures()[network.vpc].ports[0].source_check


@pytest.mark.parametrize(
    "strange",
    [
        {"CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 1}},
        {"Placement": {"Tenancy": "dedicated"}},
        {"NetworkInterfaces": [{"DeviceIndex": 0, "NetworkInterfaceId": "eni-0123456789abcdef0"}]},
    ],
)
def test_h44_what_a_launch_would_ignore_is_refused(
    cloud: Cloud, network: Network, strange: dict[str, Any]
) -> None:
    assert code_of(lambda: launch(cloud, network, **strange)) == "UnsupportedOperation"
    assert len(cloud.emulator.record.gaps) == 1
    assert not cloud.machines.known


def test_time_passes_also_without_requests(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network, InstanceMarketOptions=SPOT)
    cloud.emulator.notice_spot(name)
    cloud.clock.turn(minutes=3)
    told = len(cloud.changes)
    cloud.emulator.tick()
    assert len(cloud.changes) == told + 1
    assert ("terminate", name) in cloud.machines.asked


def test_metadata_options_reach_the_machine(cloud: Cloud, network: Network) -> None:
    options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    name = launch(cloud, network, MetadataOptions=options)[0]["InstanceId"]
    vm = cloud.machines.known[name]
    assert (vm.tokens_required, vm.hop_limit, vm.cpus, vm.memory_mib) == (True, 1, 2, 4096)
