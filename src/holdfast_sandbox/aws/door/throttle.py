"""Request rates: a bucket per account, region and API, and one for machines started (H25)."""

from typing import NoReturn

from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.world import World


def refuse(asked: Call) -> NoReturn:
    """The refusal of the service that was asked."""
    if asked.service == "ec2":
        raise AwsError("RequestLimitExceeded", "Request limit exceeded.", 503)
    if asked.protocol == "json":
        raise AwsError("ThrottlingException", "Rate exceeded", 400)
    raise AwsError("Throttling", "Rate exceeded", 400)


def check(asked: Call, world: World) -> None:
    """Take one call, and the machines it wants, out of the buckets. Raises AwsError when empty."""
    settings = world.settings
    name = (asked.account, asked.region, asked.name)
    if not _take(world, name, 1, (settings.bucket, settings.refill)):
        refuse(asked)
    if asked.action == "RunInstances":
        wanted = float(asked.params.get("MinCount", 1))
        size = (settings.launch_bucket, settings.launch_refill)
        if not _take(world, (*name[:2], "machines"), wanted, size):
            refuse(asked)


def _take(
    world: World, name: tuple[str, str, str], amount: float, size: tuple[float, float]
) -> bool:
    most, refill = size
    now = world.now().timestamp()
    level, at = world.state.buckets.get(name, (most, now))
    level = min(most, level + max(0.0, now - at) * refill)
    enough = level >= amount
    world.state.buckets[name] = (level - amount if enough else level, now)
    return enough
