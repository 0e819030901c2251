"""Other people in the same account: their things in ours, and their hands on ours."""

from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from holdfast.model.ids import ClusterId, MachineId, ProviderId, ResourceName
from holdfast.model.observed import Life
from holdfast.model.offering import CapacityType, OfferingKey
from holdfast.model.resource import (
    Direction,
    FirewallGroup,
    FirewallRule,
    Resource,
    Role,
    VirtualMachine,
)
from holdfast.providers.sim import machines, making, removing, sale
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.making import Request
from holdfast.providers.sim.record import Call
from holdfast.providers.sim.things import History, Tags, Thing
from holdfast.providers.sim.world import World

THEIRS: Tags = (("Name", "web"), ("team", "ops"))


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody with a key of the same account who does not know of us."""

    world: World
    site: Site
    tags: Tags = THEIRS

    # Their things

    def machine(self, subnet: ProviderId, group: ProviderId) -> ProviderId:
        """Start a machine in a subnet and a group, which may be ours."""
        zone = self._living(subnet).zone
        offers = self.world.market.offers(self.site.cloud, self.site.region)
        offer = next(
            key
            for key in offers
            if key.zone == zone and key.capacity_type is CapacityType.ON_DEMAND
        )
        return self._make(self._machine(offer, subnet), {"subnet": subnet, "group": group})

    def interface(self, subnet: ProviderId) -> ProviderId:
        """Make a network interface in a subnet: what databases and functions leave there."""
        kind = "network interface"
        number = f"{kind}/{subnet}"
        thing = Thing(
            id=self.world.new_id(self.site, kind, number),
            kind=kind,
            resource=None,
            owner=None,
            tags=self.tags,
            life=Life.PRESENT,
            refs=(subnet,),
            created_at=self.world.stamp(self.site),
        )
        self.world.timeline.settle()
        self.world.write(self.site, History(thing.id, kind), thing)
        self._note("create", kind, thing.id)
        return thing.id

    def rule(self, group: ProviderId, peer: str = "192.0.2.0/24", port: int = 22) -> ProviderId:
        """Open a port of a group to a range."""
        name = ResourceName(f"stranger/rule/{port}")
        rule = FirewallRule(
            name,
            ResourceName("group"),
            Direction.INGRESS,
            "tcp",
            port,
            port,
            IPv4Network(peer),
        )
        return self._make(rule, {"group": group})

    def group(self, network: ProviderId, name: str = "stranger/group") -> ProviderId:
        """Make a firewall group in a network."""
        wanted = FirewallGroup(ResourceName(name), ResourceName("network"))
        return self._make(wanted, {"network": network})

    # Their hands on ours

    def delete(self, thing: ProviderId) -> None:
        """Delete any thing, as in the cloud's own console. Raises DependencyHeld as for us."""
        self.world.timeline.settle()
        removing.remove(self.world, self.site, thing, f"delete {thing}")
        self._note("delete", thing, thing)

    def change(self, thing: ProviderId, resource: Resource) -> None:
        """Change a thing in place: what the cloud answers of it differs from now on.

        Raises LookupError for a thing that is not there.
        """
        self._write(thing, "change", replace(self._living(thing), resource=resource))

    def untag(self, thing: ProviderId) -> None:
        """Take all tags off a thing. Raises LookupError for a thing that is not there."""
        self._write(thing, "untag", replace(self._living(thing), owner=None, tags=()))

    def stop(self, machine: ProviderId) -> None:
        """Stop a machine without ending it."""
        self.world.timeline.settle()
        machines.stop(self.world, self.site, machine, "Client.UserInitiatedShutdown")
        self._note("stop", machine, machine)

    def start(self, machine: ProviderId) -> None:
        """Start a stopped machine: it comes back as it was."""
        self.world.timeline.settle()
        machines.start(self.world, self.site, machine)
        self._note("start", machine, machine)

    # Parts

    def _machine(self, offer: OfferingKey, subnet: ProviderId) -> VirtualMachine:
        images = {image.arch: image.id for image in reversed(sale.images(self.world, self.site))}
        arch = self.world.market.offers(self.site.cloud, self.site.region)[offer].arch
        number = len(self.world.record.calls)
        return VirtualMachine(
            name=ResourceName(f"stranger/machine/{subnet}/{number}"),
            machine=MachineId(""),
            hostname=f"web-{number}",
            role=Role.WORKER,
            offering=offer,
            image=images[arch],
            disk_gib=8,
            subnet=ResourceName("subnet"),
            groups=(ResourceName("group"),),
            machine_role=ResourceName("group"),  # none of its own: clouds don't ask for one
        )

    def _make(self, resource: Resource, refs: dict[str, ProviderId]) -> ProviderId:
        self.world.timeline.settle()
        by_name = {ResourceName(name): one for name, one in refs.items()}
        made = making.make(self.world, self.site, Request(resource, None, self.tags, by_name))
        self._note("create", resource.name, made.thing)
        return made.thing

    def _living(self, thing: ProviderId) -> Thing:
        self.world.timeline.settle()
        found = self.site.shelf.living(thing)
        if found is None:
            message = f"{thing} is not there in {self.site}"
            raise LookupError(message)
        return found

    def _write(self, thing: ProviderId, verb: str, after: Thing) -> None:
        self.world.write(self.site, self.site.shelf.histories[thing], after)
        self._note(verb, thing, thing)

    def _note(self, verb: str, subject: str, thing: ProviderId) -> None:
        record, site = self.world.record, self.site
        record.calls.append(
            Call(
                number=len(record.calls) + 1,
                at=self.world.moment(),
                caller="stranger",
                cloud=site.cloud.value,
                account=site.account,
                key="",
                region=site.region,
                verb=verb,
                subject=subject,
                cluster=ClusterId(""),
                outcome="ok",
                thing=thing,
            )
        )
