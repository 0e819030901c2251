"""Keys of cloud accounts that change while something goes on."""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.model.offering import Cloud
from holdfast.providers.sim.account import Account
from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault
from holdfast.simulation.invariants import Expected
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import Broken, Scenario, Story
from holdfast.simulation.user import Refused
from holdfast.simulation.world import Simulation

LATER = 120.0  # seconds that the old key lives on
OTHER = "222222222222"


@dataclass(slots=True)
class _DuringACall:
    """The old key dies while the next call that makes something is on its way."""

    account: Account
    is_armed: bool = False

    def before(self, number: int, effect: Effect) -> Fault | None:  # noqa: ARG002
        """The call has left with the old key."""
        if self.is_armed and effect.verb == "create":
            self.account.keys[0].is_valid = False
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:
        """Nothing."""

    def reading(self, effect: Effect) -> Fault | None:  # noqa: ARG002
        """Nothing."""
        return None


async def _begun(world: Simulation) -> Account:
    """A cluster whose making goes on."""
    await world.user.connect(Cloud.AWS)
    await world.user.create("web")
    while not any(call.verb == "create" for call in world.clouds.record.calls):
        await world.clock.sleep(0.5)
    return next(iter(world.clouds.accounts.values()))


async def _replaced(world: Simulation, account: Account) -> None:
    world.transcript.note("the user gives another key of the same account")
    await world.user.replace_key(Cloud.AWS, dict(account.new_key().secret))


def _rotated(old_dies: Callable[[Simulation, Account], object], wait: float) -> Story:
    async def story(world: Simulation) -> Expected:
        account = await _begun(world)
        await _replaced(world, account)
        await world.clock.sleep(wait)
        old_dies(world, account)
        await until_quiet(world)
        return Expected()

    return story


def _dead(world: Simulation, account: Account) -> None:
    world.transcript.note("the old key dies")
    account.keys[0].is_valid = False


async def _during_a_call(world: Simulation) -> Expected:
    """It dies before the new one is known, under the hands of a call."""
    account = await _begun(world)
    watcher = _DuringACall(account, is_armed=True)
    world.hub.watchers.append(watcher)
    while account.keys[0].is_valid:
        await world.clock.sleep(0.1)
    world.transcript.note("the old key died during a call")
    await _replaced(world, account)
    await until_quiet(world)
    return Expected()


async def _of_another_account(world: Simulation) -> Expected:
    """Its listings would show nothing at all: it is refused, and nothing is made with it."""
    await world.user.connect(Cloud.AWS)
    await world.user.create("web")
    await until_quiet(world)
    other = world.clouds.add_account(Cloud.AWS, OTHER)
    calls = len(world.clouds.record.calls)
    world.transcript.note("the user gives the key of another account")
    try:
        await world.user.replace_key(Cloud.AWS, dict(other.keys[0].secret))
    except Refused as refusal:
        if OTHER not in str(refusal):
            raise Broken("I4", f"the refusal does not name the account: {refusal}") from refusal
    else:
        raise Broken("I4", "a key of another account was accepted")
    await until_quiet(world)
    made = [call for call in world.clouds.record.calls[calls:] if call.verb == "create"]
    if made or any(site.shelf.histories for site in other.sites):
        raise Broken("I1", f"{len(made)} things were made with the key of another account")
    return Expected()


KEYS = (
    Scenario("key-rotated", "the old key dies as soon as it is replaced", _rotated(_dead, 0.0)),
    Scenario("key-rotated-later", "the old key dies minutes later", _rotated(_dead, LATER)),
    Scenario("key-rotated-midway", "the old key dies during a call", _during_a_call),
    Scenario("key-foreign", "a key of another account is given", _of_another_account),
)
