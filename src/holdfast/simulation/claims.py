"""The unchanged store of one process, which tells whose lease each guarded write goes by.

Checkers compare the claim with the epoch that holds when the write is committed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from holdfast.clock import Chance, Clock
from holdfast.simulation.disk import Disk
from holdfast.store.database import Database, Tx
from holdfast.store.leases import Lease
from holdfast.store.store import Store
from holdfast.store.vault import Vault


class ClaimingStore(Store):
    """The unchanged store; leaves on the disk whose lease a guarded write goes by, for checkers."""

    def __init__(
        self, disk: Disk, database: Database, vault: Vault, clock: Clock, chance: Chance
    ) -> None:
        super().__init__(database, vault, clock, chance, beside=disk.beside)
        self._disk = disk

    @asynccontextmanager
    async def guarded(self, lease: Lease) -> AsyncIterator[Tx]:
        """As the store's own."""
        try:
            async with super().guarded(lease) as tx:
                self._disk.claim = lease.key, lease.epoch
                yield tx
        finally:
            self._disk.claim = None
