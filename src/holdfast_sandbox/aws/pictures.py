"""Every VPC as the fabric shall enforce it: subnets, links, security groups."""

# ruff: noqa: SLF001 - the fields of moto's models are private to them

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from typing import Any

from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

from holdfast_sandbox.aws.ec2.backend import Backend, backends
from holdfast_sandbox.ports import FirewallGroup, FirewallRule, NetworkPicture, NetworkPort

PROTOCOLS = {"-1": "all", "tcp": "tcp", "udp": "udp", "icmp": "icmp"}
ANYWHERE = "0.0.0.0/0"


def of_all() -> Mapping[str, NetworkPicture]:
    """The picture of every VPC by its id. Default VPCs appear only once a machine is in them."""
    found: dict[str, NetworkPicture] = {}
    for backend in backends():
        for vpc in backend.vpcs.values():
            picture = _picture(backend, vpc)
            if not vpc.is_default or picture.ports:
                found[vpc.id] = picture
    return found


def _picture(backend: Backend, vpc: Any) -> NetworkPicture:
    subnets = [subnet for subnet in backend.describe_subnets() if subnet.vpc_id == vpc.id]
    return NetworkPicture(
        id=vpc.id,
        cidr=IPv4Network(vpc.cidr_block, strict=False),
        subnets=tuple(_cidr(subnet) for subnet in subnets),
        internet=tuple(_cidr(s) for s in subnets if leads_out(backend, s.id, vpc.id)),
        ports=tuple(_ports(backend, vpc.id)),
        groups=tuple(_group(backend, group) for group in backend.groups[vpc.id].values()),
    )


def _cidr(subnet: Any) -> IPv4Network:
    return IPv4Network(subnet.cidr_block, strict=False)


def leads_out(backend: Backend, subnet: str, vpc: str) -> bool:
    """Whether the subnet's route table leads to an attached internet gateway."""
    tables = [table for table in backend.route_tables.values() if table.vpc_id == vpc]
    own = [table for table in tables if subnet in table._associations.values()]
    for table in own or [t for t in tables if t.main_association_id is not None]:
        for route in table.routes:
            gateway: Any = route.gateway
            attached = getattr(gateway, "vpc", None)
            if route.destination_cidr_block == ANYWHERE and attached is not None:
                return bool(attached.id == vpc)
    return False


def _ports(backend: Backend, vpc: str) -> list[NetworkPort]:
    return [
        NetworkPort(
            machine=machine.id,
            address=IPv4Address(nic.private_ip_address or "0.0.0.0"),
            mac=nic.mac_address,
            source_check=bool(nic.source_dest_check),
            public=IPv4Address(nic.public_ip) if nic.public_ip else None,
        )
        for machine in backend.machines()
        for nic in machine.nics.values()
        if nic.subnet.vpc_id == vpc
    ]


def _group(backend: Backend, group: SecurityGroup) -> FirewallGroup:
    members = [
        IPv4Address(nic.private_ip_address)
        for nic in backend.enis.values()
        if nic.instance is not None and group in nic._group_set and nic.private_ip_address
    ]
    return FirewallGroup(
        id=group.id,
        members=tuple(sorted(members)),
        ingress=tuple(chain.from_iterable(map(_rule, group.ingress_rules))),
        egress=tuple(chain.from_iterable(map(_rule, group.egress_rules))),
    )


def _rule(rule: SecurityGroupRule) -> list[FirewallRule]:
    """None, or one rule: IPv6 and protocols that the fabric does not carry are left out."""
    protocol = PROTOCOLS.get(str(rule.ip_protocol))
    peer = rule.source_group.get("GroupId")
    if protocol is None or not (rule.cidr_ipv4 or peer):
        return []
    ports = protocol in ("tcp", "udp")
    return [
        FirewallRule(
            protocol=protocol,
            from_port=int(rule.from_port) if ports and rule.from_port is not None else 0,
            to_port=int(rule.to_port) if ports and rule.to_port is not None else 65535,
            peers=(IPv4Network(rule.cidr_ipv4, strict=False),) if rule.cidr_ipv4 else (),
            peer_groups=(peer,) if peer else (),
        )
    ]
