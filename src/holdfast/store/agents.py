"""The agents on the machines: whose key is whose, and the counter that refuses replays."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from holdfast.clock import Clock
from holdfast.model.ids import MachineId
from holdfast.store.database import Tx
from holdfast.store.errors import AlreadyBound, OldCounter
from holdfast.store.session import Row
from holdfast.store.tables import agents, machines
from holdfast.store.vault import Vault

_ROW = agents.c
_THIS = _ROW.machine == bindparam("of")
_KEY = select(_ROW.public_key).where(_THIS)
_GET = select(agents).where(_THIS)
_ADVANCE = update(agents).where(_THIS, _ROW.counter < bindparam("above"))
_HEARD = (
    select(_ROW.machine, _ROW.heard_at)
    .join(machines, machines.c.id == _ROW.machine)
    .where(machines.c.gone_at.is_(None))
)


@dataclass(frozen=True, slots=True)
class AgentRow:
    """A bound agent.

    counter      the highest one accepted; 0 before the first call-back
    last_digest  what tells the last message from another with its counter; empty before the first
    last_answer  what it was answered, for an exact repeat; None before the first
    heard_at     when it last said something
    """

    machine: MachineId
    public_key: str  # PEM, Ed25519
    boot_id: str
    counter: int
    last_digest: str
    last_answer: bytes | None
    bound_at: datetime
    heard_at: datetime


class Agents:
    """One row a machine. Answers are sealed: one may carry a control plane's keys."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def bind(self, tx: Tx, machine: MachineId, public_key: str, boot_id: str) -> None:
        """First contact. The same key again is a repeat and changes nothing.

        Raises AlreadyBound when the machine has another key.
        """
        bound = await tx.row(_KEY, of=machine)
        if bound is not None:
            if bound["public_key"] == public_key:
                return
            message = f"machine {machine} is bound to another key"
            raise AlreadyBound(message)
        now = self._clock.now()
        row = {
            "machine": machine,
            "public_key": public_key,
            "boot_id": boot_id,
            "counter": 0,
            "last_digest": "",
            "last_answer": None,
            "bound_at": now,
            "heard_at": now,
        }
        await tx.insert(agents, [row])

    async def get(self, tx: Tx, machine: MachineId) -> AgentRow | None:
        """The machine's agent, or None before first contact."""
        row = await tx.row(_GET, of=machine)
        return None if row is None else self._agent(row)

    async def advance(
        self, tx: Tx, machine: MachineId, counter: int, digest: str, answer: bytes
    ) -> None:
        """A call-back was accepted and is answered so. Raises OldCounter: it was a replay."""
        touched = await tx.run(
            _ADVANCE,
            of=machine,
            above=counter,
            counter=counter,
            last_digest=digest,
            last_answer=self._vault.seal(answer, about(machine)),
            heard_at=self._clock.now(),
        )
        if not touched:
            message = f"machine {machine}: counter {counter} is not above the last one"
            raise OldCounter(message)

    async def heard(self, tx: Tx) -> dict[MachineId, datetime]:
        """When each agent of a machine that is not gone last said something, for a restart."""
        return {MachineId(row["machine"]): row["heard_at"] for row in await tx.rows(_HEARD)}

    def _agent(self, row: Row) -> AgentRow:
        sealed = row["last_answer"]
        answer = None if sealed is None else self._vault.open(sealed, about(row["machine"]))
        return AgentRow(**{**row, "last_answer": answer})


def about(machine: str) -> str:
    """What a sealed answer is bound to."""
    return f"agents/{machine}"
