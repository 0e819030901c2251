"""holdfast machine ...: reading; changes have a file of their own."""

from holdfast.cli import apps, context, find
from holdfast.cli.output import Column, Format, fields, show
from holdfast.client import calls

app = apps.make("machine", "Machines of a cluster.")
CHANGES = "holdfast.cli.machine_change"
app.command(f"{CHANGES}:add", name="add", help="Add machines.")
app.command(f"{CHANGES}:delete", name="delete", help="Take machines out.")
app.command(f"{CHANGES}:replace", name="replace", help="Have machines replaced.")
COLUMNS = (
    Column("NAME", "name"),
    Column("ROLE", lambda item: "control-plane" if item["role"] == "master" else item["role"]),
    Column("STATUS", "state.phase"),
    Column("TYPE", "instanceType"),
    Column("ZONE", "zone"),
    Column("PUBLIC IP", "network.publicIp"),
    Column("PRIVATE IP", "network.privateIp"),
    Column("$/H", "instancePrice"),
    Column("ID", "id"),
)


@app.command(name="list")
def list_machines(cluster: str, /, *, output: Format = "table") -> None:
    """List the machines of a cluster.

    Parameters
    ----------
    cluster:
        Name or id of the cluster.
    output:
        How the result is shown.
    """
    client = context.client()
    found = find.cluster(client, cluster)
    show(client.json(calls.list_nodes(found["id"])), output, COLUMNS)


@app.command(name="get")
def get_machine(cluster: str, machine: str, /, *, output: Format = "table") -> None:
    """Show one machine.

    Parameters
    ----------
    cluster:
        Name or id of the cluster.
    machine:
        Name or id of the machine; the last four characters of its name are enough.
    output:
        How the result is shown.
    """
    client = context.client()
    found = find.machine(client, find.cluster(client, cluster)["id"], machine)
    if output != "table":
        show(found, output, COLUMNS)
        return
    pairs = [(column.title, column.of(found)) for column in COLUMNS]
    pairs += [
        ("CLOUD ID", found.get("instanceId", "-")),
        ("CREATED", found["createdAt"]),
        ("JOINED", found.get("joinedAt", "-")),
        ("REASON", found["state"].get("reason", "-")),
    ]
    print(fields([(title, value) for title, value in pairs if value != "-"]))
