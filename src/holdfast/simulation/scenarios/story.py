"""What a story is made of, and the steps that many share."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from holdfast.kube.sim.objects import Budget, Deployment, Requests
from holdfast.model.ids import ClusterId
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.simulation.invariants import Expected
from holdfast.simulation.machines import Guest
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.world import Simulation

REPLACED = 3600.0  # seconds within which a machine that is of no use must have gone


class Broken(Exception):
    """A story did not go as it must; `invariant` says what that breaks."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(text)
        self.invariant = invariant


Story = Callable[[Simulation], Awaitable[Expected]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story by its name, in one sentence."""

    name: str
    about: str
    story: Story


async def created(
    world: Simulation,
    control_planes: int = 1,
    workers: int = 2,
    *,
    spot: bool = False,
    clouds: Sequence[Cloud] = (Cloud.AWS,),
) -> ClusterId:
    """A cluster that is Ready and quiet, its nodes in turn on the clouds."""
    await world.user.connect(*clouds)
    cluster = await world.user.create("web", control_planes, workers, spot=spot, clouds=clouds)
    await until_quiet(world)
    return cluster


def of_role(world: Simulation, cluster: ClusterId, role: Role) -> list[Guest]:
    """The cluster's machines of one role that run."""
    return [guest for guest in world.guests(cluster) if guest.resource.role is role]


async def gone(world: Simulation, guest: Guest) -> None:
    """Wait until a machine that is of no use was removed. Raises Broken."""
    until = world.clock.monotonic() + REPLACED
    while guest.runs:
        if world.clock.monotonic() > until:
            raise Broken("I12", f"{guest.resource.hostname} is of no use and was not removed")
        await world.clock.sleep(5.0)


def with_pods(world: Simulation, cluster: ClusterId) -> None:
    """What people run: five pods, of which three must stay."""
    web = Deployment("default", "web", 5, Requests(200, 128))
    world.kubernetes.cluster(cluster).deploy(web, Budget("default", "web", 3))
