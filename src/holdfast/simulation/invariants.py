"""Invariants that are checked when a world is quiet, from the clouds' own truth and call record.

I1 duplicates   I2 orphans   I3 foreign   I4 spec reached   I5 cost   I7 records
I8 secrets      I9 rate      I13 stable   I15 limits        I17 order I19 workload
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from holdfast.model.ids import ClusterId, InstallationId, ProviderId
from holdfast.model.resource import DOUBLED_BY_REPEAT
from holdfast.providers.sim import truth
from holdfast.providers.sim.clouds import TRAITS
from holdfast.providers.sim.record import Call
from holdfast.simulation import quiet
from holdfast.simulation.effects import Died
from holdfast.simulation.quiet import Row
from holdfast.simulation.watch import Breach

if TYPE_CHECKING:
    from holdfast.simulation.world import Simulation

THINGS = "SELECT cluster, id FROM things WHERE removed_at IS NULL"
MACHINES = (
    "SELECT cluster, id, name, provider_id, private_ip, public_ip, ready_at, written_off_at, "
    "gone_at FROM machines"
)
INSTALLATION = "SELECT id FROM installation"
REMOVED = "SELECT cluster, id FROM things WHERE removed_at IS NOT NULL"
ORPHANS = "SELECT id FROM orphans"
MOST_CREATES = 3
SAME_ERRORS = 10
DOUBLES = {(cloud, kind.__name__) for cloud, kinds in DOUBLED_BY_REPEAT.items() for kind in kinds}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a scenario leaves behind.

    foreign   digest of everything foreign, when the scenario had finished with it
    is_calm   no fault was in force and listings show everything at once
    blocked   it ends in a named blocked state
    lost      machines that went before the end, so that more were made than are wanted
    orphans   things of clusters that no record knows are left, and the platform must show each
    surplus   calls of which nobody knows what became: each may have made one machine too many
    """

    foreign: str | None = None
    is_calm: bool = False
    blocked: bool = False
    lost: int = 0
    orphans: bool = False
    surplus: int = 0


def check(world: "Simulation", expected: Expected) -> list[Breach]:
    """Every breach of a quiet world."""
    at = world.clock.monotonic()
    rules = (_duplicates, _orphans, _foreign, _spec, _cost, _records, _secrets, _rate, _limits)
    found = [*((name, text) for rule in rules for name, text in rule(world, expected))]
    found += [("I17", text) for text in _order(world, expected)]
    found += [("I19", text) for text in _workload(world)]
    return [Breach(name, at, text) for name, text in found]


async def stable_after_restart(world: "Simulation") -> list[Breach]:
    """I13: a new process finds nothing to do."""
    calls = len(world.clouds.record.calls)
    await world.crash()
    await world.restart()
    try:
        await quiet.until_quiet(world, 3600.0)
    except (quiet.NotConverged, Died) as error:
        return [Breach("I13", world.clock.monotonic(), f"not quiet after a restart: {error}")]
    made = world.clouds.record.calls[calls:]
    return [
        Breach("I13", world.clock.monotonic(), f"after a restart: {call.line()}") for call in made
    ]


Found = Iterator[tuple[str, str]]


def installation(world: "Simulation") -> InstallationId:
    """The platform's identity, as the disk has it."""
    row = world.disk.raw.execute(INSTALLATION).fetchone()
    return InstallationId(row[0] if row else "")


def _duplicates(world: "Simulation", expected: Expected) -> Found:  # noqa: ARG001
    for owner, ids in truth.duplicates(world.clouds).items():
        yield "I1", f"{owner.name} of {owner.cluster} lives {len(ids)} times: {', '.join(ids)}"
    kinds = {
        thing_id: (site.cloud, history.kind)
        for site in truth.sites(world.clouds)
        for thing_id, history in site.shelf.histories.items()
    }
    for doubled in world.clouds.record.doubled:
        if not any(kinds.get(thing) in DOUBLES for thing in doubled.things):
            yield "I1", f"{doubled.owner.name} lived {len(doubled.things)} times at {doubled.at}"


