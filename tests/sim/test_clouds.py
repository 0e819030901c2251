"""What differs between the simulated clouds: repeats, spot, paces, offers; and what does not."""

from datetime import timedelta
from ipaddress import IPv4Network

import pytest
from tests.sim.cloud import CLOUDS, INSTALLATION, Sim, play

from holdfast.model.observed import Life, Seen
from holdfast.model.offering import CapacityType, Cloud
from holdfast.planner.desired import zone_cidr
from holdfast.providers import errors
from holdfast.providers.sim import spot, truth
from holdfast.providers.sim.clouds import TRAITS, Repeat, Why
from holdfast.providers.sim.faults import Kind
from holdfast.providers.sim.provider import Care
from holdfast.providers.sim.world import Settings

SPOT_CLOUDS = [cloud for cloud in CLOUDS if TRAITS[cloud].spot_lead is not None]
BLIND = Care(tokens=False)
BARE = ("Network", "Gateway", "RouteTable", "Address", "VirtualMachine")


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cluster_can_be_built_and_leaves_nothing(cloud: Cloud) -> None:
    async def story() -> None:
        sim = Sim(cloud)
        wanted = sim.wanted(workers=2)
        seen = await sim.build(wanted)
        assert {n: one.resource for n, one in seen.items()} == wanted
        assert {call.outcome for call in sim.world.record.calls} == {"ok"}
        assert await sim.tear_down() == []
        assert list(truth.ours(sim.world, INSTALLATION)) == []
        assert truth.outstanding(sim.world) == 0
        assert sim.site.shelf.places == {}
        assert sim.site.shelf.users == {}
        assert set(sim.site.shelf.used.values()) <= {0}

    play(story)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_careful_repeat_makes_no_second_thing_of_any_kind(cloud: Cloud) -> None:
    async def story() -> None:
        sim = Sim(cloud)
        wanted = sim.wanted()
        seen = await sim.build(wanted)
        for resource in wanted.values():
            await sim.make(resource, seen)
        assert len(list(truth.ours(sim.world, INSTALLATION))) == len(wanted)
        assert sim.world.record.doubled == []

    play(story)


@pytest.mark.parametrize("kind", BARE)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_blind_repeat_doubles_just_what_the_cloud_takes_no_key_for(
    cloud: Cloud, kind: str
) -> None:
    """Without its care the driver repeats a create whose answer was lost."""

    async def story() -> None:
        sim = Sim(cloud, care=BLIND)
        wanted = sim.wanted()
        seen = await sim.build(wanted)
        resource = next(r for r in wanted.values() if type(r).__name__ == kind)
        repeat = TRAITS[cloud].repeat.get(kind, Repeat.REFUSED)
        await sim.make(resource, seen)
        doubled = truth.duplicates(sim.world)
        # A driver that sends no token doubles what is kept single by tokens alone.
        assert bool(doubled) == (repeat is not Repeat.REFUSED)
        assert bool(sim.world.record.doubled) == bool(doubled)

    play(story)


def test_a_token_answers_the_machine_that_it_made_even_when_that_ended() -> None:
    async def story() -> None:
        sim = Sim()
        wanted = sim.wanted()
        seen = await sim.build(wanted)
        await sim.provider.delete(sim.scope, seen[sim.machine(1)])
        await sim.clock.sleep(60)
        await sim.make(wanted[sim.machine(1)], seen)
        assert sim.world.record.calls[-1].outcome == "replayed"
        assert sim.world.record.calls[-1].thing == seen[sim.machine(1)].id
        assert sim.count("VirtualMachine") == 1
        await sim.make(wanted[sim.machine(1)], seen, token="hf-another")
        assert sim.count("VirtualMachine") == 2

    play(story)


def test_a_token_with_other_parameters_is_rejected() -> None:
    async def story() -> None:
        sim = Sim()
        wanted = sim.wanted()
        seen = await sim.build(wanted)
        with pytest.raises(errors.RequestRejected) as refusal:
            await sim.make(wanted[sim.machine(1)], seen, payload=b"other")
        assert refusal.value.code == "IdempotentParameterMismatch"

    play(story)


