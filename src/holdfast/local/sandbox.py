"""holdfast sandbox ...: a cloud on this machine, run as a process of its own."""

from typing import Any, Literal
from urllib.parse import quote

from holdfast.cli import apps
from holdfast.cli.output import Column, Format, fields, note, show
from holdfast.local import sandbox_process as process
from holdfast.local.sandbox_control import Control
from holdfast.local.sandbox_process import DEFAULT_STATE, State

app = apps.make("sandbox", "A cloud on this machine, for trying things out and for tests.")
for _name, _function, _help in (
    ("fault", "fault", "Make something go wrong; prints the fault's id."),
    ("faults", "faults", "List faults, those that ended too."),
    ("end-fault", "end_fault", "End a fault before its time."),
    ("foreign-vm", "foreign_vm", "Start a VM of a stranger in a network of ours; prints its id."),
    ("end-foreign-vm", "end_foreign_vm", "End a VM that foreign-vm started."),
):
    app.command(f"holdfast.local.sandbox_trouble:{_function}", name=_name, help=_help)
MACHINES = (
    Column("MACHINE", "id"),
    Column("STATE", "state"),
    Column("CLOUD", "cloud"),
    Column("PID", "pid"),
    Column("REASON", "reason"),
)
THINGS = (
    Column("KIND", "kind"),
    Column("ID", "id"),
    Column("STATE", "state"),
    Column("REGION", "region"),
    Column("$/H", "price_per_hour"),
)
CALLS = (
    Column("NUMBER", "number"),
    Column("AT", "at"),
    Column("SERVICE", "service"),
    Column("ACTION", "action"),
    Column("CODE", "code"),
)


@app.command
def up(
    *,
    state: State = DEFAULT_STATE,
    machines: Literal["booted", "simulated"] = "booted",
    seed: int | None = None,
    visibility: float | None = None,
    timeout: float = 180,
    output: Format = "table",
) -> None:
    """Start the sandbox, or say where it runs already.

    Parameters
    ----------
    machines:
        Machines that really boot (Linux, root, the prepared image), or simulated ones.
    seed:
        Of all that the cloud does by chance.
    visibility:
        Longest time in seconds that the cloud's listings lag behind.
    timeout:
        Seconds to wait until it is ready.
    output:
        How the result is shown.
    """
    ready = process.find(state)
    if ready is None:
        given = {"--machines": machines, "--seed": seed, "--visibility": visibility}
        options = [
            word
            for name, value in given.items()
            if value is not None
            for word in (name, str(value))
        ]
        ready = process.start(state, options, timeout)
    else:
        note(f"a sandbox runs already on {state}")
    _show_ready(ready, output)


@app.command
def down(*, state: State = DEFAULT_STATE, timeout: float = 120) -> None:
    """Stop the sandbox with its machines and networks; its cloud's books are kept.

    Parameters
    ----------
    timeout:
        Seconds to wait until it has ended.
    """
    ready = process.find(state)
    if ready is None:
        note(f"no sandbox runs on {state}")
        return
    process.stop(ready, timeout)
    note("the sandbox is down")


@app.command
def status(*, state: State = DEFAULT_STATE, output: Format = "table") -> None:
    """Show how to reach the sandbox, and its machines.

    Parameters
    ----------
    output:
        How the result is shown.
    """
    ready = process.running(state)
    found = Control(ready).get("/status")
    if output in {"json", "yaml"}:
        show(found, output, ())
        return
    items = [{"id": name, **each} for name, each in found["machines"].items()]
    if output == "table":
        _show_ready(ready, output)
        print()
    show({"items": items}, output, MACHINES, name="id")


@app.command
def truth(*, tag: str = "", state: State = DEFAULT_STATE, output: Format = "table") -> None:
    """List what the sandbox's cloud still holds, asked past its API.

    Parameters
    ----------
    tag:
        KEY=VALUE that the things carry.
    output:
        How the result is shown.
    """
    query = f"?tag={quote(tag)}" if tag else ""
    found = Control(process.running(state)).get(f"/truth{query}")
    if output in {"json", "yaml"}:
        show(found, output, ())
        return
    show({"items": found["things"]}, output, THINGS, name="id")
    if output == "table":
        print(f"{found['count']} things, ${found['price_per_hour']} per hour")


@app.command
def calls(*, after: int = 0, state: State = DEFAULT_STATE, output: Format = "table") -> None:
    """List the calls that changed something in the sandbox's cloud.

    Parameters
    ----------
    after:
        Only calls behind this number.
    output:
        How the result is shown.
    """
    control = Control(process.running(state))
    items: list[dict[str, Any]] = []
    begin: int | None = after
    while begin is not None:
        page = control.get(f"/calls?after={begin}&limit=1000")
        items += page["calls"]
        begin = page["next"]
    show({"items": items}, output, CALLS, name="number")


@app.command
def gaps(*, state: State = DEFAULT_STATE, output: Format = "json") -> None:
    """List what was asked of the sandbox's cloud and is not emulated.

    Parameters
    ----------
    output:
        How the result is shown.
    """
    columns = (Column("SERVICE", "service"), Column("ACTION", "action"), Column("AT", "at"))
    show(
        {"items": Control(process.running(state)).get("/gaps")["gaps"]},
        output,
        columns,
        name="action",
    )


@app.command
def callback(target: str, /, *, port: int = 8443, state: State = DEFAULT_STATE) -> None:
    """Let machines reach a server of this host, such as the platform's API.

    Parameters
    ----------
    target:
        127.0.0.1:PORT of the server.
    port:
        Port at the sandbox's call-back address.
    """
    ready = process.running(state)
    Control(ready).post("/callbacks", {"port": port, "target": target})
    print(f"https://{ready.callback_address}:{port}")


@app.command
def console(machine: str, /, *, state: State = DEFAULT_STATE) -> None:
    """Print a machine's console log.

    Parameters
    ----------
    machine:
        Instance id.
    """
    found = Control(process.running(state)).get(f"/machines/{quote(machine, safe='')}/console")
    print(found["console"])


def _show_ready(ready: process.Ready, output: Format) -> None:
    shown = {
        "aws": ready.aws,
        "control": ready.control,
        "proxy": ready.proxy,
        "identityCertificates": ready.identity_certificates,
        "callbackAddress": ready.callback_address,
        "accountId": ready.credentials.get("accountId"),
        "accessKeyId": ready.credentials.get("accessKeyId"),
        "machines": ready.machines,
        "pid": ready.pid,
    }
    if output == "table":
        print(fields(list(shown.items())))
    else:
        show(shown, output, (), name="aws")
