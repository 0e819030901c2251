"""holdfast sandbox ...: a cloud on this machine, run as a process of its own."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from cyclopts import Parameter

from holdfast.cli import apps
from holdfast.cli.exits import Missing, Usage
from holdfast.cli.output import Column, Format, fields, note, show
from holdfast.local import sandbox_process as process
from holdfast.local.sandbox_control import Control

app = apps.make("sandbox", "A cloud on this machine, for trying things out and for tests.")
DEFAULT_STATE = Path("~/.local/state/holdfast/sandbox").expanduser()
State = Annotated[
    Path,
    Parameter(
        env_var="HOLDFAST_SANDBOX_STATE",
        help="Directory of the sandbox; one runs on each.",
        show_default=True,
    ),
]
MACHINES = (
    Column("MACHINE", "id"),
    Column("STATE", "state"),
    Column("CLOUD", "cloud"),
    Column("PID", "pid"),
    Column("REASON", "reason"),
)
FAULTS = (
    Column("ID", "id"),
    Column("KIND", "kind"),
    Column("TARGET", "target"),
    Column("BEGAN", "began"),
    Column("ENDED", "ended"),
    Column("OUTCOME", "outcome"),
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
    ready = _running(state)
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
    found = Control(_running(state)).get(f"/truth{query}")
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
    control = Control(_running(state))
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
    show({"items": Control(_running(state)).get("/gaps")["gaps"]}, output, columns, name="action")


@app.command
def fault(  # noqa: PLR0913  (one parameter an option of the command)
    kind: str,
    target: str | None = None,
    /,
    *,
    seconds: float | None = None,
    count: int | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
    state: State = DEFAULT_STATE,
    output: Format = "name",
) -> None:
    """Make something go wrong; prints the fault's id.

    Parameters
    ----------
    kind:
        machine-kill, machine-freeze, machine-cut, spot-notice, api-outage, throttle,
        lost-response, lost-request, capacity, quota, permission, key-revoked, ...
    target:
        Instance id, for faults of a machine.
    seconds:
        It ends by itself after so long.
    count:
        It ends after so many calls.
    set_:
        Any other setting as KEY=VALUE: action=RunInstances, zone=eu-central-1a, value=4.
    output:
        How the result is shown.
    """
    body: dict[str, Any] = {"kind": kind}
    named = {"target": target, "seconds": seconds, "count": count}
    body |= {key: value for key, value in named.items() if value is not None}
    body |= dict(_setting(text) for text in set_ or ())
    show(Control(_running(state)).post("/faults", body), output, FAULTS, name="id")


@app.command
def faults(*, state: State = DEFAULT_STATE, output: Format = "table") -> None:
    """List faults, those that ended too.

    Parameters
    ----------
    output:
        How the result is shown.
    """
    show({"items": Control(_running(state)).get("/faults")["faults"]}, output, FAULTS, name="id")


@app.command
def end_fault(fault_id: str, /, *, state: State = DEFAULT_STATE) -> None:
    """End a fault before its time.

    Parameters
    ----------
    fault_id:
        As `fault` printed it.
    """
    ended = Control(_running(state)).delete(f"/faults/{quote(fault_id, safe='')}")
    note(f"fault {fault_id} ended: {ended['outcome'] or 'done'}")


@app.command
def foreign_vm(
    *,
    security_group: str | None = None,
    vpc: str | None = None,
    name: str = "foreign",
    state: State = DEFAULT_STATE,
    output: Format = "name",
) -> None:
    """Start a VM that is not Holdfast's in a network of Holdfast's; prints its id.

    Parameters
    ----------
    security_group:
        The group that it shall be in.
    vpc:
        Or the network that it shall be in.
    name:
        Its Name tag.
    output:
        How the result is shown.
    """
    body = {"security_group": security_group, "vpc": vpc, "name": name}
    given = {key: value for key, value in body.items() if value is not None}
    columns = (Column("ID", "id"), Column("VPC", "vpc"), Column("SUBNET", "subnet"))
    show(Control(_running(state)).post("/foreign-vm", given), output, columns, name="id")


@app.command
def end_foreign_vm(vm_id: str, /, *, state: State = DEFAULT_STATE) -> None:
    """End a VM that `foreign-vm` started.

    Parameters
    ----------
    vm_id:
        As `foreign-vm` printed it.
    """
    Control(_running(state)).delete(f"/foreign-vm/{quote(vm_id, safe='')}")
    note(f"{vm_id} is being terminated")


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
    ready = _running(state)
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
    found = Control(_running(state)).get(f"/machines/{quote(machine, safe='')}/console")
    print(found["console"])


def _running(state: Path) -> process.Ready:
    ready = process.find(state)
    if ready is None:
        message = f"no sandbox runs on {state}; start one: holdfast sandbox up"
        raise Missing(message)
    return ready


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


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        message = f"--set {text!r}: expected KEY=VALUE"
        raise Usage(message)
    try:
        number = float(value)
    except ValueError:
        return key, value
    return key, int(number) if number.is_integer() else number
