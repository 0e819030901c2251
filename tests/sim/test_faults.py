"""Each kind of fault: what happens in the cloud, and what the platform gets to see of it."""

from datetime import timedelta

import pytest
from tests.sim.cloud import Sim, play

from holdfast.model.observed import Blind, Life, Seen
from holdfast.providers import errors
from holdfast.providers.sim import machines, truth
from holdfast.providers.sim.faults import Fault, FaultTable, Kind


def test_a_lost_request_happens_not_and_is_an_unknown_outcome() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.LOST_REQUEST, verb="create", thing="VirtualMachine", count=1)
        with pytest.raises(errors.OutcomeUnknown):
            await sim.make(wanted[sim.machine(0)], seen)
        assert sim.count("VirtualMachine") == 0
        assert sim.world.record.calls[-1].outcome == "lost"
        await sim.make(wanted[sim.machine(0)], seen)
        assert sim.count("VirtualMachine") == 1

    play(story)


def test_a_lost_response_happened_and_is_an_unknown_outcome() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.LOST_RESPONSE, subject="aws/machine/*", count=1)
        with pytest.raises(errors.OutcomeUnknown):
            await sim.make(wanted[sim.machine(0)], seen)
        assert sim.count("VirtualMachine") == 1
        await sim.make(wanted[sim.machine(0)], seen)
        assert sim.count("VirtualMachine") == 1

    play(story)


def test_a_lost_response_to_a_delete_may_be_repeated() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        sim.fault(Kind.LOST_RESPONSE, verb="delete", count=1)
        with pytest.raises(errors.Unavailable):
            await sim.provider.delete(sim.scope, seen[sim.machine(1)])
        await sim.provider.delete(sim.scope, seen[sim.machine(1)])
        assert (await sim.things())[sim.machine(1)].life is Life.LEAVING

    play(story)


@pytest.mark.parametrize("seconds", [1.0, 300.0])
def test_a_late_effect_comes_after_the_time_out(seconds: float) -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.LATE, thing="VirtualMachine", value=seconds, count=1)
        began = sim.clock.monotonic()
        with pytest.raises(errors.OutcomeUnknown):
            await sim.make(wanted[sim.machine(0)], seen)
        assert sim.clock.monotonic() - began <= sim.world.settings.patience + 1
        await sim.clock.sleep(seconds + 1)
        assert sim.count("VirtualMachine") == 1
        assert sim.world.record.calls[-1].outcome == "late ok"
        assert sim.world.timeline.late == 0

    play(story)


def test_a_late_effect_can_be_held_until_somebody_lets_it_go() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.LATE, thing="VirtualMachine", value=1e9, count=1)
        with pytest.raises(errors.OutcomeUnknown):
            await sim.make(wanted[sim.machine(0)], seen)
        assert sim.world.timeline.late == 1
        assert truth.outstanding(sim.world) == 1
        assert sim.world.timeline.release() == 1
        assert sim.count("VirtualMachine") == 1

    play(story)


def test_a_late_effect_looks_again_at_what_it_needs() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.LATE, thing="VirtualMachine", value=60, count=1)
        with pytest.raises(errors.OutcomeUnknown):
            await sim.make(wanted[sim.machine(0)], seen)
        await sim.provider.delete(sim.scope, seen[sim.name("subnet", sim.zone)])
        await sim.clock.sleep(100)
        assert sim.count("VirtualMachine") == 0
        assert sim.world.record.calls[-1].outcome == "late Unavailable"

    play(story)


def test_a_delay_only_takes_time() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.DELAY, thing="VirtualMachine", value=30, count=1)
        began = sim.clock.monotonic()
        await sim.make(wanted[sim.machine(0)], seen)
        assert 30 < sim.clock.monotonic() - began < 31
        sim.fault(Kind.DELAY, verb="observe", value=5, count=1)
        began = sim.clock.monotonic()
        assert sim.machine(0) in await sim.things()
        assert 5 < sim.clock.monotonic() - began < 6

    play(story)


