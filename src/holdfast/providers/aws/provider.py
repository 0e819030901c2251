"""AWS behind the provider port: one account, six methods, each a file of this folder."""

from collections.abc import Mapping, Sequence

from holdfast.clock import Clock
from holdfast.model.account import Account, Region
from holdfast.model.ids import ClusterId, ProviderId
from holdfast.model.observed import Blind, Foreign, Seen
from holdfast.providers import errors
from holdfast.providers.aws import console, delete, observe
from holdfast.providers.aws.catalogue import catalogue
from holdfast.providers.aws.check import check
from holdfast.providers.aws.client import Client, Key, Sessions
from holdfast.providers.aws.create import Creator
from holdfast.providers.limits import Shared
from holdfast.providers.port import Creation, Scope

SECRET_KEYS = ("accessKeyId", "secretAccessKey")


class AwsProvider:
    """One account in AWS."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._root_devices: dict[str, str] = {}

    async def check(self, region: str) -> Account:
        """Who the key is and what it lacks, in `region`."""
        found = await check(self._client, region)
        self._client.account = found.id
        return found

    async def catalogue(self, region: str) -> Region:
        """What can be bought in `region`."""
        return await catalogue(self._client, region, self._clock.now())

    async def observe(
        self, scope: Scope, cluster: ClusterId | None
    ) -> Sequence[Seen | Blind | Foreign]:
        """Our things, what could not be read, and what is in their way."""
        return await observe.observe(self._client, scope, cluster)

    async def create(self, scope: Scope, creation: Creation) -> None:
        """Make one thing."""
        await Creator(self._client, scope, self._root_devices).create(creation)

    async def delete(self, scope: Scope, thing: Seen) -> None:
        """Take one thing away."""
        await delete.delete(self._client, scope, thing)

    async def console(self, scope: Scope, machine: ProviderId) -> str:
        """What the machine wrote on its console."""
        return await console.tail(self._client, scope.region, machine)


def connect(secret: Mapping[str, str], sessions: Sessions, shared: Shared) -> AwsProvider:
    """The provider of one account. Makes no call. Raises CredentialsRejected as `key_of`."""
    return AwsProvider(Client(key_of(secret), sessions, shared), shared.clock)


def key_of(secret: Mapping[str, str]) -> Key:
    """The access key in a v1 secret. Raises CredentialsRejected naming the missing field."""
    for name in SECRET_KEYS:
        if not secret.get(name):
            raise errors.CredentialsRejected("connect to aws", "", f"{name} is missing")
    return Key(secret["accessKeyId"], secret["secretAccessKey"], secret.get("sessionToken"))
