"""VMs that somebody else starts in a user's network: by the cloud's own API, with other keys.

A stranger has its own IAM user in the account and knows nothing of the platform's tags, so what
it makes looks to the platform like anybody's.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from holdfast_sandbox.control.bodies import ForeignBody
from holdfast_sandbox.control.server import Refused

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger(__name__)

Connect = Callable[[str], "EC2Client"]
"""region -> a client that signs as the stranger."""


class Strangers:
    """Starts and ends foreign VMs.

    home_of  region of a VM that a stranger started, None for anybody else's
    """

    def __init__(
        self, connect: Connect, regions: Iterable[str], home_of: Callable[[str], str | None]
    ) -> None:
        self._connect = connect
        self._regions = tuple(regions)
        self._home_of = home_of

    def start(self, body: ForeignBody) -> dict[str, object]:
        """Start one VM; answers its id, region, VPC, subnet and group. Raises Refused."""
        region, vpc = self._place(body)
        client = self._connect(region)
        subnets = client.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        if not subnets:
            raise Refused(409, f"{vpc} has no subnet to start a VM in")
        wish: dict[str, Any] = {"SecurityGroupIds": [body.security_group]}
        try:
            answer = client.run_instances(
                ImageId=_image(client),
                InstanceType=body.type,  # type: ignore[arg-type]
                MinCount=1,
                MaxCount=1,
                SubnetId=subnets[0]["SubnetId"],
                TagSpecifications=[
                    {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": body.name}]}
                ],
                **(wish if body.security_group else {}),
            )
        except ClientError as error:
            raise Refused(409, f"the cloud refused the foreign VM: {error}") from error
        made = answer["Instances"][0]["InstanceId"]
        return {"id": made, "region": region, "vpc": vpc, "subnet": subnets[0]["SubnetId"]}

    def end(self, vm_id: str) -> dict[str, object]:
        """Terminate a foreign VM. Raises Refused for one that no stranger started."""
        region = self._home_of(vm_id)
        if region is None:
            raise Refused(404, f"no foreign VM {vm_id}")
        try:
            self._connect(region).terminate_instances(InstanceIds=[vm_id])
        except ClientError as error:
            raise Refused(409, f"the cloud refused to end {vm_id}: {error}") from error
        return {"id": vm_id, "region": region}

    def _place(self, body: ForeignBody) -> tuple[str, str]:
        """(region, VPC) of the group or VPC that the body names."""
        for region in [body.region] if body.region else self._regions:
            client = self._connect(region)
            try:
                if body.security_group:
                    groups = client.describe_security_groups(GroupIds=[body.security_group])
                    return region, groups["SecurityGroups"][0]["VpcId"]
                vpcs = client.describe_vpcs(VpcIds=[str(body.vpc)])
                return region, vpcs["Vpcs"][0]["VpcId"]
            except ClientError as error:
                log.debug("%s is not in %s: %s", body.security_group or body.vpc, region, error)
        where = body.region or "any region"
        raise Refused(404, f"no {body.security_group or body.vpc} in {where}")


def _image(client: "EC2Client") -> str:
    wanted = [{"Name": "architecture", "Values": ["x86_64"]}]
    images = client.describe_images(Filters=wanted)["Images"]  # type: ignore[arg-type]
    if not images:
        raise Refused(409, "the region has no image to start a VM from")
    return max(images, key=lambda image: image.get("CreationDate", ""))["ImageId"]