@pytest.mark.parametrize("name", [one.__name__ for one in errors.ProviderError.__subclasses__()])
def test_every_class_of_error_can_be_had(name: str) -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.ERROR, error=name, code="Odd", detail="words", count=1)
        with pytest.raises(getattr(errors, name)) as refusal:
            await sim.make(wanted[sim.machine(0)], seen)
        assert refusal.value.code == "Odd"
        assert refusal.value.attempted == f"create {sim.machine(0)}"
        assert sim.count("VirtualMachine") == 0

    play(story)


def test_a_throttle_says_how_long_to_wait_and_slows_the_platforms_own_bucket() -> None:
    async def story() -> None:
        sim = Sim(limits=True)
        wanted, seen = await sim.build_network()
        sim.fault(Kind.THROTTLE, thing="VirtualMachine", verb="create", value=7, count=1)
        with pytest.raises(errors.Throttled) as refusal:
            await sim.make(wanted[sim.machine(0)], seen)
        assert refusal.value.retry_after == timedelta(seconds=7)
        began = sim.clock.monotonic()
        await sim.make(wanted[sim.machine(0)], seen)
        assert sim.clock.monotonic() - began >= 6.5

    play(story)


def test_a_listing_that_is_throttled_or_out_is_blind_and_the_others_see() -> None:
    async def story() -> None:
        sim = Sim()
        wanted = sim.wanted()
        await sim.build(wanted)
        sim.fault(Kind.THROTTLE, verb="observe", thing="Network", count=1)
        sim.fault(Kind.OUTAGE, verb="observe", thing="RouteAssociation")
        tables = {"RouteTable", "Route", "RouteAssociation"}
        assert await sim.blind() == {"Network": "Throttled"} | dict.fromkeys(tables, "Unavailable")
        seen = await sim.things()
        assert {type(wanted[n]).__name__ for n in wanted.keys() - seen.keys()} == tables

    play(story)


@pytest.mark.parametrize("kind", [Kind.PARTIAL, Kind.LOST_RESPONSE, Kind.LOST_REQUEST, Kind.LATE])
def test_a_listing_without_a_whole_answer_is_blind(kind: Kind) -> None:
    async def story() -> None:
        sim = Sim()
        await sim.build(sim.wanted())
        sim.fault(kind, verb="observe", thing="VirtualMachine", value=1, count=1)
        machines = {"VirtualMachine", "ChallengeTag"}  # one listing shows both
        assert await sim.blind() == dict.fromkeys(machines, "Unavailable")
        assert await sim.blind() == {}

    play(story)


def test_what_stands_in_the_way_can_be_invisible() -> None:
    async def story() -> None:
        sim = Sim()
        await sim.build(sim.wanted())
        sim.fault(Kind.OUTAGE, verb="observe", subject="foreign")
        assert await sim.blind() == {"Foreign": "Unavailable"}

    play(story)


def test_an_outage_of_a_zone_leaves_the_rest_alone() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.OUTAGE, zone=sim.zone)
        with pytest.raises(errors.Unavailable, match=sim.zone):
            await sim.make(wanted[sim.machine(0)], seen)
        await sim.make(wanted[sim.name("network")], seen)
        blind = [one for one in await sim.see() if isinstance(one, Blind)]
        assert {one.zone for one in blind} == {sim.zone}
        assert await sim.blind() == dict.fromkeys(("VirtualMachine", "Subnet"), "Unavailable")
        hidden = {name for name in seen if name not in await sim.things()}
        assert hidden == {name for name in seen if name.endswith(f"/subnet/{sim.zone}")}

    play(story)


