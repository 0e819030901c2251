"""The provider port: one account in one cloud. Methods return at once and may be repeated safely.

`create` and `delete` answer nothing that must be remembered: truth is what `observe` says.
No update verb: things are replaced, membership is a small resource of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.model.account import Account, Region
from holdfast.model.ids import ClusterId, InstallationId, ProviderId, ResourceName
from holdfast.model.observed import Blind, Foreign, Seen
from holdfast.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose things are meant. `region` is the cloud's own name; `tags` are the user's."""

    installation: InstallationId
    cluster: ClusterId
    cluster_name: str
    region: str
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Creation:
    """One thing to make.

    token    the saved idempotency key of this attempt, sent where the cloud takes one
    known    ids of the cluster's things that this pass observed, so that references need no look-up
    payload  user data of a machine, without secrets; the word of a challenge tag
    """

    resource: Resource
    token: str
    known: Mapping[ResourceName, ProviderId] = field(default_factory=dict)
    payload: bytes | None = None


class Provider(Protocol):
    """One account in one cloud.

    Every method raises a class of `providers.errors` and nothing else. No SDK retries: the
    platform decides on every retry.
    """

    async def check(self, region: str) -> Account:
        """Who am I, which permissions are missing. MUST NOT change anything.

        Raises CredentialsRejected for a key that is wrong, expired or revoked.
        """
        ...

    async def catalogue(self, region: str) -> Region:
        """Zones, offerings (sold-out ones too), quotas and images. Slow: at most hourly."""
        ...

    async def observe(
        self, scope: Scope, cluster: ClusterId | None
    ) -> Sequence[Seen | Blind | Foreign]:
        """Things of this installation in the region, in any state, terminated ones included.

        With a cluster: its things and what foreign things hold them. None: everything with our
        installation's tag, so that orphans of forgotten clusters are found. A listing that failed
        or is incomplete MUST come back as Blind, never as absence; where only a zone is missing
        it names the zone. Pages MUST be read to the end.
        """
        ...

    async def create(self, scope: Scope, creation: Creation) -> None:
        """Ask for a thing. MUST accept one that is there already when it is ours.

        Tags are part of the create call, ours last. Done is when `observe` lists it.
        """
        ...

    async def delete(self, scope: Scope, thing: Seen) -> None:
        """Ask for a thing to go. MUST accept one that is gone already.

        MUST touch nothing that lacks our tags. Raises DependencyHeld naming the foreign blockers.
        Done is when `observe` no longer lists it, or lists it in a terminal state.
        """
        ...

    async def console(self, scope: Scope, machine: ProviderId) -> str:
        """The tail of a machine's console log, at most 16 KiB; empty where there is none yet."""
        ...
