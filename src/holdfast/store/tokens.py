"""API tokens: shown once, kept as a hash only.

A token has 256 random bits, so that a plain SHA-256 can't be searched; a slow hash would only
slow each request.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from holdfast.clock import Chance, Clock
from holdfast.store.database import Tx
from holdfast.store.session import Row
from holdfast.store.tables import tokens

PREFIX = "hf_"
TOKEN_BYTES = 32
_ROW = tokens.c
_VERIFY = select(tokens).where(_ROW.hash == bindparam("secret"), _ROW.revoked_at.is_(None))
_ALL = select(tokens).order_by(_ROW.created_at, _ROW.id)
_REVOKE = update(tokens).where(_ROW.id == bindparam("of"), _ROW.revoked_at.is_(None))


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token without its secret."""

    id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None = None


class Tokens:
    """The rows of tokens."""

    def __init__(self, clock: Clock, chance: Chance) -> None:
        self._clock = clock
        self._chance = chance

    async def create(self, tx: Tx, name: str) -> str:
        """A new token's secret, "hf_" and 43 characters: the only time that it is known."""
        secret = PREFIX + self._chance.token(TOKEN_BYTES)
        row = {
            "id": self._chance.uuid(),
            "name": name,
            "hash": _hash(secret),
            "created_at": self._clock.now(),
        }
        await tx.insert(tokens, [row])
        return secret

    async def verify(self, tx: Tx, secret: str) -> TokenRow | None:
        """Whose secret it is; None when it is nobody's or was revoked."""
        wanted = _hash(secret)
        row = await tx.row(_VERIFY, secret=wanted)
        if row is None or not hmac.compare_digest(row["hash"], wanted):
            return None
        return _token(row)

    async def list(self, tx: Tx) -> list[TokenRow]:
        """All tokens, revoked ones too, oldest first."""
        return [_token(row) for row in await tx.rows(_ALL)]

    async def revoke(self, tx: Tx, token_id: str) -> bool:
        """From now on it opens nothing; False when there is no such token that still does."""
        return await tx.run(_REVOKE, of=token_id, revoked_at=self._clock.now()) > 0


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: Row) -> TokenRow:
    return TokenRow(row["id"], row["name"], row["created_at"], row["revoked_at"])