def test_an_outage_of_a_region_is_blindness_everywhere_and_ends_at_its_time() -> None:
    async def story() -> None:
        sim = Sim()
        wanted = sim.wanted()
        await sim.build(wanted)
        now = sim.clock.now()
        soon, later = now + timedelta(minutes=5), now + timedelta(minutes=20)
        sim.fault(Kind.OUTAGE, region=sim.region, since=soon, until=later)
        assert await sim.blind() == {}
        await sim.clock.sleep(301)
        assert len(await sim.blind()) == 15
        assert await sim.things() == {}
        with pytest.raises(errors.Unavailable):
            await sim.provider.catalogue(sim.region)
        await sim.clock.sleep(900)
        assert (await sim.things()).keys() == wanted.keys()

    play(story)


def test_a_half_made_thing_is_seen_as_failed_and_can_be_deleted() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.PARTIAL, thing="VirtualMachine", detail="the disk is missing", count=1)
        with pytest.raises(errors.QuotaExceeded):
            await sim.make(wanted[sim.machine(0)], seen)
        half = (await sim.things())[sim.machine(0)]
        assert half.life is Life.FAILED
        assert half.evidence == "the disk is missing"
        await sim.clock.sleep(100)
        assert (await sim.things())[sim.machine(0)].life is Life.FAILED
        await sim.provider.delete(sim.scope, half)
        await sim.clock.sleep(100)
        assert sim.count("VirtualMachine") == 0

    play(story)


def test_a_stale_listing_is_the_world_of_a_while_ago_and_then_the_present_again() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        await sim.make(wanted[sim.machine(0)], seen)
        await sim.clock.sleep(60)
        sim.fault(Kind.STALE, thing="VirtualMachine", value=59, count=1)
        assert (await sim.things())[sim.machine(0)].life is Life.PENDING
        sim.fault(Kind.STALE, thing="VirtualMachine", value=3600, count=1)
        assert sim.machine(0) not in await sim.things()
        assert (await sim.things())[sim.machine(0)].life is Life.PRESENT

    play(story)


@pytest.mark.parametrize(("writes", "life"), [(1, Life.PRESENT), (2, Life.PENDING), (3, None)])
def test_a_stale_listing_can_lack_the_last_writes(writes: int, life: Life | None) -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        await sim.make(wanted[sim.machine(0)], seen)
        await sim.clock.sleep(60)
        await sim.provider.delete(sim.scope, (await sim.things())[sim.machine(0)])
        sim.fault(Kind.STALE, thing="VirtualMachine", writes=writes, count=1)
        found = (await sim.things()).get(sim.machine(0))
        assert (found.life if found else None) is life

    play(story)


def test_what_a_call_did_can_stay_unseen_for_a_while() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.STALE_AFTER, thing="VirtualMachine", verb="create", value=5, count=1)
        await sim.make(wanted[sim.machine(0)], seen)
        assert sim.machine(0) not in await sim.things()
        await sim.clock.sleep(5)
        assert sim.machine(0) in await sim.things()
        sim.fault(Kind.STALE_AFTER, verb="delete", value=60, count=1)
        await sim.clock.sleep(60)
        subnet = seen[sim.name("route", "internet")]
        await sim.provider.delete(sim.scope, subnet)
        assert subnet.resource.name in await sim.things()
        await sim.clock.sleep(60)
        assert subnet.resource.name not in await sim.things()

    play(story)


def test_a_lost_page_hides_things_without_a_word() -> None:
    async def story() -> None:
        sim = Sim()
        await sim.build(sim.wanted(workers=2))
        sim.fault(Kind.HIDDEN, subject=sim.machine(1))
        assert sim.machine(1) not in await sim.things()
        assert sim.machine(2) in await sim.things()
        assert await sim.blind() == {}

    play(story)


def test_capacity_is_counted_down_and_then_out() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.CAPACITY, type=sim.type, zone=sim.zone, value=1)
        await sim.make(wanted[sim.machine(0)], seen)
        with pytest.raises(errors.CapacityUnavailable, match=sim.type):
            await sim.make(wanted[sim.machine(1)], seen)
        region = await sim.provider.catalogue(sim.region)
        assert all(offer.available for offer in region.offerings)

    play(story)


