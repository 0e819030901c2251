"""Volumes: row H33."""

from tests.sandbox.aws.conftest import ZONE, Cloud, Network, code_of, instance, running

GP3 = {"VolumeSize": 20, "VolumeType": "gp3", "Iops": 4000, "Throughput": 250}


def volume(cloud: Cloud, zone: str = ZONE) -> str:
    return str(cloud.ec2.create_volume(AvailabilityZone=zone, Size=5)["VolumeId"])


def test_h33_a_volume_attaches_once_and_in_its_own_zone(cloud: Cloud, network: Network) -> None:
    attach = cloud.ec2.attach_volume
    first, second = (running(cloud, network) for _ in range(2))
    disk = volume(cloud)
    attach(VolumeId=disk, InstanceId=first, Device="/dev/sdf")
    again = {"VolumeId": disk, "InstanceId": second, "Device": "/dev/sdf"}
    assert code_of(attach, **again) == "VolumeInUse"
    far = {"VolumeId": volume(cloud, "eu-central-1b"), "InstanceId": first, "Device": "/dev/sdg"}
    assert code_of(attach, **far) == "InvalidVolume.ZoneMismatch"
    assert code_of(cloud.ec2.delete_volume, VolumeId=disk) == "VolumeInUse"


def test_h33_detaching_needs_no_instance(cloud: Cloud, network: Network) -> None:
    name, disk = running(cloud, network), volume(cloud)
    cloud.ec2.attach_volume(VolumeId=disk, InstanceId=name, Device="/dev/sdf")
    assert cloud.ec2.detach_volume(VolumeId=disk)["InstanceId"] == name
    assert code_of(cloud.ec2.detach_volume, VolumeId=disk) == "IncorrectState"
    cloud.ec2.delete_volume(VolumeId=disk)


def test_h33_mapped_volumes_are_as_asked_and_the_root_goes_with_the_machine(
    cloud: Cloud, network: Network
) -> None:
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "k", "Value": "v"}]}]
    mappings = [
        {"DeviceName": "/dev/sda1", "Ebs": GP3},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 7}},
    ]
    name = running(cloud, network, BlockDeviceMappings=mappings, TagSpecifications=tags)
    found = cloud.ec2.describe_volumes(Filters=[{"Name": "tag:k", "Values": ["v"]}])["Volumes"]
    shown = {disk["Size"]: disk for disk in found}
    assert (shown[20]["Iops"], shown[20]["Throughput"]) == (4000, 250)
    assert shown[20]["Attachments"][0]["InstanceId"] == name
    attached = {m["DeviceName"]: m["Ebs"] for m in instance(cloud, name)["BlockDeviceMappings"]}
    assert attached["/dev/sda1"]["DeleteOnTermination"]
    assert not attached["/dev/sdf"]["DeleteOnTermination"]
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    left = cloud.ec2.describe_volumes()["Volumes"]
    assert [(disk["Size"], disk["State"]) for disk in left] == [(7, "available")]


def test_h33_a_plain_launch_has_a_root_volume_that_goes_too(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    assert [disk["Size"] for disk in cloud.ec2.describe_volumes()["Volumes"]] == [8]
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    assert cloud.ec2.describe_volumes()["Volumes"] == []


def test_h33_a_root_smaller_than_its_image_is_refused(cloud: Cloud, network: Network) -> None:
    mapping = [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 4}}]
    code = code_of(lambda: running(cloud, network, BlockDeviceMappings=mapping))
    assert code == "InvalidBlockDeviceMapping"
    assert not cloud.machines.known


def test_h33_a_volume_in_no_zone_is_refused(cloud: Cloud) -> None:
    create = cloud.ec2.create_volume
    assert code_of(create, AvailabilityZone="us-east-1a", Size=5) == "InvalidZone.NotFound"
    assert code_of(create, AvailabilityZone=ZONE) == "MissingParameter"


def test_snapshots_are_ours_alone(cloud: Cloud) -> None:
    made = cloud.ec2.create_snapshot(VolumeId=volume(cloud), Description="d")["SnapshotId"]
    shown = cloud.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert [snapshot["SnapshotId"] for snapshot in shown] == [made]
    cloud.ec2.delete_snapshot(SnapshotId=made)
    code = code_of(cloud.ec2.describe_snapshots, SnapshotIds=[made])
    assert code == "InvalidSnapshot.NotFound"
