"""Carries out a plan: saves every intent in one commit, then makes one call per action."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from holdfast.bootstrap import user_data
from holdfast.kube.port import KubeUnreachable
from holdfast.model.action import (
    Action,
    Create,
    Delete,
    DeleteNode,
    Drain,
    Plan,
    RemoveMember,
    Result,
)
from holdfast.model.cluster import Cluster
from holdfast.model.ids import ClusterId, MachineId, ProviderId, ResourceName
from holdfast.model.names import client_token, cloud_of
from holdfast.model.observed import Life, Observed
from holdfast.model.resource import ChallengeTag, Resource, VirtualMachine
from holdfast.providers.errors import CapacityUnavailable, ProviderError
from holdfast.providers.port import Creation, Provider, Scope
from holdfast.reconciler import drain
from holdfast.reconciler.observe import REMOVE_MEMBER, Reach, scope_of
from holdfast.reconciler.world import CALL_TIMEOUT, Held, World
from holdfast.store.errors import LeaseLost
from holdfast.store.intents import Intent
from holdfast.store.orders import Order

AT_ONCE = 16  # calls in flight for one cluster, to clouds and to its own API
WAITING = "Waiting"  # the "error" of an action that was begun and goes on by itself


async def everything(
    cluster: Cluster, plan: Plan, observed: Observed, reached: Reach, held: Held, world: World
) -> tuple[Result, ...]:
    """What became of each action. A failed action is a result; only LeaseLost ends the pass."""
    if cluster.observe_only or (cluster.reconcile_paused and not cluster.is_deleting):
        return ()
    tokens = _Tokens(cluster.id, observed, Counter(t.name for t in reached.recorded.things))
    intents = await _save_intents(cluster, plan.actions, tokens, held, world)
    calls = _Calls(cluster, observed, reached, intents, held, world)
    clouds, kubernetes = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)

    async def one(action: Action) -> Result:
        # Drains have a deadline: they must not stand in line behind calls that a cloud slows down.
        async with clouds if isinstance(action, Create | Delete) else kubernetes:
            return await calls.make(action)

    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one(action)) for action in plan.actions]
    except* LeaseLost as lost:
        raise LeaseLost(str(lost.exceptions[0])) from lost
    return tuple(task.result() for task in running)


async def _save_intents(
    cluster: Cluster,
    actions: Iterable[Action],
    tokens: "_Tokens",
    held: Held,
    world: World,
) -> dict[ResourceName, Intent]:
    """One commit before the first call: whatever happens, the next pass knows what was asked."""
    resources = [action.resource for action in actions if isinstance(action, Create)]
    if not resources:
        return {}
    now = world.clock.now()
    async with world.store.guarded(held.lease) as tx:
        known = await world.store.intents.of_cluster(tx, cluster.id)
        intents = [
            _intent(cluster.id, resource, known.get(resource.name), tokens.of(resource), now)
            for resource in resources
        ]
        await world.store.intents.save(tx, *intents)
    return {intent.name: intent for intent in intents}


def _intent(
    cluster: ClusterId, resource: Resource, known: Intent | None, token: str, now: datetime
) -> Intent:
    calls = 1 + (known.calls if known and known.token == token else 0)
    return Intent(cluster, resource.name, token, calls, now, calls)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Idempotency keys. `seen` counts the things that were ever seen under a name: one that is
    gone gives its successor a new key, since a cloud answers a known key with the old thing."""

    cluster: ClusterId
    observed: Observed
    seen: Mapping[ResourceName, int]

    def of(self, resource: Resource) -> str:
        """A machine's token was chosen with it; that of other things follows from their name."""
        if isinstance(resource, VirtualMachine):
            return self.observed.machines[resource.machine].token
        attempt = 1 + self.seen.get(resource.name, 0)
        return client_token(self.cluster, attempt, resource.name)