def test_a_token_whose_first_call_was_refused_is_free() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.SOLD_OUT, id="drought")
        with pytest.raises(errors.CapacityUnavailable):
            await sim.make(wanted[sim.machine(0)], seen)
        sim.world.faults.remove("drought")
        await sim.make(wanted[sim.machine(0)], seen, payload=b"other")
        assert sim.count("VirtualMachine") == 1

    play(story)


def test_a_name_that_is_unique_at_the_cloud_is_taken_by_whoever_came_first() -> None:
    async def story() -> None:
        sim = Sim(Cloud.GCP)
        wanted = sim.wanted()
        seen = await sim.build(wanted)
        sim.stranger.untag(seen[sim.name("network")].id)
        with pytest.raises(errors.Conflict, match="the place is taken: no tags"):
            await sim.make(wanted[sim.name("network")], seen)

    play(story)


def test_user_data_has_the_clouds_own_limit() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        with pytest.raises(errors.RequestRejected, match="16385 bytes"):
            await sim.make(wanted[sim.machine(0)], seen, payload=b"x" * (16 * 1024 + 1))
        await sim.make(wanted[sim.machine(0)], seen)
        machine = sim.id_of(sim.machine(0))
        assert sim.world.payloads[machine] == b"#cloud-config\n"

    play(story)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_codes_are_complete_and_catalogues_the_same_in_every_world_of_a_seed(cloud: Cloud) -> None:
    async def story() -> None:
        one, same, other = (Sim(cloud, Settings(seed=seed)) for seed in (1, 1, 2))
        assert TRAITS[cloud].codes.keys() == set(Why)
        first = await one.provider.catalogue(one.region)
        assert first == await same.provider.catalogue(one.region)
        assert first.offerings != (await other.provider.catalogue(one.region)).offerings
        markets = {offer.key.capacity_type for offer in first.offerings}
        assert (CapacityType.SPOT in markets) == (TRAITS[cloud].spot_lead is not None)
        assert all(offer.price > 0 for offer in first.offerings)
        cidrs = {zone_cidr(IPv4Network("10.0.0.0/16"), zone) for zone in first.zones}
        assert len(cidrs) == len(first.zones)

    play(story)


@pytest.mark.parametrize(
    ("cloud", "seconds"), [(Cloud.AWS, 120), (Cloud.GCP, 30), (Cloud.AZURE, 30)]
)
def test_a_spot_machine_goes_after_the_clouds_own_lead_time(cloud: Cloud, seconds: int) -> None:
    async def story() -> None:
        sim = Sim(cloud)
        seen = await sim.build(sim.wanted(workers=1, spot=True))
        machine = seen[sim.machine(1)].id
        began = sim.clock.now()
        spot.reclaim(sim.world, sim.site, machine)
        notice = sim.told.happenings[-1]
        assert (notice.what, notice.thing) == ("notice", machine)
        assert notice.deadline == began + timedelta(seconds=seconds)
        await sim.clock.sleep(seconds - 2)
        assert (await sim.things())[sim.machine(1)].life is Life.PRESENT
        await sim.clock.sleep(3)
        assert (await sim.things())[sim.machine(1)].life is Life.LEAVING
        await sim.clock.sleep(120)
        assert sim.machine(1) not in await sim.things()
        assert sim.told.whats()[-2:] == ["ending", "ended"]

    play(story)


