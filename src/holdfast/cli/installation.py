"""holdfast installation ...: does the platform act or only observe, and its release."""

from typing import Any

from holdfast.cli import apps, confirm, context, find
from holdfast.cli.exits import Failure
from holdfast.cli.output import Column, Format, fields, note, show, table
from holdfast.client import calls

app = apps.make("installation", "The platform itself: whether it acts or only observes.")
CLUSTERS = (
    Column("CLUSTER", "name"),
    Column("STEPS", lambda item: len(item["steps"]) if "seenAt" in item else "not seen yet"),
    Column("$/H", "added.hourly"),
    Column("$/MONTH", "added.monthly"),
)
STEPS = (
    Column("WOULD", "action"),
    Column("SUBJECT", "subject"),
    Column("$/H", lambda item: item["hourly"] if float(item["hourly"]) else None),
    Column("WHAT", "words"),
)
ORPHANS = (
    Column("NO CLUSTER OF OURS", "name"),
    Column("KIND", "kind"),
    Column("ID", "id"),
    Column("REGION", "region"),
    Column("CLUSTER ID", "clusterId"),
)


@app.command
def status(*, output: Format = "table") -> None:
    """Show whether the platform acts, and what a release would set going.

    Parameters
    ----------
    output:
        How the result is shown.
    """
    found = context.client().json(calls.get_installation())
    if output != "table":
        show(found, output, (), name="id")
        return
    _print(found, found.get("waiting", []))


@app.command
def release(*clusters: str, yes: bool = False) -> None:
    """Let the platform act again after it only observed.

    Parameters
    ----------
    clusters:
        Names or ids of the clusters to release; without any the whole installation.
    yes:
        Do not ask.
    """
    client = context.client()
    found = client.json(calls.get_installation())
    if found["mode"] == "active":
        message = "the platform acts already; there is nothing to release"
        raise Failure(message)
    waiting = {each["id"]: each for each in found.get("waiting", [])}
    named = [str(find.cluster(client, each)["id"]) for each in clusters]
    for each in named:
        if each not in waiting:
            message = f"cluster {each} does not wait for a release"
            raise Failure(message)
    chosen = [waiting[each] for each in named] if named else list(waiting.values())
    if not yes:
        _print(found, chosen)
        many = "the whole installation" if not named else f"{len(named)} clusters"
        confirm.yes(f"Release {many}? The steps above are taken.")
    client.json(calls.release_installation(named or None))
    note("released; see what happens with: holdfast cluster events NAME --follow")


def _print(found: dict[str, Any], clusters: list[dict[str, Any]]) -> None:
    pairs = [("INSTALLATION", found["id"]), ("MODE", found["mode"])]
    pairs += [("SINCE", found["since"]), ("REASON", found["reason"])] if "since" in found else []
    print(fields(pairs))
    if clusters:
        print("\n" + table(clusters, CLUSTERS))
    for each in clusters:
        if each["steps"]:
            print(f"\n{each['name']}\n" + table(each["steps"], STEPS))
    if found.get("orphans"):
        print("\n" + table(found["orphans"], ORPHANS))
