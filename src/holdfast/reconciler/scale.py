"""Which machines should exist: records what was learned, asks the planner, saves the choice."""

from collections.abc import Mapping
from dataclasses import replace

from holdfast.identity import pki
from holdfast.model.account import Region
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId
from holdfast.model.observed import Observed
from holdfast.model.offering import Cloud
from holdfast.planner.facts import learned
from holdfast.planner.machines import Choice, Identities, Market, choose
from holdfast.reconciler.observe import PKI
from holdfast.reconciler.world import Held, World
from holdfast.store.database import Tx


async def machines(
    cluster: Cluster, observed: Observed, held: Held, world: World
) -> tuple[Choice, Observed]:
    """The choice, and what was observed with the machines as they are now recorded.

    One commit: facts, verdicts, new machines and the events that tell of them.
    """
    now = world.clock.now()
    facts, told = learned(observed, world.rules, now)
    observed = replace(observed, machines={**observed.machines, **{m.id: m for m in facts}})
    market = Market(await regions(cluster, world), world.droughts.now(now))
    identities = Identities(lambda _: MachineId(world.chance.uuid()), world.nonce_hash)
    choice = choose(cluster, observed, market, identities, world.rules, now)
    changed = {machine.id: machine for machine in (*facts, *choice.changed)}
    async with world.store.guarded(held.lease) as tx:
        await _ensure_pki(cluster, tx, world)
        await world.store.machines.save(tx, *changed.values())
        await world.store.events.append(tx, cluster.id, *told, *choice.events)
    return choice, replace(observed, machines=choice.machines)


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
    if cluster.is_deleting or await world.store.secrets.get(tx, cluster.id, PKI) is not None:
        return
    keys = pki.new_cluster_pki(world.clock.now())
    await world.store.secrets.put(tx, cluster.id, PKI, keys.to_json())
