"""holdfast machine add, delete and replace; holdfast cluster replace."""

from collections.abc import Sequence
from typing import Any

from holdfast.cli import confirm, context, find
from holdfast.cli.create import MACHINES, node_of
from holdfast.cli.exits import Blocked, Usage
from holdfast.cli.machine import COLUMNS
from holdfast.cli.output import Column, Format, note, show, table
from holdfast.client import calls
from holdfast.client.sync import Client
from holdfast.clock import SystemChance

COSTS = (
    Column("COST", "cost"),
    Column("$/H", "hourly"),
    Column("$/MONTH", "monthly"),
)
PLAN_SECONDS = 60.0  # a plan may wait for the first price list of an account


def add(
    cluster: str,
    /,
    *,
    node: list[str],
    count: int = 1,
    dry_run: bool = False,
    yes: bool = False,
    output: Format = "table",
) -> None:
    """Add machines to a cluster: shows them and their price first, then asks.

    Parameters
    ----------
    cluster:
        Name or id of the cluster.
    node:
        A machine as CLOUD:ROLE:SIZE[:spot], as often as there are kinds; SIZE is a shape or an
        instance type: aws:worker:medium, aws:worker:t3.large:spot.
    count:
        So many of each.
    dry_run:
        Only show what would be made and cost; exit code 4 when it can't be made.
    yes:
        Do not ask.
    output:
        How the result is shown.
    """
    if count < 1:
        message = f"--count {count}: at least 1"
        raise Usage(message)
    change = {"add": [node_of(text) for text in node for _ in range(count)]}
    client = context.client(PLAN_SECONDS)
    found = find.cluster(client, cluster)
    if _is_shown(client, found, change, output, dry_run=dry_run):
        return
    if not yes:
        confirm.yes(f"Add {len(change['add'])} machines to cluster {found['name']}?")
    _apply(client, found, change, output)


def delete(
    cluster: str,
    /,
    *machines: str,
    drain_timeout: int | None = None,
    force: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    output: Format = "table",
) -> None:
    """Take machines out of a cluster: their pods leave first, then the machines go.

    Parameters
    ----------
    cluster:
        Name or id of the cluster.
    machines:
        Names or ids of machines; the last four characters of a name are enough.
    drain_timeout:
        Seconds that pods may take; 900 unless the installation says otherwise.
    force:
        Do not wait for pods. etcd's quorum is kept all the same.
    dry_run:
        Only show what would go and cost.
    yes:
        Do not ask.
    output:
        How the result is shown.
    """
    if not machines:
        message = "name at least one machine"
        raise Usage(message)
    client = context.client(PLAN_SECONDS)
    found = find.cluster(client, cluster)
    going, names = _named(client, found, machines)
    wish: dict[str, Any] = {"force": force}
    if drain_timeout is not None:
        wish["drainTimeout"] = drain_timeout
    change = {"delete": [{"id": machine["id"], **wish} for machine in going]}
    if _is_shown(client, found, change, output, dry_run=dry_run):
        return
    if not yes:
        confirm.yes(f"Take {names} out of cluster {found['name']}?")
    _apply(client, found, change, output)


def replace(
    cluster: str,
    /,
    *machines: str,
    reason: str = "",
    yes: bool = False,
    output: Format = "table",
) -> None:
    """Have machines replaced, one after the other: the new one first, then the old one leaves.

    Parameters
    ----------
    cluster:
        Name or id of the cluster.
    machines:
        Names or ids of machines; the last four characters of a name are enough.
    reason:
        Why; it stands in the events.
    yes:
        Do not ask.
    output:
        How the result is shown.
    """
    if not machines:
        message = "name at least one machine, or use `holdfast cluster replace`"
        raise Usage(message)
    client = context.client()
    found = find.cluster(client, cluster)
    going, names = _named(client, found, machines)
    if not yes:
        confirm.yes(f"Replace {names} of cluster {found['name']}?")
    wish = calls.replace_nodes(found["id"], [machine["id"] for machine in going], reason)
    show(client.json(wish), output, COLUMNS)


def replace_all(
    cluster: str, /, *, reason: str = "", yes: bool = False, output: Format = "table"
) -> None:
    """Have every machine of a cluster replaced; a lone control plane stays.

    Parameters
    ----------
    cluster:
        Name or id of the cluster.
    reason:
        Why; it stands in the events.
    yes:
        Do not ask.
    output:
        How the result is shown.
    """
    client = context.client()
    found = find.cluster(client, cluster)
    if not yes:
        confirm.yes(f"Replace all {len(found['nodes'])} machines of cluster {found['name']}?")
    show(client.json(calls.replace_nodes(found["id"], None, reason)), output, COLUMNS)


def _named(
    client: Client, found: dict[str, Any], machines: Sequence[str]
) -> tuple[list[dict[str, Any]], str]:
    """The machines that a user named, and their names in words."""
    going = [find.machine(client, found["id"], text) for text in machines]
    return going, ", ".join(machine["name"] for machine in going)


def _apply(client: Client, found: dict[str, Any], change: dict[str, Any], output: Format) -> None:
    answer = client.json(calls.update_nodes(found["id"], change, SystemChance().uuid()))
    note(f"cluster {found['name']} is being changed")
    show(answer, output, COLUMNS)


def _is_shown(
    client: Client,
    found: dict[str, Any],
    change: dict[str, Any],
    output: Format,
    *,
    dry_run: bool,
) -> bool:
    """Show what would come, go and cost; True when that was all. Raises Blocked."""
    plan = client.json(calls.preview_nodes(found["id"], change))
    if dry_run and output != "table":
        show(plan, output, ())
    else:
        tables = [table(plan["add"], MACHINES)] if plan["add"] else []
        tables += [table(plan["delete"], COLUMNS)] if plan["delete"] else []
        rows = [{"cost": name, **plan["cost"][name]} for name in ("before", "after", "change")]
        for text in (*tables, table(rows, COSTS)):
            for line in text.splitlines():
                (print if dry_run else note)(line)
    if plan["violations"]:
        lines = [f"{one['field']}: {one['description']}" for one in plan["violations"]]
        message = "that can't be made:\n  " + "\n  ".join(lines)
        raise Blocked(message)
    return dry_run
