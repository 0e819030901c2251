"""One pass over one cluster: the same for create, heal, delete and after a crash. READ FIRST."""

from holdfast.model.cluster import Cluster
from holdfast.model.wake import Again
from holdfast.planner import check, status
from holdfast.planner.decision import decide
from holdfast.planner.pace import paced
from holdfast.reconciler import apply, glance, observe, observe_only, record, scale
from holdfast.reconciler.world import Held, World


async def reconcile(cluster: Cluster, held: Held, world: World) -> Again:
    """One pass. Every step may be repeated; a crash between any two is healed by the next pass."""
    reached = await observe.reach(cluster, world)
    seen = await glance.settled(cluster, reached, held, world)
    seen = seen or await observe.everything(cluster, reached, world)
    cluster = await observe_only.recognised(cluster, seen, reached, held, world)
    choice, observed = await scale.machines(cluster, seen, reached, held, world)  # saved now
    now = world.clock.now()
    wanted = decide(cluster, choice.machines, observed, world.rules, now, choice.held_back)
    allowed = paced(wanted, world.pauses.of(cluster.id), world.droughts.now(now), now)
    plan, intended = await observe_only.shown(cluster, choice, observed, allowed, world)
    check.invariants(plan, observed, cluster, world.installation.id)  # raises, never repairs
    results = await apply.everything(cluster, plan, observed, reached, held, world)
    pauses = world.pauses.note(cluster.id, wanted, results, world.clock.now())
    evidence = status.Evidence(
        cluster,
        choice.machines,
        observed,
        plan,
        results,
        choice.held_back,
        choice.unfilled,
        pauses,
        intended,
    )
    return await record.everything(evidence, reached.recorded.things, held, world)
