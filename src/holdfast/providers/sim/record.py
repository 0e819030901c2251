"""The clouds' own record: every changing call with caller, key, parameters and result.

The invariants are checked against this record and the truth, never against the platform's word.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.model.ids import ClusterId, ProviderId
from holdfast.providers.sim.things import Owner


@dataclass(frozen=True, slots=True)
class Call:
    """One changing call.

    caller      "platform", or who else acted: "stranger", "cloud"
    key         public part of the key that was used
    token       the idempotency key that came with it, empty for none
    parameters  what was asked for, as text
    outcome     "ok", "replayed", "adopted", "lost" or the class of the error
    thing       id of what was made or removed, where there is one
    """

    number: int
    at: datetime
    caller: str
    cloud: str
    account: str
    key: str
    region: str
    verb: str
    subject: str
    cluster: ClusterId
    token: str = ""
    parameters: str = ""
    outcome: str = ""
    thing: ProviderId | None = None

    def line(self) -> str:
        """The call as one line of a transcript."""
        place = f"{self.cloud}/{self.account}/{self.region}"
        parts = (
            f"{self.number} {self.at.isoformat()} {self.caller} {place}",
            f"key={self.key} {self.verb} {self.subject} cluster={self.cluster}",
            f"token={self.token} {self.parameters} -> {self.outcome} {self.thing or ''}",
        )
        return " ".join(parts).rstrip()


@dataclass(frozen=True, slots=True)
class Doubled:
    """A moment at which one intent had more than one living thing."""

    at: datetime
    owner: Owner
    things: tuple[ProviderId, ...]


@dataclass(frozen=True, slots=True)
class Touched:
    """A changing call of a cluster that was accepted on a thing which is not that cluster's."""

    at: datetime
    thing: ProviderId
    cluster: ClusterId


@dataclass(slots=True)
class Bill:
    """A machine's time in the account, for machine-hours."""

    owner: Owner | None
    thing: ProviderId
    since: float
    until: float | None = None


@dataclass(slots=True)
class Record:
    """All that one world remembers of what was done to it.

    calls    changing calls, in order
    reads    how often each listing was read: (cloud, account, region, listing) -> count
    doubled  each time an intent got a second living thing
    touched  changing calls that succeeded on things which were not the caller's
    bills    machines by id
    refused  calls that a bucket of the cloud turned away: (account, region, group) -> count
    """

    calls: list[Call] = field(default_factory=list)
    reads: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    doubled: list[Doubled] = field(default_factory=list)
    touched: list[Touched] = field(default_factory=list)
    bills: dict[ProviderId, Bill] = field(default_factory=dict)
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def text(self) -> str:
        """The calls, one a line: equal for two runs with one seed."""
        return "\n".join(call.line() for call in self.calls)

    def creates(self, owner: Owner) -> int:
        """Create calls for one intent, whatever became of them."""
        return sum(
            call.verb == "create" and (call.cluster, call.subject) == (owner.cluster, owner.name)
            for call in self.calls
        )
