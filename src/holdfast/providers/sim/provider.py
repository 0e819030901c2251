"""The provider port over a simulated cloud: one key, six methods, and the driver's own care."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from holdfast.model import account as model
from holdfast.model import names
from holdfast.model.account import Region
from holdfast.model.ids import ClusterId, ProviderId
from holdfast.model.observed import Blind, Foreign, Seen
from holdfast.model.offering import Cloud
from holdfast.model.resource import VirtualMachine, needs
from holdfast.providers import errors
from holdfast.providers.limits import Budget, Limits
from holdfast.providers.port import Creation, Scope
from holdfast.providers.sim import calls, listing, making, removing, sale
from holdfast.providers.sim.account import Account, Key, Site
from holdfast.providers.sim.calls import Change
from holdfast.providers.sim.clouds import KINDS, TRAITS, Repeat
from holdfast.providers.sim.consistency import FRESH, visible
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.gate import Line, right
from holdfast.providers.sim.making import Made, Request
from holdfast.providers.sim.record import Touched
from holdfast.providers.sim.things import Owner, Tags, Thing, words
from holdfast.providers.sim.world import World

CONSOLE = 16 * 1024  # bytes of the tail


@dataclass(frozen=True, slots=True)
class Care:
    """The driver's safety rules. A sweep takes one out to prove that it finds the harm.

    tokens  sends idempotency keys, and looks before it makes what a repeat would double
    owner   reads a thing's tags before it deletes it
    pages   reads listings to the end
    """

    tokens: bool = True
    owner: bool = True
    pages: bool = True


class SimProvider:
    """One key of one account in one simulated cloud."""

    def __init__(
        self,
        world: World,
        account: Account,
        key: Key,
        limits: Limits | None = None,
        care: Care | None = None,
    ) -> None:
        self._world = world
        self._account = account
        self._key = key
        self._limits = limits
        self._care = care or Care()

    async def check(self, region: str) -> model.Account:
        """Who the key is and what it lacks; changes nothing."""
        line = self._line(region)
        await calls.ask(line, "check", "the credentials", everywhere=True)
        found = self._account
        missing = sorted(
            right(verb, kind)
            for verb, kinds in (("create", KINDS), ("delete", KINDS), ("observe", KINDS))
            for kind in kinds
            if self._is_denied(line, verb, kind)
        )
        principal = f"{found.cloud.value}:{found.id}:{self._key.id}"
        return model.Account(found.id, principal, tuple(sorted(found.regions)), tuple(missing))

    async def catalogue(self, region: str) -> Region:
        """What can be bought in `region` now."""
        line = self._line(region)
        await calls.ask(line, "catalogue", region)
        return sale.region(self._world, line.site)

    async def observe(
        self, scope: Scope, cluster: ClusterId | None
    ) -> Sequence[Seen | Blind | Foreign]:
        """Our things, what could not be read, and what is in their way."""
        line = self._line(scope.region)
        return await listing.observe(line, scope, cluster, all_pages=self._care.pages)

    async def create(self, scope: Scope, creation: Creation) -> None:
        """Make one thing, after a look for it where a repeat would make a second one."""
        resource, line = creation.resource, self._line(scope.region)
        for name in sorted(needs(resource)):
            if name not in creation.known:
                detail = f"the id of {name} was not observed"
                raise errors.RequestRejected(f"create {resource.name}", "", detail)
        request = self._request(scope, creation)
        repeat = TRAITS[self._account.cloud].repeat.get(request.kind, Repeat.REFUSED)
        if self._care.tokens and repeat is Repeat.DOUBLES and self._shown(line.site, request):
            return
        try:
            await self._make(line, request, scope)
        except errors.Conflict as conflict:
            self._adopt(line.site, request, conflict)

    async def delete(self, scope: Scope, thing: Seen) -> None:
        """Take one thing away, after a look at its tags."""
        line = self._line(scope.region)
        found = line.site.shelf.living(thing.id)
        if found is None:
            return
        if self._care.owner and not _is_ours(found, scope):
            attempted = f"delete {thing.resource.name}"
            raise errors.Conflict(attempted, "", f"{thing.id} is not ours: {words(found)}")
        await self._remove(line, thing, scope)

    async def console(self, scope: Scope, machine: ProviderId) -> str:
        """What a machine wrote on its console."""
        line = self._line(scope.region)
        await calls.ask(line, "console", machine)
        text = self._world.consoles.get(machine, "")
        return text.encode()[-CONSOLE:].decode(errors="ignore")

    # Parts

    def _line(self, region: str) -> Line:
        site = self._account.site(region)
        return Line(self._world, self._account, self._key, site, self._limits)

    def _request(self, scope: Scope, creation: Creation) -> Request:
        resource = creation.resource
        wanted = needs(resource)
        token = creation.token if self._care.tokens else ""
        return Request(
            resource=resource,
            owner=Owner(scope.installation, scope.cluster, resource.name),
            tags=_users_tags(scope.tags),
            refs={name: one for name, one in creation.known.items() if name in wanted},
            token=token if isinstance(resource, VirtualMachine) else "",
            payload=creation.payload or b"",
        )

    async def _make(self, line: Line, request: Request, scope: Scope) -> None:
        world, site = self._world, line.site

        def act(partial: Fault | None) -> Made:
            made = making.make(world, site, request, partial)
            world.note_touched(site, tuple(request.refs.values()), request.owner)
            return made

        await self._call(
            line,
            Change(
                verb="create",
                subject=request.resource.name,
                cluster=scope.cluster,
                facts=line.facts("create", request.resource, request.resource.name),
                group=f"create-{request.kind}",
                budget=self._budget(request.kind),
                act=act,
                token=request.token,
                parameters=request.parameters(),
            ),
        )

    async def _remove(self, line: Line, thing: Seen, scope: Scope) -> None:
        world, site, name = self._world, line.site, thing.resource.name

        def act(_: Fault | None) -> Made:
            found = site.shelf.living(thing.id)
            removing.remove(world, site, thing.id, f"delete {name}")
            if found is not None and not _is_ours(found, scope):
                world.record.touched.append(Touched(world.moment(), thing.id, scope.cluster))
            return Made(thing.id)

        await self._call(
            line,
            Change(
                verb="delete",
                subject=name,
                cluster=scope.cluster,
                facts=line.facts("delete", thing.resource, name, thing.id),
                group=f"delete-{type(thing.resource).__name__}",
                budget=TRAITS[site.cloud].changing,
                act=act,
                parameters=thing.id,
            ),
        )

    async def _call(self, line: Line, change: Change) -> None:
        error: errors.ProviderError | None = None
        try:
            await calls.change(line, change)
        except errors.ProviderError as refused:
            error = refused
            raise
        finally:
            line.answered(change.group, change.budget, error)

    def _budget(self, kind: str) -> Budget:
        traits = TRAITS[self._account.cloud]
        return traits.launching if kind == "VirtualMachine" else traits.changing

    def _shown(self, site: Site, request: Request) -> bool:
        """The look before a create that a repeat would double: is one of that name listed?"""
        now = self._world.timeline.now
        assert request.owner is not None  # noqa: S101  (requests of this driver have one)
        mine = site.shelf.of_cluster(request.owner.installation, request.owner.cluster)
        for history in mine.values():
            if history.kind != request.kind:
                continue
            version = visible(history, now, FRESH)
            thing = version.thing if version else None
            if thing is not None and thing.is_alive and thing.owner == request.owner:
                return True
        return False

    def _adopt(self, site: Site, request: Request, conflict: errors.Conflict) -> None:
        """Accept what is in the place if it is ours and of that name. Raises Conflict otherwise."""
        holder = making.holder(site, request)
        if holder is not None and holder.owner == request.owner:
            version = visible(site.shelf.histories[holder.id], self._world.timeline.now, FRESH)
            if version is not None and version.thing is not None:
                return
            raise errors.Conflict(
                conflict.attempted, conflict.code, "the place is taken by a thing not shown yet"
            ) from conflict
        told = words(holder) if holder is not None else "by a thing not shown yet"
        detail = f"the place is taken: {told}"
        raise errors.Conflict(conflict.attempted, conflict.code, detail) from conflict

    def _is_denied(self, line: Line, verb: str, kind: str) -> bool:
        world = self._world
        facts = replace(line.facts(verb), thing=kind)
        return world.faults.find((Kind.DENY,), facts, world.moment()) is not None


def _users_tags(tags: Tags) -> Tags:
    """The user's tags without those that would hide ours."""
    return tuple((key, value) for key, value in tags if not key.startswith(names.RESERVED_PREFIX))


