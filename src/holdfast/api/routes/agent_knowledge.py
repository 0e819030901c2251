"""What is known of the machine that a message claims to come from, kept until its cluster changes.

Agents say something every second while they wait and every five seconds ever after; nearly all of
it changes nothing. So that such a message costs no query, what was read for one is kept for the
next, and dropped by the commit that changes anything of the cluster. One process serves the
database: no commit passes it by.
"""

from dataclasses import dataclass, field, replace

from holdfast.api.routes import lookup
from holdfast.model.cluster import Cluster
from holdfast.model.ids import ClusterId, MachineId
from holdfast.model.machine import Machine
from holdfast.store.agents import AgentRow
from holdfast.store.database import Tx
from holdfast.store.orders import Order
from holdfast.store.store import Store


class Unaccepted(Exception):
    """The message is refused. The reason is recorded and never sent."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the machine that a message claims to come from."""

    machine: Machine
    cluster: Cluster
    control_planes: tuple[Machine, ...]  # of its cluster, gone ones included
    agent: AgentRow | None
    orders: tuple[Order, ...]  # not reported on yet


@dataclass(slots=True)
class _Kept:
    """Of one cluster; machines share the rows of their control planes."""

    cluster: Cluster
    control_planes: tuple[Machine, ...]
    seen: dict[MachineId, Seen] = field(default_factory=dict)


class Knowledge:
    """Reads what is known, and remembers it of machines that may still say something."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[ClusterId, _Kept] = {}
        self._home: dict[MachineId, ClusterId] = {}
        self._changes = 0
        store.on_change(self._changed)

    async def of(self, machine_id: str) -> Seen:
        """What is known now. Raises Unaccepted for a machine that does not exist."""
        home = self._home.get(MachineId(machine_id))
        if home is not None and home in self._kept:
            kept = self._kept[home].seen.get(MachineId(machine_id))
            if kept is not None:
                return kept
        changes = self._changes
        async with self._store.reading() as tx:
            seen = await self.look(tx, machine_id)
        if seen.machine.is_wanted and seen.agent is not None and changes == self._changes:
            self._keep(seen)
        return seen

    async def look(self, tx: Tx, machine_id: str) -> Seen:
        """What the tables say. Raises Unaccepted."""
        known = lookup.uuid(machine_id)
        # Only the canonical text: the path is part of what was signed.
        machine = None
        if known is not None and known == machine_id:
            machine = await self._store.machines.get(tx, MachineId(known))
        if machine is None:
            raise Unaccepted("no such machine")
        cluster = await self._store.clusters.get(tx, machine.cluster)
        if cluster is None:
            raise Unaccepted("its cluster is not known")
        return Seen(
            machine=machine,
            cluster=cluster,
            control_planes=await self._store.machines.control_planes(tx, cluster.id),
            agent=await self._store.agents.get(tx, machine.id),
            orders=await self._store.orders.pending(tx, machine.id),
        )

    def _keep(self, seen: Seen) -> None:
        home = seen.cluster.id
        kept = self._kept.setdefault(home, _Kept(seen.cluster, seen.control_planes))
        shared = replace(seen, cluster=kept.cluster, control_planes=kept.control_planes)
        kept.seen[seen.machine.id] = shared
        self._home[seen.machine.id] = home

    def _changed(self, cluster: ClusterId) -> None:
        """A commit changed something of a cluster: what was known of it is read anew."""
        self._changes += 1
        kept = self._kept.pop(cluster, None)
        for machine in kept.seen if kept is not None else ():
            del self._home[machine]
