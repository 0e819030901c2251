"""The simulated side of the provider contract: AWS in memory, with time in the test's hand."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.contract.conftest import HandClock
from tests.contract.provider.side import (
    ACCOUNT,
    CLUSTER,
    INSTALLATION,
    OTHER_CLUSTER,
    REGION,
    ZONE,
    Side,
    name,
)

from holdfast.model.ids import ClusterId, ProviderId
from holdfast.model.observed import Seen
from holdfast.model.offering import Cloud
from holdfast.providers.port import Provider, Scope
from holdfast.providers.sim import sale, truth
from holdfast.providers.sim.provider import SimProviders
from holdfast.providers.sim.strangers import Stranger
from holdfast.providers.sim.world import Settings, World

KINDS = {"instance": "VirtualMachine", "vpc": "Network"}  # the suite's words -> the simulation's
LONG_ENOUGH = 100.0  # seconds; a machine runs within 40 and ends within 45


class SimSide(Side):
    """As the suite's other side, without a server."""

    def __init__(self) -> None:
        self.cloud = Cloud.AWS
        self.clock = HandClock()
        self.world = World(self.clock, Settings(seed=1, latency=0.0, rates=False))
        self.account = self.world.add_account(Cloud.AWS, ACCOUNT)
        self.site = self.account.site(REGION)
        self.scope = Scope(INSTALLATION, CLUSTER, "Demo", REGION, (("team", "shop"),))
        self.providers = SimProviders(self.world)
        self.payload = b"#cloud-config\n"
        self.image = sale.region(self.world, self.site).images["amd64"]

    @property
    def secret(self) -> dict[str, str]:
        return dict(self.account.keys[0].secret)

    @property
    def provider(self) -> Provider:
        return self.providers.provider(self.cloud, self.secret)

    def settle(self) -> None:
        self.clock.turn(LONG_ENOUGH)
        self.world.timeline.settle()

    def living(self, cluster: ClusterId | None = None) -> list[dict[str, Any]]:
        mine = truth.ours(self.world, INSTALLATION, cluster or self.scope.cluster)
        ids = {thing.id for _, thing in mine}
        return [one for one in truth.dump(self.world) if one["id"] in ids]

    def count(self, kind: str) -> int:
        return sum(1 for one in self.living() if one["kind"] == KINDS[kind])

    def changes(self) -> int:
        return len(self.world.record.calls)

    def of_other_cluster(self) -> "SimSide":
        other = copy.copy(self)
        other.scope = replace(self.scope, cluster=OTHER_CLUSTER)
        return other

    def stranger_machine(self, seen: Mapping[Any, Seen], *, group: ProviderId | None = None) -> str:
        subnet = seen[name("subnet", ZONE)].id
        held = group or seen[name("firewall", "worker")].id
        started = Stranger(self.world, self.site).machine(subnet, held)
        self.settle()
        return started

    def stranger_ends(self, machine: str) -> None:
        Stranger(self.world, self.site).delete(ProviderId(machine))

    def stranger_revokes(self, rule: Seen, group: Seen) -> None:
        Stranger(self.world, self.site).delete(rule.id)
