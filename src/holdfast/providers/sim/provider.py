"""The provider port over a simulated cloud: one key, six methods, and the driver's own care."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.model import account as model
from holdfast.model import names
from holdfast.model.account import Region
from holdfast.model.ids import ClusterId, ProviderId, ResourceName
from holdfast.model.observed import Blind, Foreign, Life, Seen
from holdfast.model.offering import Cloud
from holdfast.model.resource import Resource, VirtualMachine, needs
from holdfast.providers import errors
from holdfast.providers.limits import Budget, Limits
from holdfast.providers.port import Creation, Scope
from holdfast.providers.sim import listing, making, removing, sale
from holdfast.providers.sim.account import Account, Key, Site
from holdfast.providers.sim.calls import Change, Line, right
from holdfast.providers.sim.clouds import KINDS, TRAITS, Repeat
from holdfast.providers.sim.consistency import FRESH, visible
from holdfast.providers.sim.faults import Facts, Fault, Kind
from holdfast.providers.sim.making import Made, Request
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
        await self._asked(line, "check", "the credentials", is_local=True)
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
        await self._asked(line, "catalogue", region)
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
            await self._change(line, "create", scope.cluster, resource, request)
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
        await self._change(line, "delete", scope.cluster, thing.resource, thing.id)

    async def console(self, scope: Scope, machine: ProviderId) -> str:
        """What a machine wrote on its console."""
        line = self._line(scope.region)
        await self._asked(line, "console", machine)
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

    async def _change(
        self,
        line: Line,
        verb: str,
        cluster: ClusterId,
        resource: Resource,
        what: Request | ProviderId,
    ) -> None:
        kind = type(resource).__name__
        is_create = isinstance(what, Request)
        subjects = (resource.name,) if is_create else (resource.name, what)
        change = Change(
            verb=verb,
            subject=resource.name,
            cluster=cluster,
            facts=line.facts(verb, resource, *subjects),
            group=f"{verb}-{kind}",
            budget=self._budget(verb, kind),
            act=self._act(line.site, what, f"{verb} {resource.name}", cluster),
            token=what.token if is_create else "",
            parameters=what.parameters() if is_create else what,
        )
        error: errors.ProviderError | None = None
        try:
            await line.change(change)
        except errors.ProviderError as refused:
            error = refused
            raise
        finally:
            line.answered(change.group, change.budget, error)
