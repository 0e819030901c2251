"""holdfast cluster ...: reading and steering; `create` and `delete` have files of their own."""

import sys
from pathlib import Path
from typing import Any, Literal

from holdfast.cli import apps, confirm, context, find, proof
from holdfast.cli.exits import Missing
from holdfast.cli.output import Column, Format, escaped, fields, note, show, table
from holdfast.client import calls

app = apps.make("cluster", "Kubernetes clusters.")
app.command("holdfast.cli.create:create", name="create", help="Make a cluster.")
app.command("holdfast.cli.delete:delete", name="delete", help="Delete a cluster.")
REPLACE = "holdfast.cli.machine_change:replace_all"
app.command(REPLACE, name="replace", help="Have all machines replaced.")
CLUSTERS = (
    Column("NAME", "name"),
    Column("STATUS", "status"),
    Column("REGION", "region.displayName"),
    Column("CLOUDS", lambda item: ", ".join(sorted({n["cloud"] for n in item["nodes"]}))),
    Column("MACHINES", lambda item: len(item["nodes"])),
    Column("VERSION", "kubernetesVersion"),
    Column("CREATED", "createdAt"),
    Column("ID", "id"),
)
EVENTS = (
    Column("SEQ", "seq"),
    Column("AT", "at"),
    Column("SEVERITY", "severity"),
    Column("REASON", "reason"),
    Column("MESSAGE", "message"),
)
ACTIONS = (
    Column("ACTION", "action"),
    Column("SUBJECT", "subject"),
    Column("ERROR", "error"),
    Column("WHAT", lambda item: item.get("message") or item.get("words")),
)
WAITING = (
    Column("WAITING", "subject"),
    Column("NEEDS", lambda item: "a person" if item["onPerson"] else "time"),
    Column("REASON", "reason"),
)
COSTS = (
    Column("COST", "subject"),
    Column("DETAIL", "detail"),
    Column("$/H", "price.hourly"),
    Column("$/MONTH", "price.monthly"),
)


@app.command(name="list")
def list_clusters(*, deleted: bool = False, output: Format = "table") -> None:
    """List clusters.

    Parameters
    ----------
    deleted:
        List deleted clusters too.
    output:
        How the result is shown.
    """
    answer = context.client().json(calls.list_clusters(include_deleted=deleted))
    show(answer, output, CLUSTERS)


@app.command
def get(cluster: str, /, *, output: Format = "table") -> None:
    """Show one cluster and its conditions.

    Parameters
    ----------
    cluster:
        Name or id.
    output:
        How the result is shown.
    """
    found = find.cluster(context.client(), cluster)
    if output != "table":
        show(found, output, CLUSTERS)
        return
    pairs = [(column.title, column.of(found)) for column in CLUSTERS]
    pairs += [("ENDPOINT", found.get("endpoint", "")), ("TAGS", _tags(found))]
    print(fields(pairs))
    bad = [one for one in found.get("conditions", []) if not one["status"]]
    if bad:
        columns = (
            Column("CONDITION", "type"),
            Column("REASON", "reason"),
            Column("SINCE", "since"),
            Column("MESSAGE", "message"),
        )
        print("\n" + table(bad, columns))


@app.command
def plan(cluster: str, /, *, output: Format = "table") -> None:
    """Show what the last pass decided: actions, what waits and why, and the cost.

    Parameters
    ----------
    cluster:
        Name or id.
    output:
        How the result is shown.
    """
    client = context.client()
    found = client.json(calls.get_plan(find.cluster(client, cluster)["id"]))
    if output in {"json", "yaml"}:
        show(found, output, ())
        return
    if "at" not in found:
        note("no pass has run yet")
        return
    settled = not found["actions"] and not found["waiting"]
    note(f"last pass: {found['at']}" + (", nothing to do" if settled else ""))
    for items, columns in ((found["actions"], ACTIONS), (found["waiting"], WAITING)):
        if items:
            print(table(items, columns) + "\n")
    if "cost" in found:
        total = found["cost"]["total"]
        print(table(found["cost"]["lines"], COSTS))
        print(f"total: ${total['hourly']} per hour, ${total['monthly']} per month of 30 days")


