"""What a tiny platform remembers of things: asked for, seen before, missing since when."""

from collections.abc import Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from holdfast.model.ids import ResourceName
from holdfast.model.observed import Unsure
from holdfast.model.offering import Cloud
from holdfast.planner.rules import Rules


@dataclass
class Memory:
    """As the tables of intents and things."""

    intents: dict[ResourceName, Unsure] = field(default_factory=dict)
    missing: dict[ResourceName, tuple[datetime, int]] = field(default_factory=dict)
    known: set[ResourceName] = field(default_factory=set)

    def intend(self, name: ResourceName, now: datetime, rules: Rules) -> None:
        """One more call for a thing."""
        before = self.intents.get(name, Unsure(now, rules.gone_readings, 0))
        self.intents[name] = replace(before, since=now, calls=before.calls + 1)

    def note(self, visible: Set[ResourceName], now: datetime, *, is_blind: bool) -> None:
        """A listing was read; a blind one counts for nothing that it does not show."""
        for name in visible:
            self.intents.pop(name, None)
            self.missing.pop(name, None)
        self.known |= visible
        for name in self.known - visible:
            if not is_blind:
                since, readings = self.missing.get(name, (now, 0))
                self.missing[name] = (since, readings + 1)

    def unsure(
        self, visible: Set[ResourceName], now: datetime, rules: Rules
    ) -> dict[ResourceName, Unsure]:
        """What may be there without being visible; what was missing long enough is forgotten."""
        found = dict(self.intents)
        for name, (since, readings) in self.missing.items():
            asked = found.get(name, Unsure(since, readings))
            found[name] = Unsure(max(since, asked.since), readings, asked.calls)
            if now - since >= rules.window(Cloud.AWS) and readings >= rules.gone_readings:
                self.known.discard(name)
        for name in self.missing.keys() - self.known:
            del self.missing[name]
        return {name: unsure for name, unsure in found.items() if name not in visible}
