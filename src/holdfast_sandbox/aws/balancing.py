"""Network load balancers as values: what the cloud keeps of each."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Foot:
    """A balancer's presence in one subnet."""

    subnet: str
    zone: str
    nic: str
    allocation: str | None = None


@dataclass(slots=True)
class Balancer:
    """`asked` are the parameters it was made with: the same ones again answer the same thing."""

    arn: str
    name: str
    region: str
    account: str
    vpc: str
    scheme: str
    feet: list[Foot]
    made: datetime
    asked: dict[str, Any]
    state: str = "provisioning"
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class TargetGroup:
    """Machines, and the port they are asked at. `targets` are (machine or address, port)."""

    arn: str
    name: str
    region: str
    account: str
    vpc: str
    protocol: str
    port: int
    kind: str
    asked: dict[str, Any]
    targets: list[tuple[str, int]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Listener:
    """A port of a balancer, forwarding to one target group."""

    arn: str
    balancer: str
    protocol: str
    port: int
    group: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Balancing:
    """All of it, by ARN."""

    balancers: dict[str, Balancer] = field(default_factory=dict)
    groups: dict[str, TargetGroup] = field(default_factory=dict)
    listeners: dict[str, Listener] = field(default_factory=dict)
