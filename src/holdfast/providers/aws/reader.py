"""Reading things of AWS by filter or id: complete or not at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.providers import errors
from holdfast.providers.aws import kinds, tagging
from holdfast.providers.aws.client import Call, Client, whole
from holdfast.providers.aws.kinds import Kind
from holdfast.providers.port import Scope

Thing = dict[str, Any]
Filters = Sequence[Mapping[str, Any]]


class Reader:
    """Listings in one region."""

    def __init__(self, client: Client, region: str) -> None:
        self._client = client
        self.region = region

    async def matching(self, kind: Kind, filters: Filters) -> list[Thing]:
        """All things of a kind that fit, over all pages. Raises a class of `providers.errors`."""
        params: dict[str, Any] = {"Filters": list(filters)}
        if kind is kinds.NAT:
            params = {"Filter": list(filters)}
        if kind.page is not None:
            params["MaxResults"] = kind.page
        call = Call("ec2", kind.action, self.region, f"list {kind.word}s", params)
        return _flat(kind, await self._client.items(call, kind.result))

    async def by_id(self, kind: Kind, thing_id: str) -> Thing | None:
        """One thing; None if AWS does not know it."""
        call = Call("ec2", kind.action, self.region, f"read {thing_id}", {kind.by_id: [thing_id]})
        try:
            answer = await self._client.call(call)
        except errors.NotFound:
            return None
        found = _flat(kind, whole(answer, kind.result, call))
        return next((thing for thing in found if thing[kind.identity] == thing_id), None)

    async def ours(self, scope: Scope, thing_id: str) -> bool:
        """True when the thing is there and carries our tags. Raises Conflict for a foreign one."""
        kind = kinds.of(thing_id)
        thing = await self.by_id(kind, thing_id) if kind else None
        if thing is None:
            return False
        tags = tagging.tags_of(thing)
        if not tagging.is_ours(tags, scope):
            owner = tagging.words(tags)
            raise errors.Conflict(f"touch {thing_id}", "", f"it is not ours: {owner}")
        return True


def _flat(kind: Kind, found: Sequence[Mapping[str, Any]]) -> list[Thing]:
    """Things as a plain list; AWS wraps instances in reservations."""
    if kind is kinds.INSTANCE:
        return [thing for reservation in found for thing in reservation.get("Instances", ())]
    return [dict(thing) for thing in found]