def test_a_sold_out_offering_is_told_by_the_catalogue() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.SOLD_OUT, type=sim.type, zone=sim.zone, market="on-demand")
        with pytest.raises(errors.CapacityUnavailable):
            await sim.make(wanted[sim.machine(0)], seen)
        region = await sim.provider.catalogue(sim.region)
        out = [offer.key for offer in region.offerings if not offer.available]
        assert [(key.instance_type, key.zone) for key in out] == [(sim.type, sim.zone)]

    play(story)


@pytest.mark.parametrize(
    ("code", "spot"), [("L-1216C47A", False), ("L-34B43A08", True)], ids=["on-demand", "spot"]
)
def test_a_quota_is_used_up_by_machines_and_given_back(code: str, spot: bool) -> None:
    async def story() -> None:
        sim = Sim()
        _, seen = await sim.build_network()
        wanted = sim.wanted(workers=2, spot=spot)
        sim.fault(Kind.QUOTA, type=code, value=3)
        await sim.make(wanted[sim.machine(1)], seen)
        with pytest.raises(errors.QuotaExceeded, match=f"quota {code}: 2 of 3"):
            await sim.make(wanted[sim.machine(2)], seen)
        quotas = {one.code: one for one in (await sim.provider.catalogue(sim.region)).quotas}
        assert (quotas[code].used, quotas[code].limit) == (2.0, 3.0)
        await sim.provider.delete(sim.scope, (await sim.things())[sim.machine(1)])
        await sim.clock.sleep(100)
        await sim.make(wanted[sim.machine(2)], seen)

    play(story)


def test_a_lacking_right_is_named_by_check_and_by_the_call() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.DENY, verb="create", thing="VirtualMachine")
        account = await sim.provider.check(sim.region)
        assert account.missing == ("create-VirtualMachine",)
        with pytest.raises(errors.CredentialsRejected) as refusal:
            await sim.make(wanted[sim.machine(0)], seen)
        assert refusal.value.permission == "create-VirtualMachine"

    play(story)


def test_a_withdrawn_image_starts_nothing_and_the_catalogue_has_another() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        old = (await sim.provider.catalogue(sim.region)).images["amd64"]
        sim.fault(Kind.IMAGE_GONE, subject=old)
        with pytest.raises(errors.RequestRejected, match=old):
            await sim.make(wanted[sim.machine(0)], seen)
        assert (await sim.provider.catalogue(sim.region)).images["amd64"] != old
        await sim.make(sim.wanted()[sim.machine(0)], seen)

    play(story)


def test_a_boot_that_fails_ends_with_its_reason_and_a_console() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.BOOT_FAILS, subject=sim.machine(0), detail="kernel panic")
        await sim.make(wanted[sim.machine(0)], seen)
        await sim.clock.sleep(60)
        (gone,) = [one for one in await sim.see() if getattr(one, "life", None) is Life.GONE]
        assert isinstance(gone, Seen)
        assert "kernel panic" in gone.evidence
        assert await sim.provider.console(sim.scope, gone.id) == "kernel panic"

    play(story)


def test_a_price_changes_for_the_catalogue_and_for_the_bill() -> None:
    async def story() -> None:
        sim = Sim()
        await sim.build(sim.wanted())
        before, bill = (
            await sim.provider.catalogue(sim.region),
            truth.money(sim.world, sim.scope.installation),
        )
        sim.fault(Kind.PRICE, type=sim.type, value=3)
        after = await sim.provider.catalogue(sim.region)
        changed = {
            new.key.instance_type
            for old, new in zip(before.offerings, after.offerings, strict=True)
            if new.price != old.price
        }
        assert changed == {sim.type}
        assert truth.money(sim.world, sim.scope.installation) > bill

    play(story)


def test_a_clock_that_is_far_off_looks_like_bad_credentials_and_says_so() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        token = sim.fault(Kind.CLOCK, value=120)
        await sim.make(wanted[sim.machine(0)], seen)
        stamped = (await sim.things())[sim.machine(0)].created_at
        assert stamped is not None
        assert stamped - sim.clock.now() > timedelta(seconds=110)
        sim.world.faults.remove(token)
        sim.fault(Kind.CLOCK, value=-1800)
        with pytest.raises(errors.CredentialsRejected, match="clock is 1800 s ahead of"):
            await sim.provider.check(sim.region)

    play(story)


