"""One thing made: by a call that may be repeated, or after a look for the one that is there.

Where AWS takes a client token it gets the intent's. Where it refuses a second one by itself
(a range, a group's name, a rule, a route) the refusal is read: ours is adopted. Where it does
neither (networks, gateways, addresses, tables in emulators) our tags are looked for first.
"""

from ipaddress import IPv4Network
from typing import Any

from holdfast.model.ids import ProviderId, ResourceName
from holdfast.model.resource import (
    Address,
    AddressBinding,
    ChallengeTag,
    Direction,
    FirewallGroup,
    FirewallRule,
    Gateway,
    GatewayAttachment,
    MachineRole,
    Network,
    Route,
    RouteAssociation,
    RouteTable,
    Subnet,
    VirtualMachine,
)
from holdfast.providers import errors
from holdfast.providers.aws import kinds, machine, roles, rules, tagging, translate
from holdfast.providers.aws.client import Answer, Call, Client
from holdfast.providers.aws.kinds import Kind
from holdfast.providers.aws.reader import Reader, Thing
from holdfast.providers.port import Creation, Scope


class Creator:
    """Makes things in one region."""

    def __init__(self, client: Client, scope: Scope, root_devices: dict[str, str]) -> None:
        self._client = client
        self._scope = scope
        self._reader = Reader(client, scope.region)
        self._root_devices = root_devices  # by image; kept by the provider

    async def create(self, creation: Creation) -> None:  # noqa: C901, PLR0912  (one line a kind)
        """Make one thing. Raises a class of `providers.errors`."""
        match creation.resource:
            case Network() as network:
                await self._network(network)
            case Gateway() as gateway:
                await self._gateway(gateway)
            case GatewayAttachment() as attachment:
                await self._attachment(attachment, creation)
            case Subnet() as subnet:
                await self._subnet(subnet, creation)
            case RouteTable() as table:
                await self._table(table, creation)
            case Route() as route:
                await self._route(route, creation)
            case RouteAssociation() as association:
                await self._association(association, creation)
            case FirewallGroup() as group:
                await self._group(group, creation)
            case FirewallRule() as rule:
                await self._rule(rule, creation)
            case Address() as address:
                await self._address(address)
            case AddressBinding() as binding:
                await self._binding(binding, creation)
            case MachineRole() as role:
                await roles.create(self._client, self._scope, role)
            case VirtualMachine() as wanted:
                await self._machine(wanted, creation)
            case ChallengeTag():
                detail = "AWS signs its word about machines: it takes no challenge"
                raise errors.RequestRejected(f"create {creation.resource.name}", "", detail)

    async def _network(self, network: Network) -> None:
        if not await self._is_there(kinds.NETWORK, network.name):
            await self._make(
                "CreateVpc",
                network.name,
                CidrBlock=str(network.cidr),
                TagSpecifications=tagging.specifications(self._scope, network, "vpc"),
            )

    async def _gateway(self, gateway: Gateway) -> None:
        if not await self._is_there(kinds.GATEWAY, gateway.name):
            tags = tagging.specifications(self._scope, gateway, "internet-gateway")
            await self._make("CreateInternetGateway", gateway.name, TagSpecifications=tags)

    async def _address(self, address: Address) -> None:
        if not await self._is_there(kinds.ADDRESS, address.name):
            tags = tagging.specifications(self._scope, address, "elastic-ip")
            await self._make("AllocateAddress", address.name, Domain="vpc", TagSpecifications=tags)

    async def _table(self, table: RouteTable, creation: Creation) -> None:
        if not await self._is_there(kinds.TABLE, table.name):
            await self._make(
                "CreateRouteTable",
                table.name,
                VpcId=_known(creation, table.network),
                ClientToken=creation.token,
                TagSpecifications=tagging.specifications(self._scope, table, "route-table"),
            )

    async def _subnet(self, subnet: Subnet, creation: Creation) -> None:
        network = _known(creation, subnet.network)
        tags = tagging.specifications(self._scope, subnet, "subnet")
        try:
            await self._make(
                "CreateSubnet",
                subnet.name,
                VpcId=network,
                CidrBlock=str(subnet.cidr),
                AvailabilityZone=subnet.zone,
                TagSpecifications=tags,
            )
        except errors.Conflict as conflict:
            inside = {"Name": "vpc-id", "Values": [network]}
            found = await self._reader.matching(kinds.SUBNET, [inside])
            self._adopt(subnet.name, _overlapping(found, subnet.cidr), conflict)

    async def _group(self, group: FirewallGroup, creation: Creation) -> None:
        network = _known(creation, group.network)
        name = tagging.group_name(self._scope.cluster, group.name)
        try:
            await self._make(
                "CreateSecurityGroup",
                group.name,
                GroupName=name,
                Description=f"Holdfast {self._scope.cluster_name}: {group.name}",
                VpcId=network,
                TagSpecifications=tagging.specifications(self._scope, group, "security-group"),
            )
        except errors.Conflict as conflict:
            same = [
                {"Name": "vpc-id", "Values": [network]},
                {"Name": "group-name", "Values": [name]},
            ]
            found = await self._reader.matching(kinds.GROUP, same)
            self._adopt(group.name, found, conflict)

    async def _rule(self, rule: FirewallRule, creation: Creation) -> None:
        group = _known(creation, rule.group)
        outward = rule.direction is Direction.EGRESS
        action = f"AuthorizeSecurityGroup{'Egress' if outward else 'Ingress'}"
        if not isinstance(rule.peer, IPv4Network):
            _known(creation, rule.peer)
        permission = rules.permission(rule, creation.known)
        tags = tagging.specifications(self._scope, rule, "security-group-rule")
        try:
            await self._make(
                action, rule.name, GroupId=group, IpPermissions=[permission], TagSpecifications=tags
            )
        except errors.Conflict as conflict:
            await self._adopt_rule(rule, group, permission, conflict)

    async def _adopt_rule(
        self, rule: FirewallRule, group: str, permission: Answer, conflict: errors.Conflict
    ) -> None:
        """The same rule is there. One without tags is the group's own first egress rule: tag it."""
        inside = {"Name": "group-id", "Values": [group]}
        found = await self._reader.matching(kinds.RULE, [inside])
        outward = rule.direction is Direction.EGRESS
        same = [one for one in found if rules.is_same(one, permission, outward=outward)]
        if same and not tagging.tags_of(same[0]):
            await self._make(
                "CreateTags",
                rule.name,
                Resources=[same[0]["SecurityGroupRuleId"]],
                Tags=tagging.tags(self._scope, rule),
            )
            return
        self._adopt(rule.name, same, conflict)

    async def _attachment(self, attachment: GatewayAttachment, creation: Creation) -> None:
        gateway = _known(creation, attachment.gateway)
        network = _known(creation, attachment.network)
        try:
            await self._make(
                "AttachInternetGateway",
                attachment.name,
                InternetGatewayId=gateway,
                VpcId=network,
            )
        except errors.Conflict as conflict:
            found = await self._reader.by_id(kinds.GATEWAY, gateway) or {}
            attached = [one["VpcId"] for one in found.get("Attachments", ())]
            if network not in attached:
                raise _taken(conflict, f"{gateway} is attached to {attached}") from conflict

    async def _route(self, route: Route, creation: Creation) -> None:
        table, gateway = _known(creation, route.table), _known(creation, route.gateway)
        try:
            await self._make(
                "CreateRoute",
                route.name,
                RouteTableId=table,
                DestinationCidrBlock=translate.ANYWHERE,
                GatewayId=gateway,
            )
        except errors.Conflict as conflict:
            found = await self._reader.by_id(kinds.TABLE, table) or {}
            if not any(one.get("GatewayId") == gateway for one in found.get("Routes", ())):
                raise _taken(conflict, f"{table} has another default route") from conflict

    async def _association(self, association: RouteAssociation, creation: Creation) -> None:
        table, subnet = _known(creation, association.table), _known(creation, association.subnet)
        try:
            await self._make(
                "AssociateRouteTable", association.name, RouteTableId=table, SubnetId=subnet
            )
        except errors.Conflict as conflict:
            by = {"Name": "association.subnet-id", "Values": [subnet]}
            found = await self._reader.matching(kinds.TABLE, [by])
            if table not in {one["RouteTableId"] for one in found}:
                others = ", ".join(one["RouteTableId"] for one in found)
                raise _taken(conflict, f"{subnet} uses {others or 'another table'}") from conflict

    async def _binding(self, binding: AddressBinding, creation: Creation) -> None:
        address, holder = _known(creation, binding.address), _known(creation, binding.machine)
        try:
            await self._make(
                "AssociateAddress",
                binding.name,
                AllocationId=address,
                InstanceId=holder,
                AllowReassociation=False,
            )
        except errors.Conflict as conflict:
            found = await self._reader.by_id(kinds.ADDRESS, address) or {}
            if found.get("InstanceId") != holder:
                other = found.get("InstanceId") or "another thing"
                raise _taken(conflict, f"{address} leads to {other}") from conflict

    async def _machine(self, wanted: VirtualMachine, creation: Creation) -> None:
        for name in (wanted.subnet, wanted.machine_role, *wanted.groups):
            _known(creation, name)
        root_device = await self._root_device(wanted.image, wanted.name)
        await self._make(
            "RunInstances", wanted.name, **machine.launch(self._scope, creation, root_device)
        )

    async def _root_device(self, image: str, name: ResourceName) -> str:
        """What the image calls its root disk; asked once an image."""
        if image not in self._root_devices:
            what = f"create {name}"
            call = Call("ec2", "DescribeImages", self._scope.region, what, {"ImageIds": [image]})
            found = (await self._client.call(call)).get("Images", ())
            if not found:
                detail = f"image {image} is not there in {self._scope.region}"
                raise errors.RequestRejected(what, "InvalidAMIID.NotFound", detail)
            self._root_devices[image] = found[0].get("RootDeviceName", "/dev/sda1")
        return self._root_devices[image]

    async def _is_there(self, kind: Kind, name: ResourceName) -> bool:
        return bool(await self._reader.matching(kind, tagging.named(self._scope, name)))

    async def _make(self, action: str, name: ResourceName, **params: Any) -> Answer:
        what = f"create {name}"
        call = Call("ec2", action, self._scope.region, what, params, creating=True)
        return await self._client.call(call)

    def _adopt(self, name: ResourceName, found: list[Thing], conflict: errors.Conflict) -> None:
        """Accept what is in the place if it is ours and of that name. Raises Conflict otherwise."""
        for thing in found:
            tags = tagging.tags_of(thing)
            owner = tagging.owner_of(tags)
            if tagging.is_ours(tags, self._scope) and owner is not None and owner.name == name:
                return
        words = "; ".join(tagging.words(tagging.tags_of(thing)) for thing in found)
        raise _taken(conflict, f"the place is taken: {words or 'by a thing not shown yet'}")


def _known(creation: Creation, name: ResourceName) -> ProviderId:
    """The id of a thing that this pass observed. Raises RequestRejected if it was not handed in."""
    if name not in creation.known:
        what = f"create {creation.resource.name}"
        raise errors.RequestRejected(what, "", f"the id of {name} was not observed")
    return creation.known[name]


def _taken(conflict: errors.Conflict, detail: str) -> errors.Conflict:
    return errors.Conflict(conflict.attempted, conflict.code, detail)


def _overlapping(subnets: list[Thing], cidr: IPv4Network) -> list[Thing]:
    return [one for one in subnets if IPv4Network(one["CidrBlock"]).overlaps(cidr)]
