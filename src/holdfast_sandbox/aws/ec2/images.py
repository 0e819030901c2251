"""Machine images: found by Canonical's parameters as at the cloud, all of them our own image."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami

CANONICAL = "099720109477"
ROOT_GIB = 8
# Release -> (code name, serial of the build). The sandbox boots one Debian image for all of them.
RELEASES: Mapping[str, tuple[str, str]] = {
    "22.04": ("jammy", "20260601"),
    "24.04": ("noble", "20260610"),
    "26.04": ("resolute", "20260612"),
}
ARCHITECTURES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "arm64"}


class Image(Ami):
    """An image whose root volume is gp3, as Canonical's are."""

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """Its one volume, in the SDK's shape."""
        return [
            {
                "DeviceName": self.root_device_name,
                "Ebs": {
                    "SnapshotId": self.ebs_snapshot.id,
                    "VolumeSize": ROOT_GIB,
                    "DeleteOnTermination": True,
                    "VolumeType": "gp3",
                    "Encrypted": False,
                },
            }
        ]


def image_id(region: str, release: str, architecture: str) -> str:
    """The id of one release in one region: the same in every run."""
    text = f"holdfast-sandbox:{region}:{release}:{architecture}"
    return "ami-" + hashlib.sha256(text.encode()).hexdigest()[:17]


def parameters(region: str) -> dict[str, str]:
    """The public SSM parameters of a region: name -> image id."""
    found = {}
    for release in RELEASES:
        for architecture in ARCHITECTURES:
            for disk in ("ebs-gp3", "ebs-gp2"):
                name = (
                    f"/aws/service/canonical/ubuntu/server/{release}/stable/current/"
                    f"{architecture}/hvm/{disk}/ami-id"
                )
                found[name] = image_id(region, release, architecture)
    return found


def seed(backend: EC2Backend) -> None:
    """Give a new region its images."""
    for release, (code_name, serial) in RELEASES.items():
        for short, architecture in ARCHITECTURES.items():
            name = image_id(backend.region_name, release, short)
            backend.amis[name] = Image(
                backend,
                name,
                name=(
                    f"ubuntu/images/hvm-ssd-gp3/ubuntu-{code_name}-{release}-{short}-server-{serial}"
                ),
                description=f"Stand-in of the sandbox for Ubuntu {release} ({short}): Debian 12",
                owner_id=CANONICAL,
                owner_alias="amazon",
                public=True,
                virtualization_type="hvm",
                architecture=architecture,
                creation_date=datetime.strptime(serial, "%Y%m%d"),  # noqa: DTZ007 - moto: naive UTC
                hypervisor="xen",
                root_device_type="ebs",
                root_device_name="/dev/sda1",
                region_name=f"{backend.region_name}a",
            )
