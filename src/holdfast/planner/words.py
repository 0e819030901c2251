"""What actions are called: for people in events and tables, and for keeping them apart."""

from holdfast.model.action import Action, Create, Delete, DeleteNode, Drain, RemoveMember
from holdfast.model.names import cloud_of
from holdfast.model.resource import Resource, VirtualMachine, kind


def subject(action: Action) -> str:
    """The thing an action is about."""
    match action:
        case Create(resource=resource):
            return resource.name
        case Delete(seen=seen):
            return seen.resource.name
        case DeleteNode(node=node) | Drain(node=node):
            return node
        case RemoveMember(lost=lost):
            return lost


def identity(action: Action) -> str:
    """Tells what is asked apart: a machine out of another offering is another request."""
    word = type(action).__name__
    match action:
        case Create(resource=VirtualMachine() as machine):
            offering = machine.offering
            return f"{word} {machine.name} {offering.zone} {offering.instance_type}"
        case Delete(seen=seen):
            return f"{word} {seen.id}"
        case _:
            return f"{word} {subject(action)}"


def done(action: Action) -> str:
    """One sentence for people, in v1's style."""
    match action:
        case Create(resource=resource):
            return f"{_cloud(resource)} {kind(resource)} asked for name={_title(resource)}"
        case Delete(seen=seen, reason=reason):
            words = f"{kind(seen.resource)} deleted name={_title(seen.resource)} id={seen.id}"
            return f"{_cloud(seen.resource)} {words}: {reason}"
        case DeleteNode(node=node, reason=reason):
            return f"[Cluster] node={node} removed: {reason}"
        case Drain(node=node, reason=reason):
            return f"[Cluster] node={node} drained: {reason}"
        case RemoveMember(reason=reason):
            return f"[Cluster] etcd member ordered out: {reason}"


def _cloud(resource: Resource) -> str:
    return f"[{cloud_of(resource.name).value.upper()}]"


def _title(resource: Resource) -> str:
    return resource.hostname if isinstance(resource, VirtualMachine) else resource.name
