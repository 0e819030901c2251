"""One pass over one cluster: the same for create, heal, delete and after a crash. READ FIRST."""

from holdfast.model.cluster import Cluster
from holdfast.model.wake import Again
from holdfast.planner import check, status
from holdfast.planner.decision import decide
from holdfast.reconciler import apply, observe, record, scale
from holdfast.reconciler.world import Held, World


async def reconcile(cluster: Cluster, held: Held, world: World) -> Again:
    """One pass. Every step may be repeated; a crash between any two is healed by the next pass."""
    seen = await observe.everything(cluster, world)
    choice, observed = await scale.machines(cluster, seen, held, world)  # chosen once, saved now
    plan = decide(cluster, choice.machines, observed, world.rules, world.clock.now())
    check.invariants(plan, observed, cluster, world.installation.id)  # raises, never repairs
    results = await apply.everything(cluster, plan.actions, observed, held, world)
    evidence = status.Evidence(
        cluster, choice.machines, observed, plan, results, choice.held_back, choice.unfilled
    )
    return await record.everything(evidence, held, world)
