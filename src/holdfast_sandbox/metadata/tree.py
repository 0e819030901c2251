"""The tree under /latest/meta-data of one machine: a file by path, or the listing of a folder."""

import json
from datetime import UTC, datetime

from holdfast_sandbox.metadata.guest import Guest


def read(guest: Guest, path: str) -> str | None:
    """The text at a path below meta-data/, None when there is nothing.

    A folder answers its children, one a line, folders with a slash at their end; a path may be
    written with or without one. Source: the categories of the EC2 user guide.
    """
    leaves = _leaves(guest)
    wanted = path.strip("/")
    if wanted in leaves:
        return leaves[wanted]
    prefix = f"{wanted}/" if wanted else ""
    below = {leaf.removeprefix(prefix) for leaf in leaves if leaf.startswith(prefix)}
    children = {name if not rest else f"{name}/" for name, _, rest in map(_split, below)}
    return "\n".join(sorted(children)) if children else None


def _split(path: str) -> tuple[str, str, str]:
    return path.partition("/")


def _leaves(guest: Guest) -> dict[str, str]:
    """Every file of the tree. What a machine has not (a public address, a notice) is missing."""
    leaves = {
        "ami-id": guest.image,
        "ami-launch-index": "0",
        "hostname": guest.hostname,
        "instance-action": "none",
        "instance-id": guest.id,
        "instance-life-cycle": "spot" if guest.spot else "on-demand",
        "instance-type": guest.type,
        "local-hostname": guest.hostname,
        "local-ipv4": str(guest.address),
        "mac": guest.mac,
        "placement/availability-zone": guest.zone,
        "placement/region": guest.region,
        "security-groups": "\n".join(guest.groups),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    leaves |= _interface(guest)
    if guest.public_address is not None:
        leaves["public-ipv4"] = str(guest.public_address)
    if guest.tags is not None:
        leaves |= {f"tags/instance/{key}": value for key, value in guest.tags.items()}
    return leaves | _notices(guest)


def _interface(guest: Guest) -> dict[str, str]:
    at = f"network/interfaces/macs/{guest.mac}"
    leaves = {
        f"{at}/device-number": "0",
        f"{at}/local-ipv4s": str(guest.address),
        f"{at}/mac": guest.mac,
        f"{at}/owner-id": guest.account,
    }
    if guest.public_address is not None:
        leaves[f"{at}/public-ipv4s"] = str(guest.public_address)
    return leaves


def _notices(guest: Guest) -> dict[str, str]:
    leaves: dict[str, str] = {}
    if guest.interruption is not None:
        when = stamp(guest.interruption)
        action = json.dumps({"action": "terminate", "time": when})
        leaves |= {"spot/instance-action": action, "spot/termination-time": when}
    if guest.rebalance is not None:
        notice = json.dumps({"noticeTime": stamp(guest.rebalance)})
        leaves["events/recommendations/rebalance"] = notice
    return leaves


def stamp(when: datetime) -> str:
    """A time as EC2 writes it: UTC, whole seconds, `Z`."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