@app.command
def events(
    cluster: str, /, *, after: int = 0, follow: bool = False, output: Format = "table"
) -> None:
    """Show what happened; with --follow also what happens from now on.

    Parameters
    ----------
    cluster:
        Name or id.
    after:
        Only events behind this number.
    follow:
        Go on until interrupted; with --output json one object a line.
    output:
        How the result is shown.
    """
    client = context.client()
    identity = find.cluster(client, cluster)["id"]
    if follow:
        _follow(identity, after, output)
        return
    items: list[dict[str, Any]] = []
    while True:
        page = client.json(calls.list_events(identity, after))
        items += page["items"]
        if not page["items"]:
            break
        after = page["lastSeq"]
    show({"items": items, "lastSeq": after}, output, EVENTS, name="seq")


def _follow(cluster: str, after: int, output: Format) -> None:
    import json  # noqa: PLC0415

    for event in context.client().events(cluster, after):
        data = event.data
        if output == "json":
            print(json.dumps(data), flush=True)
        else:
            mark = "!" if data["severity"] == "error" else " "
            print(f"{data['at']} {mark} {escaped(data['message'])}", flush=True)


@app.command
def kubeconfig(
    cluster: str,
    /,
    *,
    role: Literal["admin", "view"] = "admin",
    hours: int | None = None,
    path: Path | None = None,
) -> None:
    """Print a kubeconfig with a new client certificate, or write it to a file.

    Parameters
    ----------
    cluster:
        Name or id.
    role:
        What its holder may do.
    hours:
        How long the certificate is valid; 30 days without it.
    path:
        Write this file, readable by you only, in place of printing.
    """
    client = context.client()
    text = client.call(calls.get_kubeconfig(find.cluster(client, cluster)["id"], role, hours))
    if path is None:
        sys.stdout.write(text)
        return
    context.write_private(path, text)
    note(f"written to {path}")


@app.command
def reconcile(cluster: str, /) -> None:
    """Have the cluster compared with its specification and repaired now.

    Parameters
    ----------
    cluster:
        Name or id.
    """
    client = context.client()
    found = find.cluster(client, cluster)
    client.json(calls.reconcile_cluster(found["id"]))
    note(f"cluster {found['name']} is reconciled now; see: holdfast cluster plan {found['name']}")


@app.command(name="release-breaker")
def release_breaker(cluster: str, /, *, reason: str, yes: bool = False) -> None:
    """Have all machines replaced that look broken by now, however many they are.

    When many look broken at once they are not replaced: often only the way to them is broken.

    Parameters
    ----------
    cluster:
        Name or id.
    reason:
        Why they are lost; it is kept as an event of the cluster.
    yes:
        Do not ask.
    """
    client = context.client()
    found = find.cluster(client, cluster)
    for one in found.get("conditions", []):
        if one["type"] == "BreakerClosed" and not one["status"]:
            note(one["message"])
    if not yes:
        confirm.yes(f"Replace the machines of cluster {found['name']} that look broken?")
    client.json(calls.release_breaker(found["id"], reason))
    note(f"the breaker of cluster {found['name']} is released")


@app.command
def certificate(cluster: str, /, *, output: Format = "table") -> None:
    """Show the proof of a deletion.

    Parameters
    ----------
    cluster:
        Id of the cluster, or the name of the one that was deleted last.
    output:
        How the result is shown.
    """
    client = context.client()
    found = client.json(calls.get_certificate(_going(client, cluster)))
    proof.show_certificate(found, output)


def _going(client: Any, text: str) -> str:
    """The id of a cluster that is deleted or being deleted."""
    if find.UUID.fullmatch(text):
        return text.lower()
    items = client.json(calls.list_clusters(include_deleted=True))["items"]
    named = [i for i in items if i["name"].casefold() == text.casefold() and "deleteAskedAt" in i]
    if not named:
        message = f"no deleted cluster {text!r}"
        raise Missing(message)
    return str(max(named, key=lambda item: item["deleteAskedAt"])["id"])


def _tags(found: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in found.get("tags", {}).items())