class _Calls:
    """One call per action, the lease checked right before each."""

    def __init__(
        self,
        cluster: Cluster,
        observed: Observed,
        reached: Reach,
        intents: dict[ResourceName, Intent],
        held: Held,
        world: World,
    ) -> None:
        self._cluster = cluster
        self._observed = observed
        self._reached = reached
        self._intents = intents
        self._held = held
        self._world = world

    async def make(self, action: Action) -> Result:
        """Carry out one action."""
        await self._held.ensure()
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return await self._done(action)
        except ProviderError as error:
            self._mark(action, error)
            return Result(action, type(error).__name__, str(error))
        except KubeUnreachable as error:
            return Result(action, "KubeUnreachable", str(error))
        except TimeoutError:
            return Result(action, "OutcomeUnknown", "the call took too long")

    async def _done(self, action: Action) -> Result:
        match action:
            case Create(resource=resource):
                provider, scope = self._cloud(resource.name)
                await provider.create(scope, self._creation(resource))
            case Delete(seen=seen):
                provider, scope = self._cloud(seen.resource.name)
                await provider.delete(scope, seen)
            case RemoveMember():
                return await self._order(action)
            case DeleteNode() | Drain():
                return await self._in_kubernetes(action)
        return Result(action)

    def _cloud(self, name: ResourceName) -> tuple[Provider, Scope]:
        cloud = next(c for c in self._cluster.spec.clouds if c.cloud is cloud_of(name))
        scope = scope_of(self._cluster, cloud, self._world)
        return self._reached.provider(cloud.cloud), scope

    def _creation(self, resource: Resource) -> Creation:
        known: dict[ResourceName, ProviderId] = {
            name: seen.id
            for name, seen in self._observed.things.items()
            if seen.life is not Life.GONE
        }
        payload = None
        if isinstance(resource, VirtualMachine):
            platform = self._world.platform
            payload = user_data.render(
                platform.url,
                platform.ca_sha256,
                platform.agent_sha256,
                resource.machine,
                self._world.nonce(resource.machine),
            )
        elif isinstance(resource, ChallengeTag):
            machine = MachineId(resource.name.rpartition("/")[2])
            payload = self._world.challenge(machine).encode()
        return Creation(resource, self._intents[resource.name].token, known, payload)

    def _mark(self, action: Action, error: ProviderError) -> None:
        if isinstance(error, CapacityUnavailable) and isinstance(action, Create):
            resource = action.resource
            if isinstance(resource, VirtualMachine):
                self._world.droughts.mark(resource.offering, self._world.clock.now())

    async def _order(self, action: RemoveMember) -> Result:
        lost = self._observed.machines[action.lost]
        order = Order(
            id=self._world.chance.uuid(),
            cluster=self._cluster.id,
            machine=action.through,
            kind=REMOVE_MEMBER,
            arguments={"machineId": lost.id, "name": lost.name, "peerIp": lost.private_ip or ""},
            created_at=self._world.clock.now(),
        )
        async with self._world.store.guarded(self._held.lease) as tx:
            given = await self._world.store.orders.add(tx, order)
        if given.id != order.id:
            return Result(action, WAITING, "ordered; the report on it is awaited")
        return Result(action)

    async def _in_kubernetes(self, action: DeleteNode | Drain) -> Result:
        kube = self._reached.kube
        if kube is None:
            return Result(action, "KubeUnreachable", "the cluster's API is not up")
        if isinstance(action, DeleteNode):
            await kube.delete_node(action.node)
            return Result(action)
        drained = await drain.step(kube, action.node)
        if drained.kept:
            names = ", ".join(f"{pod.namespace}/{pod.name}" for pod in drained.kept[:3])
            return Result(action, WAITING, f"a PodDisruptionBudget keeps {names}; {action.reason}")
        if drained.ending and not drained.evicted:
            return Result(action, WAITING, f"{len(drained.ending)} pods take their time to end")
        if not drained.evicted:
            return Result(action, WAITING, "drained; its end is awaited")
        return Result(action)