def _orphans(world: "Simulation", expected: Expected) -> Found:
    recorded = [(ClusterId(c), ProviderId(i)) for c, i in world.disk.raw.execute(THINGS)]
    here = installation(world)
    shown = {row[0] for row in world.disk.raw.execute(ORPHANS)} if expected.orphans else set()
    for thing in truth.orphans(world.clouds, here, set(recorded)):
        if thing.id in shown:
            continue
        yield "I2", f"orphan {thing.kind} {thing.id} ({thing.life.value})"
    for cluster, thing_id in truth.ghosts(world.clouds, here, recorded):
        yield "I2", f"{thing_id} of {cluster} is recorded and is not there"
    for row in quiet.rows(world.disk.raw):
        left = [t.id for _, t in truth.ours(world.clouds, here, row.id)] if row.is_deleted else []
        if left:
            yield "I2", f"cluster {row.name} is deleted and {', '.join(left)} are left"


def _foreign(world: "Simulation", expected: Expected) -> Found:
    for touched in world.clouds.record.touched:
        yield "I3", f"{touched.thing} was touched for {touched.cluster}, whose it is not"
    if expected.foreign is None:
        return
    if truth.foreign_digest(world.clouds, installation(world)) != expected.foreign:
        yield "I3", "the digest of all foreign things changed"


def _spec(world: "Simulation", expected: Expected) -> Found:
    for row in quiet.rows(world.disk.raw):
        if row.is_deleted:
            continue
        if expected.blocked:
            if not row.blocked:
                yield "I4", f"cluster {row.name} is {row.phase} and names no obstacle"
        elif row.is_deleting or row.phase != "ready":
            yield "I4", f"cluster {row.name} is {row.phase}"
        else:
            yield from _ready(world, row)


def _ready(world: "Simulation", row: Row) -> Found:
    """Every wanted machine lives, and its node is Ready in the cluster's own truth."""
    cluster = world.kubernetes.clusters.get(row.id)
    for found in world.disk.raw.execute(MACHINES):
        of, machine, name, written_off = found[0], found[1], found[2], found[7]
        if of != row.id or written_off is not None:
            continue
        guest = world.machines.guests.get(machine)
        if guest is None or not guest.lives:
            yield "I4", f"machine {name} does not live"
        elif cluster is None or (node := cluster.nodes.get(name)) is None or node.ready is not True:
            yield "I4", f"node {name} is not Ready"
    living = {guest.resource.hostname for guest in world.guests(row.id)}
    for name in cluster.nodes if cluster is not None else ():
        if name not in living:
            yield "I4", f"node {name} is a ghost: its machine is gone"


def _cost(world: "Simulation", expected: Expected) -> Found:
    unmade = {"Throttled", "Unavailable", "CredentialsRejected", "CapacityUnavailable", "lost"}
    creates: Counter[tuple[str, str, str]] = Counter(
        (call.cluster, call.subject, _intent_of(call))
        for call in world.clouds.record.calls
        if call.verb == "create" and call.caller == "platform" and call.outcome not in unmade
    )
    for (_, subject, _), count in creates.items():
        if count > MOST_CREATES:
            yield "I5", f"{count} creates of {subject}"
    wanted = sum(expected_machines(world, row.id) for row in quiet.rows(world.disk.raw))
    made = len(world.clouds.record.bills)
    most = wanted + expected.lost + expected.surplus
    if (expected.is_calm or expected.surplus) and made > most:
        yield "I5", f"{made} machines were made; {wanted} wanted, {expected.lost} lost"


def _intent_of(call: Call) -> str:
    """What tells intents of one name apart: a binding to another machine is another one."""
    return "" if "/machine/" in call.subject else call.parameters


def expected_machines(world: "Simulation", cluster: ClusterId) -> int:
    """How many machines the specification asks for."""
    row = world.disk.raw.execute(
        "SELECT json_array_length(spec, '$.nodes') FROM clusters WHERE id = ?", (cluster,)
    ).fetchone()
    return int(row[0] or 0)


