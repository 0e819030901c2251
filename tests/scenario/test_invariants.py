"""The invariants can fail: each finds the harm that is done to a quiet world on purpose."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import pytest

from holdfast.model.ids import ClusterId
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim import removing, truth
from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.record import Doubled
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation import invariants
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.invariants import Expected
from holdfast.simulation.machines import Guest
from holdfast.simulation.quiet import NotConverged, until_quiet
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.watch import Watch
from holdfast.simulation.world import Settings, Simulation

LIGHT = Settings(heartbeats=Heartbeats.LIGHT)
CALM = Expected(is_calm=True)


@dataclass
class Stage:
    world: Simulation
    cluster: ClusterId
    watch: Watch

    def sql(self, statement: str, *values: str) -> None:
        self.world.disk.raw.execute(statement, values)

    def guest(self, role: Role) -> Guest:
        return next(g for g in self.world.guests(self.cluster) if g.resource.role is role)

    def found(self, expected: Expected = CALM) -> set[str]:
        return {breach.invariant for breach in invariants.check(self.world, expected)}

    def issued(self, verb: str, subject: str) -> set[str]:
        """Breaches of an effect that the platform issues right now."""
        self.watch.breaches.clear()
        self.watch.before(1, Effect("cloud/aws", verb, subject, self.cluster))
        return {breach.invariant for breach in self.watch.breaches}

    def lease(self, owner: str) -> None:
        until = "lease_until = '2099-01-01 00:00:00.000000'"
        self.sql(f"UPDATE wakes SET lease_owner = ?, {until}", owner)


Story = Callable[[Stage], Coroutine[Any, Any, None]]


def story(control_planes: int = 1) -> Callable[[Story], Callable[[], None]]:
    """A quiet cluster without a breach, and what is done to it."""

    def decorate(told: Story) -> Callable[[], None]:
        def test() -> None:
            async def whole() -> None:
                async with Simulation.open(LIGHT) as world:
                    with logged(world):
                        await world.user.connect(Cloud.AWS)
                        cluster = await world.user.create("web", control_planes, 1)
                        await until_quiet(world)
                        stage = Stage(world, cluster, Watch(world))
                        assert stage.found() == set()
                        await told(stage)

            virtually(whole())

        test.__name__, test.__doc__ = told.__name__, told.__doc__
        return test

    return decorate


@story()
async def test_orphans_and_ghosts(stage: Stage) -> None:
    stage.sql("DELETE FROM things WHERE kind = 'subnet'")
    assert "I2" in stage.found()
    stage.sql("INSERT INTO things SELECT cluster, 'vpc-no', name, kind, 'present', '', "
              "first_seen_at, NULL, 0, NULL FROM things WHERE kind = 'network'")  # fmt: skip
    texts = [str(breach) for breach in invariants.check(stage.world, CALM)]
    assert any("orphan Subnet" in text for text in texts)
    assert any("vpc-no" in text and "is not there" in text for text in texts)


@story()
async def test_a_removed_machine_and_a_ghost_node(stage: Stage) -> None:
    worker = stage.guest(Role.WORKER)
    Stranger(stage.world.clouds, worker.site).delete(worker.thing)
    assert {"I4", "I19"} & stage.found()


@story()
async def test_foreign_things(stage: Stage) -> None:
    here = invariants.installation(stage.world)
    ours = {thing.kind: (site, thing) for site, thing in truth.ours(stage.world.clouds, here)}
    site, network = ours["Network"]
    theirs = Stranger(stage.world.clouds, site).group(network.id)
    digest = truth.foreign_digest(stage.world.clouds, here)
    assert stage.found(Expected(foreign=digest)) == set()
    removing.gone(stage.world.clouds, site, theirs)
    assert stage.found(Expected(foreign=digest)) == {"I3"}


@story()
async def test_records_that_differ(stage: Stage) -> None:
    stage.sql("UPDATE machines SET private_ip = '10.99.0.1'")
    assert stage.found() == {"I7"}


@story()
async def test_a_secret_in_the_clear(stage: Stage) -> None:
    stage.sql(
        "UPDATE events SET message = ? WHERE seq = 1", stage.guest(Role.WORKER).settings["nonce"]
    )
    assert stage.found() == {"I8"}


@story()
async def test_a_limit_that_is_exceeded(stage: Stage) -> None:
    account = next(iter(stage.world.clouds.accounts.values()))
    account.limits["L-1216C47A"] = 1
    assert stage.found() == {"I15"}


@story()
async def test_machines_without_need(stage: Stage) -> None:
    bills = stage.world.clouds.record.bills
    for number in range(3):
        bills[f"i-{number}"] = next(iter(bills.values()))  # type: ignore[index]
    assert stage.found() == {"I5"}


@story()
async def test_a_create_without_an_intent(stage: Stage) -> None:
    stage.lease("simulated:1")
    assert stage.issued("create", "aws/network") == {"I10"}


@story()
async def test_a_call_without_the_lease(stage: Stage) -> None:
    assert stage.issued("delete", "aws/network") == {"I11"}
    stage.lease("simulated:2")
    assert stage.issued("delete", "aws/network") == {"I11"}
    stage.lease("simulated:1")
    assert stage.issued("delete", "aws/network") == set()


@story(control_planes=3)
async def test_quorum(stage: Stage) -> None:
    stage.lease("simulated:1")
    planes = [g for g in stage.world.guests() if g.resource.role is Role.CONTROL_PLANE]
    stage.world.machines.freeze(planes[0].machine)
    assert "I6" in stage.issued("delete", f"aws/machine/{planes[1].machine}")
    assert "I6" not in stage.issued("delete", f"aws/machine/{planes[0].machine}")


@story()
async def test_the_breaker(stage: Stage) -> None:
    stage.lease("simulated:1")
    worker, plane = stage.guest(Role.WORKER), stage.guest(Role.CONTROL_PLANE)
    assert stage.issued("delete", f"aws/machine/{worker.machine}") == set()
    assert "I16" in stage.issued("delete", f"aws/machine/{plane.machine}")


@story()
async def test_blindness(stage: Stage) -> None:
    stage.lease("simulated:1")
    now = stage.world.clock.now()
    fault = Fault(Kind.OUTAGE, cloud="aws", verb="observe", since=now)
    stage.world.clouds.faults.add(fault)
    worker = stage.guest(Role.WORKER)
    await stage.world.clock.sleep(30)
    assert "I14" not in stage.issued("delete", f"aws/machine/{worker.machine}")
    await stage.world.clock.sleep(180)
    stage.lease("simulated:1")
    assert "I14" in stage.issued("delete", f"aws/machine/{worker.machine}")


def _noted(stage: Stage, outcome: str, times: int = 1) -> None:
    """Calls as the clouds would have written them down."""
    record = stage.world.clouds.record
    last = next(call for call in reversed(record.calls) if call.verb == "create")
    record.calls += [replace(last, subject="aws/network", outcome=outcome) for _ in range(times)]


@story()
async def test_a_machine_that_lived_twice(stage: Stage) -> None:
    worker = stage.guest(Role.WORKER)
    thing = worker.site.shelf.thing(worker.thing)
    assert thing is not None
    assert thing.owner is not None
    now = stage.world.clouds.moment()
    twice = Doubled(now, thing.owner, (worker.thing, worker.thing))
    stage.world.clouds.record.doubled.append(twice)
    assert stage.found() == {"I1"}


@story()
async def test_calls_above_the_rate(stage: Stage) -> None:
    stage.world.clouds.record.refused["111111111111", "eu-central-1", "create-Network"] += 1
    assert stage.found() == {"I9"}


@story()
async def test_the_same_error_again_and_again(stage: Stage) -> None:
    _noted(stage, "QuotaExceeded", invariants.SAME_ERRORS)
    assert "I9" not in stage.found(Expected())
    _noted(stage, "QuotaExceeded")
    assert "I9" in stage.found(Expected())


@story()
async def test_a_dependency_error_on_a_calm_day(stage: Stage) -> None:
    _noted(stage, "DependencyHeld")
    assert stage.found() == {"I17"}
    assert stage.found(Expected()) == set()


@story()
async def test_a_world_that_does_not_become_quiet(stage: Stage) -> None:
    worker = stage.guest(Role.WORKER)
    Stranger(stage.world.clouds, worker.site).delete(worker.thing)
    with pytest.raises(NotConverged, match=r"the window is not over|waits|actions|come or go"):
        await until_quiet(stage.world, 60.0)


@story()
async def test_a_restart_that_finds_something_to_do(stage: Stage) -> None:
    worker = stage.guest(Role.WORKER)
    Stranger(stage.world.clouds, worker.site).delete(worker.thing)
    found = await invariants.stable_after_restart(stage.world)
    assert {breach.invariant for breach in found} == {"I13"}