def test_a_notice_may_be_missing_and_a_machine_may_only_stop() -> None:
    async def story() -> None:
        sim = Sim(Cloud.GCP)
        seen = await sim.build(sim.wanted(workers=2, spot=True))
        spot.reclaim(sim.world, sim.site, seen[sim.machine(1)].id, silent=True)
        spot.reclaim(sim.world, sim.site, seen[sim.machine(2)].id, stops=True)
        await sim.clock.sleep(10)
        assert (await sim.things())[sim.machine(1)].life is Life.LEAVING
        await sim.clock.sleep(21)
        found = await sim.things()
        assert found[sim.machine(2)].life is Life.FAILED
        assert "preempted" in found[sim.machine(2)].evidence
        assert [h.thing for h in sim.told.happenings if h.what == "notice"] == [
            seen[sim.machine(2)].id
        ]
        sim.stranger.start(seen[sim.machine(2)].id)
        assert (await sim.things())[sim.machine(2)].life is Life.PRESENT

    play(story)


def test_a_storm_takes_a_share_that_the_seed_decides() -> None:
    struck: list[int] = []

    async def story() -> None:
        sim = Sim(settings=Settings(seed=7, rates=False))
        await sim.build(sim.wanted(workers=10, spot=True))
        struck.append(len(spot.storm(sim.world, sim.site, 0.5)))

    play(story)
    play(story)
    assert 0 < struck[0] < 10
    assert struck[0] == struck[1]


def test_only_running_spot_machines_can_be_taken_back() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        with pytest.raises(LookupError, match="no running spot machine"):
            spot.reclaim(sim.world, sim.site, seen[sim.machine(1)].id)
        with pytest.raises(ValueError, match="sells no spot"):
            spot.lead(Cloud.DO)

    play(story)


def test_the_clouds_rate_is_refused_and_the_platforms_own_bucket_keeps_within_it() -> None:
    async def story() -> None:
        hasty = Sim(settings=Settings(seed=1, latency=0.0))
        for _ in range(120):
            await hasty.provider.catalogue("eu-central-1")
        with pytest.raises(errors.Throttled):
            await hasty.provider.catalogue("eu-central-1")
        assert hasty.world.record.refused
        patient = Sim(settings=Settings(seed=1, latency=0.0), limits=True)
        for _ in range(200):
            await patient.provider.catalogue("eu-central-1")
        assert not patient.world.record.refused
        assert patient.clock.monotonic() >= 4

    play(story)


def test_a_subnet_runs_out_of_addresses() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        subnet = seen[sim.name("subnet", sim.zone)].id
        sim.site.shelf.leases[subnet] = dict.fromkeys(range(4096 - 5))
        with pytest.raises(errors.CapacityUnavailable) as refusal:
            await sim.make(wanted[sim.machine(0)], seen)
        assert refusal.value.code == "InsufficientFreeAddressesInSubnet"

    play(story)


def test_addresses_are_unique_and_come_back_late_or_at_once() -> None:
    async def story() -> None:
        for reuse in (False, True):
            sim = Sim(settings=Settings(seed=1, rates=False, reuse=reuse))
            seen = await sim.build(sim.wanted(workers=3))
            machines = [one for n, one in seen.items() if "/machine/" in n]
            assert len({one.private_ip for one in machines}) == 4
            assert len({one.public_ip for one in machines}) == 4
            freed = seen[sim.machine(3)].public_ip
            await sim.provider.delete(sim.scope, seen[sim.machine(3)])
            await sim.clock.sleep(100)
            assert sim.machine(3) not in await sim.things()
            given = {sim.world.addresses.take() for _ in range(3)}
            assert (freed in given) == reuse

    play(story)


def test_a_terminated_machine_is_listed_for_a_while_where_the_cloud_does_so() -> None:
    async def story() -> None:
        for cloud, shown in ((Cloud.AWS, True), (Cloud.GCP, False)):
            sim = Sim(cloud)
            seen = await sim.build(sim.wanted())
            await sim.provider.delete(sim.scope, seen[sim.machine(1)])
            await sim.clock.sleep(100)
            lives = [
                o.life
                for o in await sim.see()
                if isinstance(o, Seen) and o.id == seen[sim.machine(1)].id
            ]
            assert lives == ([Life.GONE] if shown else [])
            await sim.clock.sleep(4000)
            assert seen[sim.machine(1)].id not in {getattr(o, "id", "") for o in await sim.see()}

    play(story)
