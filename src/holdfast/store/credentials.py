"""Credentials of cloud accounts: sealed secrets, and what the last check said of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update

from holdfast.clock import Clock
from holdfast.model.account import Account
from holdfast.model.ids import ClusterId, CredentialsId
from holdfast.model.offering import Cloud
from holdfast.store.codec import Codec, canonical
from holdfast.store.database import Tx
from holdfast.store.errors import InUse, NameTaken, Unknown
from holdfast.store.session import Row
from holdfast.store.tables import cluster_credentials, clusters, credentials
from holdfast.store.vault import Vault

_ROW = credentials.c
_SHOWN = tuple(column for column in _ROW if column.name not in {"secret", "folded"})
_THIS = _ROW.id == bindparam("of")
_NAMED = select(_ROW.id).where(_ROW.folded == bindparam("named"))
_GET = select(*_SHOWN).where(_THIS)
_ALL = select(*_SHOWN).order_by(_ROW.created_at, _ROW.id)
_SECRET = select(_ROW.secret).where(_THIS)
_CHANGE = update(credentials).where(_THIS)
_REMOVE = delete(credentials).where(_THIS)
_USED_BY = (
    select(clusters.c.id, clusters.c.name)
    .join(cluster_credentials, cluster_credentials.c.cluster == clusters.c.id)
    .where(cluster_credentials.c.credentials == bindparam("of"))
    .order_by(clusters.c.name)
)
_ACCOUNT: Codec[Account] = Codec(Account)


@dataclass(frozen=True, slots=True)
class CredentialsRow:
    """Credentials without their secret.

    fingerprint  tells two secrets apart and reveals nothing
    account      pinned by the first good check; None before it
    error        why the last check failed; empty when it did not
    """

    id: CredentialsId
    name: str
    cloud: Cloud
    fingerprint: str
    created_at: datetime
    account: Account | None
    checked_at: datetime | None
    error: str


class Credentials:
    """The rows of credentials."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def add(
        self, tx: Tx, id_: CredentialsId, name: str, cloud: Cloud, secret: Mapping[str, str]
    ) -> CredentialsRow:
        """New credentials, not checked yet. Raises NameTaken, without regard to case."""
        folded = name.casefold()
        if await tx.row(_NAMED, named=folded) is not None:
            message = f"credentials name {name!r} is taken"
            raise NameTaken(message)
        row = {
            "id": id_,
            "name": name,
            "folded": folded,
            "cloud": cloud.value,
            "created_at": self._clock.now(),
            "error": "",
            **self._sealed(id_, secret),
        }
        await tx.insert(credentials, [row])
        return await self._known(tx, id_)

    async def get(self, tx: Tx, id_: CredentialsId) -> CredentialsRow | None:
        """One, without its secret."""
        return await tx.value(_GET, _credentials, of=id_)

    async def secret(self, tx: Tx, id_: CredentialsId) -> dict[str, str]:
        """The secret itself. Raises Unknown, and Sealed when the vault has not the key."""
        row = await tx.row(_SECRET, of=id_)
        if row is None:
            raise _unknown(id_)
        secret: dict[str, str] = json.loads(self._vault.open(row["secret"], about(id_)))
        return secret

    async def replace_secret(self, tx: Tx, id_: CredentialsId, secret: Mapping[str, str]) -> None:
        """A new secret for the same account, to be checked again. Raises Unknown."""
        values = {**self._sealed(id_, secret), "checked_at": None, "error": ""}
        if not await tx.run(_CHANGE, of=id_, **values):
            raise _unknown(id_)

    async def remove(self, tx: Tx, id_: CredentialsId) -> None:
        """Forget them and what is known of their regions. Raises Unknown, and InUse by name."""
        users = await self.used_by(tx, id_)
        if users:
            message = f"credentials {id_} are used by {', '.join(name for _, name in users)}"
            raise InUse(message)
        if not await tx.run(_REMOVE, of=id_):
            raise _unknown(id_)

    async def used_by(self, tx: Tx, id_: CredentialsId) -> list[tuple[ClusterId, str]]:
        """Id and name of the living clusters that use them."""
        rows = await tx.rows(_USED_BY, of=id_)
        return [(ClusterId(row["id"]), row["name"]) for row in rows]

    async def record_check(
        self, tx: Tx, id_: CredentialsId, account: Account | None, error: str
    ) -> CredentialsRow:
        """What a check said; returns what is known now. Raises Unknown.

        The first account stays pinned: a secret of another one is recorded as an error, since
        all its listings would come back empty and read as "everything is gone". A failed check
        (None) does not erase what is known of the account.
        """
        pinned = (await self._known(tx, id_)).account
        if account is not None and pinned is not None and account.id != pinned.id:
            error = (
                f"the secret belongs to account {account.id}; "
                f"these credentials are for account {pinned.id}"
            )
            account = None
        known = account or pinned
        await tx.run(
            _CHANGE,
            of=id_,
            account=None if known is None else _ACCOUNT.encode(known),
            checked_at=self._clock.now(),
            error=error,
        )
        return await self._known(tx, id_)

    async def list(self, tx: Tx) -> list[CredentialsRow]:
        """All, oldest first, without their secrets."""
        return await tx.values(_ALL, _credentials)

    async def _known(self, tx: Tx, id_: CredentialsId) -> CredentialsRow:
        found = await self.get(tx, id_)
        if found is None:
            raise _unknown(id_)
        return found

    def _sealed(self, id_: CredentialsId, secret: Mapping[str, str]) -> dict[str, bytes | str]:
        plain = canonical(dict(secret)).encode()
        return {
            "secret": self._vault.seal(plain, about(id_)),
            "fingerprint": self._vault.fingerprint(plain),
        }


def about(id_: str) -> str:
    """What the sealed secret is bound to."""
    return f"credentials/{id_}"


def _credentials(row: Row) -> CredentialsRow:
    account = None if row["account"] is None else _ACCOUNT.decode(row["account"])
    return CredentialsRow(**{**row, "cloud": Cloud(row["cloud"]), "account": account})


def _unknown(id_: CredentialsId) -> Unknown:
    return Unknown(f"credentials {id_}: there are none")
