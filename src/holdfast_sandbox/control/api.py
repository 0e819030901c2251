"""The paths of the control API and what each answers.

GET    /status                      machines, networks, uptime, gaps
GET    /truth?tag=KEY=VALUE         what the cloud still holds, with its price
GET    /calls?action=&after=&limit= every mutating call, oldest first
GET    /gaps                        what was asked for and is not emulated
GET    /faults        POST /faults         DELETE /faults/ID
GET    /callbacks     POST /callbacks      DELETE /callbacks/ADDRESS/PORT
POST   /foreign-vm                         DELETE /foreign-vm/ID
POST   /accounts
GET    /machines/ID/console         POST /machines/ID/exec
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from holdfast_sandbox.control.bodies import (
    AccountBody,
    CallbackBody,
    CommandBody,
    FaultBody,
    ForeignBody,
)
from holdfast_sandbox.control.callbacks import Callbacks
from holdfast_sandbox.control.faults import Faults
from holdfast_sandbox.control.foreign import Strangers
from holdfast_sandbox.control.server import Ask, Refused, Routes
from holdfast_sandbox.ports import Machines, MachineState

MOST_CALLS = 1000  # entries of one page of the record


class Books(Protocol):
    """What the control API reads in the cloud's books. All values are ready for JSON."""

    def truth(self, tag: tuple[str, str] | None) -> dict[str, object]:
        """What the cloud still holds: things, and their price in USD per hour."""
        ...

    def calls(self, after: int) -> list[dict[str, object]]:
        """The mutating calls behind number `after`, oldest first, each with its `number`."""
        ...

    def gaps(self) -> list[dict[str, object]]:
        """What was asked for and is not emulated."""
        ...

    def add_account(self, account: str | None) -> dict[str, str]:
        """A further account with its first keys. Raises ValueError for one that exists."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the control API speaks for. `console` also knows machines that are gone."""

    books: Books
    machines: Machines
    faults: Faults
    callbacks: Callbacks
    strangers: Strangers
    status: Callable[[], dict[str, object]]
    console: Callable[[str], str]


def routes(desk: Desk) -> Routes:
    """Path by path, what answers."""
    return {
        ("GET", "/status"): lambda _: desk.status(),
        ("GET", "/truth"): lambda ask: desk.books.truth(_tag(ask)),
        ("GET", "/calls"): lambda ask: _calls(desk, ask),
        ("GET", "/gaps"): lambda _: {"gaps": desk.books.gaps()},
        ("GET", "/faults"): lambda _: {"faults": [one.shown() for one in desk.faults.all()]},
        ("POST", "/faults"): lambda ask: desk.faults.begin(
            FaultBody.model_validate(ask.body)
        ).shown(),
        ("DELETE", "/faults/*"): lambda ask: desk.faults.end(ask.parts[0]).shown(),
        ("GET", "/callbacks"): lambda _: {"callbacks": desk.callbacks.all()},
        ("POST", "/callbacks"): lambda ask: {
            "callbacks": desk.callbacks.add(CallbackBody.model_validate(ask.body))
        },
        ("DELETE", "/callbacks/*/*"): lambda ask: {"callbacks": desk.callbacks.remove(*ask.parts)},
        ("POST", "/foreign-vm"): lambda ask: desk.strangers.start(
            ForeignBody.model_validate(ask.body)
        ),
        ("DELETE", "/foreign-vm/*"): lambda ask: desk.strangers.end(ask.parts[0]),
        ("POST", "/accounts"): lambda ask: _account(desk, AccountBody.model_validate(ask.body)),
        ("GET", "/machines/*/console"): lambda ask: _console(desk, ask.parts[0]),
        ("POST", "/machines/*/exec"): lambda ask: _execute(desk, ask),
    }


def _tag(ask: Ask) -> tuple[str, str] | None:
    text = ask.query.get("tag")
    if text is None:
        return None
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise Refused(400, f"tag={text!r} must be KEY=VALUE")
    return key, value


def _number(ask: Ask, name: str, default: int, most: int) -> int:
    text = ask.query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise Refused(400, f"{name}={text!r} must be 0 to {most}")
    return int(text)


def _calls(desk: Desk, ask: Ask) -> dict[str, object]:
    """A page of the record; `next` is the `after` of the page behind it, None at the end."""
    filters = {
        name: ask.query[name]
        for name in ("account", "region", "service", "action", "caller", "key", "code")
        if name in ask.query
    }
    if strange := ask.query.keys() - filters.keys() - {"after", "limit", "contains"}:
        raise Refused(400, f"unknown filter {', '.join(sorted(strange))}")
    limit = _number(ask, "limit", 100, MOST_CALLS) or 1
    found = [
        call
        for call in desk.books.calls(_number(ask, "after", 0, 2**53))
        if all(str(call.get(name)) == value for name, value in filters.items())
        and ask.query.get("contains", "") in str(call)
    ]
    page = found[:limit]
    return {"calls": page, "next": page[-1]["number"] if len(found) > limit else None}


def _account(desk: Desk, body: AccountBody) -> dict[str, str]:
    try:
        return desk.books.add_account(body.account)
    except ValueError as error:
        raise Refused(409, str(error)) from error


def _console(desk: Desk, machine: str) -> dict[str, object]:
    try:
        return {"id": machine, "console": desk.console(machine)}
    except LookupError as error:
        raise Refused(404, f"no machine {machine}") from error


def _execute(desk: Desk, ask: Ask) -> dict[str, object]:
    body = CommandBody.model_validate(ask.body)
    machine = ask.parts[0]
    status = desk.machines.status().get(machine)
    if status is None:
        raise Refused(404, f"no machine {machine}")
    if status.state is not MachineState.RUNNING:
        raise Refused(409, f"machine {machine} is {status.state}, so nothing can run inside")
    try:
        code, output = desk.machines.execute(machine, body.command, body.timeout)
    except TimeoutError as error:
        raise Refused(504, f"{body.command[0]} did not end in {body.timeout:g} s") from error
    return {"id": machine, "code": code, "output": output}