def test_a_revoked_key_is_blindness_and_a_new_one_sees_again() -> None:
    async def story() -> None:
        sim = Sim()
        wanted = sim.wanted()
        await sim.build(wanted)
        old = sim.account.keys[0]
        old.is_valid = False
        assert set((await sim.blind()).values()) == {"CredentialsRejected"}
        assert await sim.things() == {}
        fresh = sim.providers.provider(sim.cloud, sim.account.new_key().secret)
        assert (await fresh.check(sim.region)).id == sim.account.id
        seen = await fresh.observe(sim.scope, sim.cluster)
        assert len(seen) == len(wanted)

    play(story)


def test_a_key_can_be_revoked_while_a_call_is_on_its_way() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.fault(Kind.DELAY, thing="VirtualMachine", value=5, count=1)
        sim.world.timeline.after(3, lambda: setattr(sim.account.keys[0], "is_valid", False))
        with pytest.raises(errors.CredentialsRejected):
            await sim.make(wanted[sim.machine(0)], seen)
        assert sim.count("VirtualMachine") == 0

    play(story)


def test_the_key_of_another_account_shows_another_identity_and_nothing_else() -> None:
    async def story() -> None:
        sim = Sim()
        await sim.build(sim.wanted())
        other = sim.world.add_account(sim.cloud, "210987654321")
        provider = sim.providers.provider(sim.cloud, other.keys[0].secret)
        assert (await provider.check(sim.region)).id == "210987654321"
        assert list(await provider.observe(sim.scope, sim.cluster)) == []

    play(story)


def test_unknown_keys_missing_fields_and_regions_that_are_not_enabled_are_refused() -> None:
    async def story() -> None:
        sim = Sim()
        secret = {"accessKeyId": "AKIA1", "secretAccessKey": "x"}
        with pytest.raises(errors.CredentialsRejected):
            await sim.providers.provider(sim.cloud, secret).check(sim.region)
        with pytest.raises(errors.CredentialsRejected, match="secretAccessKey is missing"):
            sim.providers.provider(sim.cloud, {"accessKeyId": "AKIA1"})
        account = await sim.provider.check("af-south-1")
        assert "af-south-1" not in account.regions
        with pytest.raises(errors.CredentialsRejected, match="not enabled"):
            await sim.provider.catalogue("af-south-1")

    play(story)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Fault(Kind.ERROR, error="Strange"), "Strange"),
        (Fault(Kind.DELAY, value=-1), "below zero"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: Fault, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        FaultTable().add(fault)


def test_machines_end_when_their_zone_is_lost() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        assert machines.lose_zone(sim.world, sim.site, "eu-central-1b") == ()
        lost = machines.lose_zone(sim.world, sim.site, sim.zone)
        assert set(lost) == {seen[sim.machine(0)].id, seen[sim.machine(1)].id}
        found = [one for one in await sim.see() if isinstance(one, Seen)]
        gone = [one for one in found if one.life is Life.GONE]
        assert {one.id for one in gone} == set(lost)
        assert all(sim.zone in one.evidence for one in gone)
        assert sim.told.whats() == ["running"] * 2 + ["ended"] * 2

    play(story)


def test_an_account_may_learn_of_a_key_that_was_refused_before() -> None:
    async def story() -> None:
        sim = Sim()
        other = Sim(settings=sim.world.settings)
        later = other.account.new_key()
        with pytest.raises(errors.CredentialsRejected):
            await sim.providers.provider(sim.cloud, later.secret).check(sim.region)
        sim.account.keys.append(later)
        account = await sim.providers.provider(sim.cloud, later.secret).check(sim.region)
        assert account.id == sim.account.id

    play(story)