def _records(world: "Simulation", expected: Expected) -> Found:  # noqa: ARG001
    things = {thing.id: thing for _, thing in truth.living(world.clouds)}
    for found in world.disk.raw.execute(MACHINES):
        _, _, name, provider_id, private_ip, public_ip, _, written_off, gone = found
        thing = things.get(provider_id)
        if written_off is not None:
            if thing is not None and gone is not None:
                yield "I7", f"machine {name} is recorded as gone and lives as {provider_id}"
            continue
        if thing is None:
            yield "I7", f"machine {name} is recorded as {provider_id}, which does not live"
        elif (private_ip, public_ip) != (thing.private_ip, thing.public_ip):
            told = f"{private_ip} {public_ip}, the cloud says {thing.private_ip} {thing.public_ip}"
            yield "I7", f"machine {name} is recorded with {told}"


def _secrets(world: "Simulation", expected: Expected) -> Found:  # noqa: ARG001
    """No nonce, key or password in what the disk holds in the clear, or in the transcript."""
    words = {guest.settings["nonce"]: "a nonce" for guest in world.machines.guests.values()}
    for account in world.clouds.accounts.values():
        last = TRAITS[account.cloud].secret[-1]
        words |= {key.secret[last]: f"the key {key.id}" for key in account.keys}
    words["PRIVATE KEY"] = "a private key"
    if world.user.token:
        words[world.user.token] = "the user's token"
    for what, text in (
        ("the database", "\n".join(world.disk.raw.iterdump())),
        ("the transcript", world.transcript.text(world.disk.raw)),
    ):
        for word, name in words.items():
            if word in text:
                yield "I8", f"{what} shows {name}"


def _rate(world: "Simulation", expected: Expected) -> Found:
    if expected.is_calm:
        for (account, region, group), count in world.clouds.record.refused.items():
            yield "I9", f"{count} calls of {group} above the rate of {account} in {region}"
    for (verb, subject, error), times in _in_a_row(world.clouds.record.calls):
        gaps = [after - before for before, after in pairwise(times)]
        if len(times) > SAME_ERRORS and gaps[-1] <= 2 * gaps[0]:
            yield "I9", f"{verb} {subject}: {error} {len(times)} times without growing gaps"


def _in_a_row(calls: Iterable[Call]) -> Iterator[tuple[tuple[str, str, str], list[float]]]:
    """The moments of equal refusals of one call; a success ends a row."""
    rows: dict[tuple[str, str, str], list[float]] = {}
    for call in calls:
        if call.outcome not in {"ok", "replayed", "adopted"}:
            key = (call.verb, call.subject, call.outcome)
            rows.setdefault(key, []).append(call.at.timestamp())
            continue
        for key in [one for one in rows if one[:2] == (call.verb, call.subject)]:
            yield key, rows.pop(key)
    yield from rows.items()


def _limits(world: "Simulation", expected: Expected) -> Found:  # noqa: ARG001
    for account in world.clouds.accounts.values():
        for site in account.sites:
            for code, used in site.shelf.used.items():
                if used > account.limit(code):
                    yield "I15", f"{code} in {site}: {used} of {account.limit(code):g}"


def _order(world: "Simulation", expected: Expected) -> Iterator[str]:
    if not expected.is_calm:
        return
    for call in world.clouds.record.calls:
        if call.outcome in {"DependencyHeld", "NotFound", "Unavailable", "Conflict"}:
            yield f"{call.verb} {call.subject}: {call.outcome}"


def _workload(world: "Simulation") -> Iterator[str]:
    """Pods that fit run again, and every pod that went had a reason."""
    for row in quiet.rows(world.disk.raw):
        cluster = world.kubernetes.clusters.get(row.id)
        if cluster is None or row.is_deleting or row.phase != "ready":
            continue
        cluster.settle()
        if cluster.displaced:
            yield f"{cluster.displaced} pods of cluster {row.name} do not run"
