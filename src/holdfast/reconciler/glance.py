"""A look at a settled cluster that costs no listing of its own.

When nothing but time wakes a cluster that was ready, the shared listings of its accounts may show
that all is as wanted. Anything else that they show is only a reason to ask the clouds themselves:
nothing is ever changed because of what is seen here.
"""

from holdfast.model.cluster import Cluster
from holdfast.model.observed import Observed, Seen
from holdfast.model.status import ClusterPhase
from holdfast.model.wake import Why
from holdfast.planner.decision import decide
from holdfast.reconciler import observe, scale
from holdfast.reconciler.observe import Reach
from holdfast.reconciler.world import Held, World


async def settled(cluster: Cluster, reached: Reach, held: Held, world: World) -> Observed | None:
    """What is there, if it is all that is wanted; None: the clouds must be asked."""
    is_calm = cluster.phase is ClusterPhase.READY and not cluster.is_deleting
    if held.lease.why is not Why.TICK or not is_calm or reached.recorded.intents:
        return None
    things = _listed(cluster, world)
    if things is None:
        return None
    kube, error = await observe.kube_seen(reached.kube)
    observed = observe.fold(things, reached.recorded, kube, error, world)
    return observed if await _is_as_wanted(cluster, observed, reached, world) else None


def _listed(cluster: Cluster, world: World) -> list[Seen] | None:
    things: list[Seen] = []
    for cloud in cluster.spec.clouds:
        listed = world.listings.of(cloud.credentials, cloud.region, cluster.id, world.clock.now())
        if listed is None:
            return None
        things += listed
    return things


async def _is_as_wanted(cluster: Cluster, observed: Observed, reached: Reach, world: World) -> bool:
    if observed.kube is None or observed.unsure or observed.surplus:
        return False
    if any(seen.late for seen in observed.agents.values()):
        return False
    if not await scale.is_settled(cluster, observed, reached, world):
        return False
    now = world.clock.now()
    plan = decide(cluster, observed.machines, observed, world.rules, now)
    return not plan.actions and not plan.waiting
