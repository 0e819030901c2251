"""The image of a launch: known, still there, and for the processor of the machine."""

from moto.ec2.models.amis import Ami

from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.images import parameters
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.faults import Facts, Kind


def living_image(ask: Ask, name: str, architecture: str) -> Ami:
    """The image of a launch. Raises AwsError if it is unknown, gone or for another processor."""
    if name.startswith("resolve:ssm:"):
        name = parameters(ask.call.region).get(name.removeprefix("resolve:ssm:"), name)
    if not name.startswith("ami-"):
        raise AwsError("InvalidAMIID.Malformed", f'Invalid id: "{name}" (expecting "ami-...")')
    image = ask.backend.amis.get(name)
    gone = ask.world.faults.find(
        (Kind.IMAGE_GONE,), Facts(ask.call.account, ask.call.region, subjects=(name,))
    )
    if image is None or gone:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{name}]' does not exist")
    if image.architecture != architecture:
        raise AwsError(
            "InvalidParameterValue",
            f"The architecture '{architecture}' of the specified instance type does not match the "
            f"architecture '{image.architecture}' of the specified AMI.",
        )
    return image
