"""This Holdfast: its identity, its signing key, and the secrets of the platform itself."""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import bindparam, select

from holdfast.clock import Chance, Clock
from holdfast.model.ids import InstallationId
from holdfast.store.database import Tx
from holdfast.store.tables import installation, platform_secrets
from holdfast.store.vault import Vault

_GET = select(installation)
_KEPT = select(platform_secrets.c.value).where(platform_secrets.c.name == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Installation:
    """`signing_key_pem` is the Ed25519 private key (PKCS8) that signs orders and certificates."""

    id: InstallationId
    signing_key_pem: str = field(repr=False)
    created_at: datetime


class Installations:
    """The one row of the installation, and named secrets of the platform (its CA, its pins)."""

    def __init__(self, vault: Vault, clock: Clock, chance: Chance) -> None:
        self._vault = vault
        self._clock = clock
        self._chance = chance

    async def get_or_make(self, tx: Tx) -> Installation:
        """This installation; the first call, in a writing transaction, makes it."""
        row = await tx.row(_GET)
        if row is None:
            return await self._make(tx)
        id_ = InstallationId(row["id"])
        pem = self._vault.open(row["signing_key"], about(id_)).decode()
        return Installation(id_, pem, row["created_at"])

    async def keep(self, tx: Tx, name: str, value: bytes) -> None:
        """Insert or replace a secret of the platform, sealed."""
        sealed = self._vault.seal(value, about(name))
        await tx.upsert(platform_secrets, [{"name": name, "value": sealed}])

    async def kept(self, tx: Tx, name: str) -> bytes | None:
        """A secret of the platform, or None. Raises Sealed when the vault has not the key."""
        row = await tx.row(_KEPT, of=name)
        return None if row is None else self._vault.open(row["value"], about(name))

    async def _make(self, tx: Tx) -> Installation:
        id_ = InstallationId(self._chance.uuid())
        key = Ed25519PrivateKey.from_private_bytes(self._chance.bytes(32))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        now = self._clock.now()
        row = {"id": id_, "signing_key": self._vault.seal(pem, about(id_)), "created_at": now}
        await tx.insert(installation, [row])
        return Installation(id_, pem.decode(), now)


def about(name: str) -> str:
    """What a sealed value of the platform is bound to."""
    return f"platform/{name}"