def _is_ours(thing: Thing, scope: Scope) -> bool:
    owner = thing.owner
    return owner is not None and (owner.installation, owner.cluster) == (
        scope.installation,
        scope.cluster,
    )


class SimProviders:
    """Providers by their secret, as the platform asks for them: `providers.connect` for a world."""

    def __init__(
        self, world: World, limits: Limits | None = None, care: Care | None = None
    ) -> None:
        self._world = world
        self._limits = limits
        self._care = care
        self._known: dict[tuple[Cloud, str], SimProvider] = {}

    def provider(self, cloud: Cloud, secret: Mapping[str, str]) -> SimProvider:
        """The provider of one account; the same one for the same secret. Makes no call.

        A secret that no account knows gets a provider whose every call is refused. Raises
        CredentialsRejected for a field that is missing.
        """
        for name in TRAITS[cloud].secret:
            if not secret.get(name):
                raise errors.CredentialsRejected(
                    f"connect to {cloud.value}", "", f"{name} is missing"
                )
        place = (cloud, repr(sorted(secret.items())))
        if place in self._known:
            return self._known[place]
        holder = self._world.holder(cloud, secret)
        if holder is None:  # not kept: an account may learn of the key
            unknown = Key("unknown", {}, is_valid=False)
            nobody = Account(cloud, "unknown", self._world.draws)
            return SimProvider(self._world, nobody, unknown, self._limits, self._care)
        self._known[place] = SimProvider(self._world, *holder, self._limits, self._care)
        return self._known[place]
