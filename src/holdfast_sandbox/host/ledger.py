"""The cloud's books for the control API: what it holds, what was asked, keys, notices."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict

from moto.iam.models import iam_backends

from holdfast_sandbox.aws import accounts, identities
from holdfast_sandbox.aws.emulator import Emulator, Keys
from holdfast_sandbox.aws.faults import FaultTable

STRANGER = "stranger"
FIRST_OTHER = 210_000_000_001  # number of the first further account


def credentials(keys: Keys) -> dict[str, str]:
    """Keys as the ready file and the control API show them."""
    return {
        "accessKeyId": keys.access_key,
        "secretAccessKey": keys.secret_key,
        "accountId": keys.account,
    }


class Ledger:
    """`control.api.Books` and `control.effects.CloudFaults` over the emulator."""

    def __init__(self, cloud: Emulator, changed: Callable[[], None]) -> None:
        self._cloud = cloud
        self._changed = changed

    @property
    def lock(self) -> AbstractContextManager[object]:
        """The cloud's lock."""
        return self._cloud.lock

    @property
    def faults(self) -> FaultTable:
        """The cloud's fault table."""
        return self._cloud.faults

    def truth(self, tag: tuple[str, str] | None) -> dict[str, object]:
        """What the cloud still holds, all or with a tag, and what it costs in USD per hour."""
        things = self._cloud.truth(*(tag or ()))
        price = sum(float(thing["price_per_hour"]) for thing in things)
        return {"count": len(things), "price_per_hour": round(price, 6), "things": things}

    def calls(self, after: int) -> list[dict[str, object]]:
        """The mutating calls behind a number."""
        with self._cloud.lock:
            entries = self._cloud.record.since(after)
        return [asdict(entry) | {"at": entry.at.isoformat()} for entry in entries]

    def gaps(self) -> list[dict[str, object]]:
        """What was asked for and is not emulated."""
        with self._cloud.lock:
            gaps = list(self._cloud.record.gaps)
        return [asdict(gap) | {"at": gap.at.isoformat()} for gap in gaps]

    def add_account(self, account: str | None) -> dict[str, str]:
        """A further account with its first keys."""
        with self._cloud.lock:
            taken = set(iam_backends)
            if account in taken and iam_backends[account][identities.PARTITION].users:
                raise ValueError(f"account {account} exists")
            number = FIRST_OTHER
            while account is None and str(number) in taken:
                number += 1
            keys = self._cloud.add_account(account or str(number))
        self._changed()
        return credentials(keys)

    def stranger(self, account: str) -> Keys:
        """Keys of a second user of an account, who has all rights and is not the platform."""
        with self._cloud.lock:
            keys = accounts.add_user(account, STRANGER)
        self._changed()
        return keys

    def home_of_foreign(self, vm_id: str) -> str | None:
        """The region of a VM that a stranger started, by the record of calls."""
        with self._cloud.lock:
            entries = self._cloud.record.since(0)
        return next(
            (
                entry.region
                for entry in entries
                if entry.action == "RunInstances"
                and vm_id in entry.ids
                and entry.caller.endswith(f":user/{STRANGER}")
            ),
            None,
        )

    def notice_spot(self, vm_id: str) -> None:
        """Announce that a spot VM will be taken."""
        self._cloud.notice_spot(vm_id)
        self._changed()

    def withdraw_spot(self, vm_id: str) -> bool:
        """Take the announcement back; False when the machine has been taken."""
        with self._cloud.lock:
            state = self._cloud.world.state
            waiting = [t for t in state.timers if t.what == "spot-taken" and t.id == vm_id]
            state.timers = [timer for timer in state.timers if timer not in waiting]
            state.notices.pop(vm_id, None)
        self._changed()
        return bool(waiting)

    def revoke(self, key: str, *, revoked: bool) -> None:
        """Refuse an access key, or accept it again."""
        with self._cloud.lock:
            if identities.find(key) is None:
                raise LookupError(f"no access key {key}")
        (self._cloud.revoke if revoked else self._cloud.restore_key)(key)
        self._changed()

    def forget_faults(self) -> None:
        """After a restart: faults end with the sandbox that they were asked of."""
        with self._cloud.lock:
            self._cloud.faults.clear()
            for key in list(self._cloud.world.state.revoked):
                self._cloud.restore_key(key)

    def end_lost(self, reason: str) -> list[str]:
        """After a restart: the VMs whose processes went with the last one; they are ended."""
        with self._cloud.lock:
            lost = [vm.id for vm in self._cloud.vms() if vm.state == "running"]
        for vm_id in lost:
            self._cloud.died(vm_id, reason)
        return lost

    def states(self) -> dict[str, str]:
        """The cloud's state of every VM that has a link."""
        return {vm.id: vm.state for vm in self._cloud.vms()}
