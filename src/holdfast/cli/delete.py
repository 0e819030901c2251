"""holdfast cluster delete."""

from typing import Annotated

from cyclopts import Parameter

from holdfast.cli import confirm, context, find, proof, wait
from holdfast.cli.output import Format, note
from holdfast.client import calls
from holdfast.client.errors import NotFound


def delete(
    cluster: str,
    /,
    *,
    yes: bool = False,
    wait_for_it: Annotated[bool, Parameter(name="--wait")] = False,
    timeout: float = 1800,
    output: Format = "table",
) -> None:
    """Delete a cluster with everything that Holdfast made for it.

    Parameters
    ----------
    cluster:
        Name or id.
    yes:
        Do not ask for the name.
    wait_for_it:
        Follow until it is gone and print the deletion certificate. Exit code 4 when something
        that is not ours is in the way.
    timeout:
        Seconds to follow at most.
    output:
        How the certificate is shown.
    """
    client = context.client()
    found = find.cluster(client, cluster)
    if not yes:
        machines = len(found["nodes"])
        note(f"cluster {found['name']} ({found['id']}) has {machines} machines; all of them go")
        confirm.name("Type the cluster's name to delete it:", found["name"])
    last = wait.last_seq(client, found["id"]) if wait_for_it else 0
    client.call(calls.delete_cluster(found["id"]))
    note(f"cluster {found['name']} is being deleted")
    if not wait_for_it:
        return
    wait.until_deleted(client, found["id"], timeout, after=last)
    try:
        proof.show_certificate(client.json(calls.get_certificate(found["id"])), output)
    except NotFound:
        note("no deletion certificate was issued: nothing had been made")
