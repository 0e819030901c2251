"""A cluster that is only observed: what tells that it must be, and the plan that only shows."""

from dataclasses import replace

from holdfast.model.action import Plan, Waiting
from holdfast.model.cluster import Cluster
from holdfast.model.observed import Observed
from holdfast.planner.intended import Step, intended, prices
from holdfast.planner.machines import Choice
from holdfast.reconciler.observe import Reach
from holdfast.reconciler.scale import regions
from holdfast.reconciler.world import Held, World

WAITS = Waiting("cluster", "observe-only: waiting for release", on_person=True)


async def recognised(
    cluster: Cluster, observed: Observed, reached: Reach, held: Held, world: World
) -> Cluster:
    """The cluster as it may be treated: only observed from the moment its records prove too old.

    A machine with our tags is recorded before it is asked for. One that no record knows was made
    by records that are lost: everything else that they said is lost too. A cluster that is deleted
    goes by its tag, whatever was recorded of it.
    """
    shown = {thing.id for thing in reached.recorded.things}
    fresh = [seen for seen in observed.unrecorded if seen.id not in shown]
    if cluster.observe_only or cluster.is_deleting or not fresh:
        return cluster
    reason = f"{fresh[0].id} of cluster {cluster.spec.name} has our tags and no record of ours"
    async with world.store.guarded(held.lease) as tx:
        await world.store.observe_only.enter(tx, reason)
    return replace(cluster, observe_only=True)


async def shown(
    cluster: Cluster, choice: Choice, observed: Observed, plan: Plan, world: World
) -> tuple[Plan, tuple[Step, ...]]:
    """The plan that may be carried out, and the steps that would be taken after a release."""
    if not cluster.observe_only:
        return plan, ()
    known = prices(await regions(cluster, world))
    persons = tuple(waiting for waiting in plan.waiting if waiting.on_person)
    return Plan((), (WAITS, *persons)), intended(choice, observed, plan, known)
