"""What each account can buy in each region, as the last account pass found it."""

from datetime import datetime

from sqlalchemy import bindparam, select

from holdfast.clock import Chance, Clock
from holdfast.model.account import Region
from holdfast.model.ids import CredentialsId
from holdfast.store.codec import Codec
from holdfast.store.database import Tx
from holdfast.store.tables import regions

_ROW = regions.c
_THIS = (_ROW.credentials == bindparam("of")) & (_ROW.name == bindparam("named"))
_STAMP = select(_ROW.saved_at, _ROW.version).where(_THIS)
_VALUE = select(_ROW.value).where(_THIS)
_REGION: Codec[Region] = Codec(Region, remembered=0)  # each is remembered by its version


class Regions:
    """One row an account and region.

    A region has thousands of offerings and every pass reads it: the last decoded value of each
    is kept, as long as the row is the same.
    """

    def __init__(self, clock: Clock, chance: Chance) -> None:
        self._clock = clock
        self._chance = chance
        self._decoded: dict[tuple[CredentialsId, str], tuple[str, Region]] = {}

    async def save(self, tx: Tx, credentials_id: CredentialsId, region: Region) -> None:
        """Insert or replace."""
        row = {
            "credentials": credentials_id,
            "name": region.name,
            "value": _REGION.encode(region),
            "saved_at": self._clock.now(),
            "version": self._chance.uuid(),
        }
        await tx.upsert(regions, [row])

    async def get(
        self, tx: Tx, credentials_id: CredentialsId, name: str
    ) -> tuple[Region, datetime] | None:
        """The region and when it was saved."""
        stamp = await tx.row(_STAMP, of=credentials_id, named=name)
        if stamp is None:
            return None
        known = self._decoded.get((credentials_id, name))
        if known is not None and known[0] == stamp["version"]:
            return known[1], stamp["saved_at"]
        row = await tx.row(_VALUE, of=credentials_id, named=name)
        if row is None:
            return None
        region = _REGION.decode(row["value"])
        self._decoded[credentials_id, name] = (stamp["version"], region)
        return region, stamp["saved_at"]
