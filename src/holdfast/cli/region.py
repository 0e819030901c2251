"""holdfast region ..."""

from holdfast.cli import apps, context
from holdfast.cli.output import Column, Format, show
from holdfast.client import calls

app = apps.make("region", "Regions in which clusters can be made.")
COLUMNS = (
    Column("NAME", "name"),
    Column("DISPLAY NAME", "displayName"),
    Column("CLOUDS", lambda item: ", ".join(cloud["name"] for cloud in item["clouds"])),
)


@app.command(name="list")
def list_regions(*, output: Format = "table") -> None:
    """List the regions.

    Parameters
    ----------
    output:
        How the result is shown.
    """
    show(context.client().json(calls.list_regions()), output, COLUMNS)
