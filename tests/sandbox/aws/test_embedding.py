"""moto inside: atomicity, threads, memory, exposure, restart, truth: H45, H48-H50, H52."""

import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from moto import __version__ as moto_version
from moto.ec2.models.instances import Instance
from moto.ec2.models.vpcs import VPC
from tests.sandbox.aws.conftest import (
    Cloud,
    Network,
    code_of,
    instance,
    launch,
    make_network,
    running,
)

from holdfast_sandbox.aws.faults import Fault, Kind


def test_moto_is_the_version_that_was_hardened() -> None:
    assert moto_version == "5.2.5"


def test_h45_tagged_things_are_found_except_those_that_aws_lists_apart(
    cloud: Cloud, network: Network
) -> None:
    cloud.ec2.create_tags(Resources=[network.vpc], Tags=[{"Key": "k", "Value": "v"}])
    tagging = cloud.client("resourcegroupstaggingapi")
    found = tagging.get_resources(TagFilters=[{"Key": "k", "Values": ["v"]}])
    arns = [item["ResourceARN"] for item in found["ResourceTagMappingList"]]
    assert [arn.rpartition("/")[2] for arn in arns] == [network.vpc]


def test_h48_a_refused_launch_leaves_nothing(cloud: Cloud, network: Network) -> None:
    before = cloud.emulator.truth()
    for wrong in (
        {"UserData": "x" * 20000},
        {"SecurityGroupIds": ["sg-0123456789abcdef0"]},
        {"PrivateIpAddress": "10.7.1.1"},
        {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 1}}]},
    ):
        code_of(lambda w=wrong: launch(cloud, network, **w))
    assert cloud.emulator.truth() == before


def test_h49_many_threads_see_no_error(cloud: Cloud, network: Network) -> None:
    def work(number: int) -> str:
        ec2 = cloud.client("ec2")
        name = launch(cloud, network, ClientToken=f"t{number}")[0]["InstanceId"]
        ec2.create_tags(Resources=[name], Tags=[{"Key": "n", "Value": str(number)}])
        ec2.describe_instances()
        cloud.emulator.booted(name)
        ec2.terminate_instances(InstanceIds=[name])
        cloud.emulator.gone(name)
        return str(name)

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(work, range(24)))
    assert len(set(names)) == 24
    assert {instance(cloud, name)["State"]["Name"] for name in names} == {"terminated"}
    assert cloud.emulator.record.gaps == []


def test_h50_moto_tracks_no_object(cloud: Cloud, network: Network) -> None:
    launch(cloud, network)
    tracked: list[Any] = [getattr(cls, "instances_tracked") for cls in (Instance, VPC)]  # noqa: B009
    assert tracked == [[], []]


def test_h52_only_loopback_is_served(cloud: Cloud) -> None:
    with socket.create_connection(("127.0.0.1", cloud.server.port)) as line:
        assert line.getpeername()[0] == "127.0.0.1"
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this host has no other address than loopback")
    with pytest.raises(OSError, match=r".*"):
        socket.create_connection((own, cloud.server.port), timeout=1)


