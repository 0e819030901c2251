"""holdfast cluster create."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from holdfast.cli import confirm, context, find, wait
from holdfast.cli.cluster import CLUSTERS
from holdfast.cli.exits import Blocked, Usage
from holdfast.cli.output import Column, Format, note, show, table
from holdfast.client import calls

if TYPE_CHECKING:
    from holdfast.wire.cluster import ClusterRequest

MACHINES = (
    Column("ROLE", lambda item: "control-plane" if item["role"] == "master" else item["role"]),
    Column("CLOUD", "cloud"),
    Column("SHAPE", "shape"),
    Column("TYPE", "instanceType"),
    Column("CPUS", "cpus"),
    Column("MEMORY", lambda item: f"{item['memoryMib'] / 1024:g} GiB" if "cpus" in item else None),
    Column("ZONE", "zone"),
    Column("SPOT", lambda item: "yes" if item["isSpot"] else "no"),
    Column("$/H", "price.hourly"),
    Column("$/MONTH", "price.monthly"),
)
COSTS = (
    Column("COUNT", "count"),
    Column("COST", "detail"),
    Column("$/H", "hourly"),
    Column("$/MONTH", "monthly"),
)
PLAN_SECONDS = 60.0  # a plan may wait for the first price list of an account


def create(  # noqa: PLR0913  (one parameter an option of the command)
    name: str,
    /,
    *,
    credentials: list[str],
    region: str = "eu-central",
    preset: str = "",
    node: list[str] | None = None,
    kubernetes_version: str = "",
    tag: list[str] | None = None,
    vpc_cidr: str = "",
    vpn: Literal["", "fullMesh", "crossLocationMesh"] = "",
    dry_run: bool = False,
    wait_for_it: Annotated[bool, Parameter(name="--wait")] = False,
    timeout: float = 2700,
    yes: bool = False,
    output: Format = "table",
) -> int:
    """Make a cluster: shows its machines and price first, then asks.

    Parameters
    ----------
    name:
        2 to 50 letters, digits and hyphens.
    credentials:
        Name or id of the credentials to use; one for each cloud.
    region:
        Where; see `holdfast region list`.
    preset:
        starter (1 control plane, 1 worker), basic (1 and 3) or ha (3 and 3); basic without --node.
    node:
        A node as CLOUD:ROLE:SIZE[:spot], as often as there are nodes; SIZE is a shape or an
        instance type: aws:master:medium, aws:worker:t3.large:spot.
    kubernetes_version:
        The newest supported one without it.
    tag:
        KEY=VALUE for everything that is made in the cloud.
    vpc_cidr:
        Address range of the network, with credentials of one cloud: 10.10.0.0/16.
    vpn:
        WireGuard, with credentials of several clouds: between all machines or between clouds.
    dry_run:
        Only show machines and price; exit code 4 when the cluster could not be made.
    wait_for_it:
        Follow live until the cluster is ready.
    timeout:
        Seconds to follow at most.
    yes:
        Do not ask.
    output:
        How the result is shown.
    """
    client = context.client(PLAN_SECONDS)
    found = [find.credentials(client, each) for each in credentials]
    request = _request(
        {
            "name": name,
            "region": region,
            "cloudCredentialsIDs": [one["id"] for one in found],
            "preset": preset or (None if node else "basic"),
            "nodes": [node_of(text) for text in node] if node else None,
            "kubernetesVersion": kubernetes_version or None,
            "tags": dict(_tag(text) for text in tag or ()) or None,
            "network": _network(vpc_cidr, vpn, [one["cloud"] for one in found]),
        }
    )
    plan = client.json(calls.preview_cluster(request))
    _show_plan(plan, output, dry_run=dry_run)
    if dry_run:
        return 0
    if not yes:
        confirm.yes(f"Create cluster {name}?")
    made = client.json(calls.create_cluster(request))
    note(f"cluster {made['name']} is being created ({made['id']})")
    if wait_for_it:
        made = wait.until_ready(client, made["id"], timeout)
    show(made, output, CLUSTERS)
    return 0


def _request(given: dict[str, Any]) -> "ClusterRequest":
    from holdfast.wire.cluster import ClusterRequest  # noqa: PLC0415  (only this command needs it)

    try:
        return ClusterRequest.model_validate(given)
    except ValueError as error:
        raise Usage(str(error)) from error


def _show_plan(plan: dict[str, Any], output: Format, *, dry_run: bool) -> None:
    """Machines and price; the error output has them when the result is something else."""
    total = plan["cost"]["total"]
    price = f"total: ${total['hourly']} per hour, ${total['monthly']} per month of 30 days"
    if dry_run and output != "table":
        show(plan, output, ())
    else:
        where = f"in {plan['region']}, Kubernetes {plan['kubernetesVersion']}"
        costs = table(gathered(plan["cost"]["lines"]), COSTS)
        tables = [table(plan["machines"], MACHINES), costs, price]
        for text in (f"cluster {plan['name']} {where}", *tables):
            for line in text.splitlines():
                (print if dry_run else note)(line)
    if plan["violations"]:
        lines = [f"{one['field']}: {one['description']}" for one in plan["violations"]]
        message = "the cluster can't be made:\n  " + "\n  ".join(lines)
        raise Blocked(message)


def gathered(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of the same kind as one, in the order in which each kind appears first."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        kinds.setdefault(line["detail"], []).append(line["price"])
    return [
        {
            "count": len(prices),
            "detail": detail,
            "hourly": str(sum(Decimal(price["hourly"]) for price in prices)),
            "monthly": str(sum(Decimal(price["monthly"]) for price in prices)),
        }
        for detail, prices in kinds.items()
    ]


def node_of(text: str) -> dict[str, Any]:
    """A node of a request from CLOUD:ROLE:SIZE[:spot]. Raises Usage."""
    parts = text.split(":")
    is_spot = len(parts) == 4 and parts[3] == "spot"
    if len(parts) not in {3, 4} or not all(parts) or (len(parts) == 4 and not is_spot):
        message = f"--node {text!r}: expected CLOUD:ROLE:SIZE or CLOUD:ROLE:SIZE:spot"
        raise Usage(message)
    role = {"control-plane": "master"}.get(parts[1], parts[1])
    node: dict[str, Any] = {"cloud": parts[0], "role": role, "shape": parts[2]}
    return node | ({"spotConfig": {"isSpot": True}} if is_spot else {})


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        message = f"--tag {text!r}: expected KEY=VALUE"
        raise Usage(message)
    return key, value


def _network(vpc_cidr: str, vpn: str, clouds: list[str]) -> dict[str, Any] | None:
    network: dict[str, Any] = {"vpn": {"wireGuard": {"topology": vpn}}} if vpn else {}
    if vpc_cidr and len(clouds) != 1:
        message = "--vpc-cidr: only with credentials of one cloud"
        raise Usage(message)
    if vpc_cidr:
        network[clouds[0]] = {"vpcCidr": vpc_cidr}
    return network or None
