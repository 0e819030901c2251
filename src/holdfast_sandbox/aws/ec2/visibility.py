"""Eventual consistency: new things come into sight late, gone things stay in sight a while."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.faults import Facts, Kind
from holdfast_sandbox.aws.state import Ghost
from holdfast_sandbox.aws.world import World

Sources = Mapping[str, tuple[Callable[[Any], Iterable[Any]], Callable[[Any], str]]]


def longest(world: World, facts: Facts) -> timedelta:
    """The longest delay now: the setting, or a visibility fault that is about `facts`."""
    fault = world.faults.find((Kind.VISIBILITY,), facts)
    return timedelta(seconds=fault.value) if fault else world.settings.visibility


def _delay(world: World, most: timedelta, thing: str, what: str) -> timedelta:
    """Each thing's own delay, between half and the whole of the longest; seeded."""
    return most * (0.5 + world.chance("visibility", what, thing).random() / 2)


def seen(ask: Ask, things: Iterable[Any], identity: Callable[[Any], str], kind: str) -> list[Any]:
    """What a listing of `kind` shows now."""
    state, now = ask.world.state, ask.world.now()
    most = longest(ask.world, Facts(ask.call.account, ask.call.region, "ec2", ask.call.action))
    if not most:
        return list(things)
    shown = []
    for thing in things:
        name = identity(thing)
        born = state.births.get(name)
        if born is None or now - born >= _delay(ask.world, most, name, "birth"):
            shown.append(thing)
    place = (ask.call.account, ask.call.region, kind)
    for key, ghost in list(state.ghosts.items()):
        if ghost.until <= now:
            del state.ghosts[key]
        elif ghost.place == place:
            shown.append(ghost.thing)
    return shown


def look(ask: Ask, sources: Sources) -> None:
    """Before a change: learn what the region holds, if nobody has looked yet."""
    place = (ask.call.account, ask.call.region)
    if place not in ask.world.state.seen:
        ask.world.state.seen[place] = _all(ask, sources)


def remember(ask: Ask, sources: Sources) -> None:
    """After a change: note what is new in the region, and keep what has just gone in sight.

    `sources` are the listings by kind: how to list all of it, how to name one.
    """
    state, now = ask.world.state, ask.world.now()
    place = (ask.call.account, ask.call.region)
    before, after = state.seen.get(place, {}), _all(ask, sources)
    state.seen[place] = after
    most = longest(ask.world, Facts(*place))
    for name in after.keys() - before.keys():
        state.births[name] = now
    for name in before.keys() - after.keys():
        state.births.pop(name, None)
        if most:
            kind, thing = before[name]
            until = now + _delay(ask.world, most, name, "death")
            state.ghosts[name] = Ghost(thing, (*place, kind), until)


def _all(ask: Ask, sources: Sources) -> dict[str, tuple[str, Any]]:
    return {
        identity(thing): (kind, thing)
        for kind, (source, identity) in sources.items()
        for thing in source(ask.backend)
    }