@pytest.mark.parametrize("path", ["/moto-api/", "/moto-api/reset", "/moto-api/data.json"])
def test_h52_motos_control_api_is_out_of_reach(cloud: Cloud, network: Network, path: str) -> None:
    request = urllib.request.Request(cloud.server.url + path, data=b"0", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403
    assert "access-control-allow-origin" not in {name.lower() for name in caught.value.headers}
    caught.value.close()
    assert cloud.ec2.describe_vpcs(VpcIds=[network.vpc])["Vpcs"]


def test_a_taken_port_is_an_error(cloud: Cloud) -> None:
    with pytest.raises((OSError, SystemExit)):
        cloud.emulator.serve(cloud.server.port)


def test_a_snapshot_brings_everything_back(cloud: Cloud, network: Network) -> None:
    up = running(cloud, network)
    address = cloud.ec2.allocate_address(Domain="vpc")["AllocationId"]
    cloud.ec2.associate_address(AllocationId=address, InstanceId=up)
    waiting = launch(cloud, network)[0]["InstanceId"]
    going = running(cloud, network)
    cloud.ec2.terminate_instances(InstanceIds=[going])
    cloud.machines.asked.clear()
    before, seen = cloud.emulator.truth(), cloud.emulator.pictures()
    raw = cloud.emulator.snapshot()
    cloud.ec2.terminate_instances(InstanceIds=[up, waiting])
    cloud.settle()

    cloud.emulator.restore(raw)
    assert cloud.emulator.truth() == before
    assert cloud.emulator.pictures() == seen
    assert [verb for verb in cloud.machines.asked if verb != ("terminate", up)] != []
    cloud.settle()
    states = {name: instance(cloud, name)["State"]["Name"] for name in (up, waiting, going)}
    assert states == {up: "running", waiting: "running", going: "terminated"}
    cloud.ec2.disassociate_address(PublicIp=instance(cloud, up)["PublicIpAddress"])
    assert "PublicIpAddress" not in instance(cloud, up)


def test_a_restored_emulator_makes_no_id_twice(cloud: Cloud, network: Network) -> None:
    raw = cloud.emulator.snapshot()
    first = launch(cloud, network, ClientToken="a")[0]["InstanceId"]
    cloud.emulator.restore(raw)
    assert launch(cloud, network, ClientToken="b")[0]["InstanceId"] == first
    assert launch(cloud, network, ClientToken="c")[0]["InstanceId"] != first


def test_a_snapshot_holds_encrypted_disks(cloud: Cloud, network: Network) -> None:
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "Encrypted": True}}
    up = launch(cloud, network, BlockDeviceMappings=[disk])[0]["InstanceId"]
    cloud.settle()
    before = cloud.emulator.truth()

    cloud.emulator.restore(cloud.emulator.snapshot())

    assert cloud.emulator.truth() == before
    assert instance(cloud, up)["State"]["Name"] == "running"


def test_a_snapshot_of_another_format_is_refused(cloud: Cloud) -> None:
    import pickle  # noqa: PLC0415

    with pytest.raises(ValueError, match="format 0"):
        cloud.emulator.restore(pickle.dumps((0, {}, None, None, ())))


def test_the_same_seed_makes_the_same_ids(a_cloud: Callable[..., Cloud]) -> None:
    first = make_network(a_cloud())
    assert make_network(a_cloud()) == first


def test_the_truth_names_price_and_tags(cloud: Cloud, network: Network) -> None:
    kinds = ("instance", "volume", "network-interface")
    tags = [{"ResourceType": k, "Tags": [{"Key": "c", "Value": "1"}]} for k in kinds]
    name = running(cloud, network, TagSpecifications=tags)
    found = cloud.emulator.truth("c", "1")
    assert {thing["kind"] for thing in found} == set(kinds)
    machine = next(thing for thing in found if thing["id"] == name)
    assert machine["state"] == "running"
    assert machine["price_per_hour"] > 0
    assert cloud.emulator.truth("c", "2") == []
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    assert cloud.emulator.truth("c") == []


def test_the_record_holds_mutating_calls_with_caller_and_result(
    cloud: Cloud, network: Network
) -> None:
    code_of(cloud.ec2.delete_vpc, VpcId=network.vpc)
    cloud.ec2.describe_vpcs()
    last = cloud.emulator.record.entries[-1]
    assert (last.action, last.code, last.applied) == ("DeleteVpc", "DependencyViolation", False)
    assert last.caller.endswith(f":user/{cloud.keys.user}")
    made = next(e for e in cloud.emulator.record.entries if e.action == "CreateVpc")
    assert network.vpc in made.ids
    assert cloud.emulator.record.counts["ec2:DescribeVpcs"] == 1


def test_secrets_of_new_keys_are_not_in_the_record(cloud: Cloud) -> None:
    iam: Any = cloud.client("iam", "us-east-1")
    secret = iam.create_access_key(UserName=cloud.keys.user)["AccessKey"]["SecretAccessKey"]
    assert all(secret not in repr(entry) for entry in cloud.emulator.record.entries)


def test_faults_end_by_count(cloud: Cloud) -> None:
    cloud.emulator.faults.add(Fault(Kind.THROTTLE, action="DescribeVpcs", count=2))
    for _ in range(2):
        assert code_of(cloud.ec2.describe_vpcs) == "RequestLimitExceeded"
    cloud.ec2.describe_vpcs()
    assert cloud.emulator.faults.all() == ()
