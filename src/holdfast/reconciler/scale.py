"""Which machines should exist: records what was learned, asks the planner, saves the choice."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from itertools import count
from uuid import UUID, uuid5

from holdfast.identity import pki
from holdfast.model.account import Region
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Observed
from holdfast.model.offering import Cloud
from holdfast.model.spec import NodeRequest
from holdfast.planner.facts import learned
from holdfast.planner.machines import Choice, Fresh, Identities, Market, choose
from holdfast.reconciler.observe import PKI, Reach
from holdfast.reconciler.world import Held, World
from holdfast.store.database import Tx

Known = Mapping[MachineId, Machine]


async def machines(
    cluster: Cluster, seen: Observed, reached: Reach, held: Held, world: World
) -> tuple[Choice, Observed]:
    """The choice, and what was observed with the machines as they are now recorded.

    One commit: facts, verdicts, new machines and the events that tell of them; none when there
    is nothing to save. A cluster that is only observed saves nothing: it shows the choice.
    """
    now = world.clock.now()
    facts, told = learned(seen, world.rules, now)
    observed = replace(seen, machines={**seen.machines, **{m.id: m for m in facts}})
    choice = await _choice(cluster, observed, reached, world)
    if cluster.observe_only:
        return choice, replace(observed, machines=choice.machines)
    changed = {machine.id: machine for machine in (*facts, *choice.changed)}
    needs_keys = reached.recorded.pki is None and not cluster.is_deleting
    if changed or needs_keys:
        async with world.store.guarded(held.lease) as tx:
            if needs_keys:
                await _ensure_pki(cluster, tx, world)
            saved = await _merged(cluster, changed, reached.recorded.machines, tx, world)
            await world.store.machines.save(tx, *saved)
            await world.store.events.append(tx, cluster.id, *told, *choice.events)
        choice = replace(choice, machines={**choice.machines, **{m.id: m for m in saved}})
        _forget_silence(saved, world)
    return choice, replace(observed, machines=choice.machines)


async def is_settled(cluster: Cluster, seen: Observed, reached: Reach, world: World) -> bool:
    """Nothing is to be learned of the machines and none is to be chosen; saves nothing."""
    if learned(seen, world.rules, world.clock.now())[0]:
        return False
    choice = await _choice(cluster, seen, reached, world)
    return not (choice.changed or choice.events or choice.held_back or choice.unfilled)


async def _choice(cluster: Cluster, observed: Observed, reached: Reach, world: World) -> Choice:
    """A paused cluster keeps the machines that it has, whatever became of them."""
    if cluster.reconcile_paused and not cluster.is_deleting:
        return Choice(observed.machines, (), (), (), ())
    now = world.clock.now()
    market = Market(await regions(cluster, world), world.droughts.now(now))
    fresh = _shown(cluster) if cluster.observe_only else _drawn(world)
    identities = Identities(fresh, world.nonce_hash, reached.recorded.used)
    return choose(cluster, observed, market, identities, world.rules, now)


def _drawn(world: World) -> Fresh:
    return lambda _: MachineId(world.chance.uuid())


def _shown(cluster: Cluster) -> Fresh:
    """Identities that are only shown: the same in each pass, so that the same is shown."""
    number = count(1)

    def fresh(request: NodeRequest) -> MachineId:
        return MachineId(str(uuid5(UUID(cluster.id), f"{request.id}/{next(number)}")))

    return fresh


async def _merged(
    cluster: Cluster, changed: Known, before: Known, tx: Tx, world: World
) -> list[Machine]:
    """The changes of this pass, on top of what call-backs wrote since it read the rows."""
    present = {m.id: m for m in await world.store.machines.of_cluster(tx, cluster.id)}
    return [
        _onto(present[after.id], before[after.id], after)
        if after.id in present and after.id in before
        else after
        for after in changed.values()
    ]


def _onto(present: Machine, before: Machine, after: Machine) -> Machine:
    names = [field.name for field in fields(Machine)]
    ours = {n: getattr(after, n) for n in names if getattr(after, n) != getattr(before, n)}
    return replace(present, **ours)


def _forget_silence(saved: Iterable[Machine], world: World) -> None:
    """A machine that was written off is not waited for: its silence means nothing any more."""
    for machine in saved:
        if not machine.is_wanted:
            world.store.heartbeats.forget(machine.id)


async def regions(cluster: Cluster, world: World) -> Mapping[Cloud, Region]:
    """The stored catalogue of each of the cluster's regions; a cloud without one is left out."""
    found = {}
    async with world.store.reading() as tx:
        for cloud in cluster.spec.clouds:
            known = await world.store.regions.get(tx, cloud.credentials, cloud.region)
            if known is not None:
                found[cloud.cloud] = known[0]
    return found


async def _ensure_pki(cluster: Cluster, tx: Tx, world: World) -> None:
    """A cluster's keys are made once, in the commit that chooses its first machines."""
    if await world.store.secrets.get(tx, cluster.id, PKI) is None:
        keys = pki.new_cluster_pki(world.clock.now())
        await world.store.secrets.put(tx, cluster.id, PKI, keys.to_json())
