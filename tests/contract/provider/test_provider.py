"""The provider contract: what every cloud behind the port must do. Names are the contract."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.contract.provider.side import CLUSTER, REGION, ZONE, Side, machine_name, name

from holdfast.model import names
from holdfast.model.ids import InstallationId, ProviderId
from holdfast.model.observed import Blind, Foreign, Life, Seen
from holdfast.model.offering import CapacityType
from holdfast.model.resource import VirtualMachine
from holdfast.providers import errors


def test_everything_wanted_can_be_made_and_is_seen_as_it_was_wanted(side: Side) -> None:
    wanted = side.wanted(workers=2)
    seen = asyncio.run(side.build(wanted))
    assert {n: one.resource for n, one in seen.items()} == wanted
    assert {one.life for one in seen.values()} == {Life.PRESENT}
    assert {(one.cluster, one.installation) for one in seen.values()} == {
        (side.scope.cluster, side.scope.installation)
    }


def test_a_create_that_is_repeated_makes_no_second_thing(side: Side) -> None:
    async def story() -> None:
        wanted = side.wanted()
        seen = await side.build(wanted)
        before = side.living()
        for resource in wanted.values():
            await side.make(resource, seen)
        assert [one["id"] for one in side.living()] == [one["id"] for one in before]
        assert (await side.things()).keys() == wanted.keys()

    asyncio.run(story())


def test_creates_at_the_same_time_with_one_token_make_one_machine(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        machine = wanted[machine_name(0)]
        await asyncio.gather(*(side.make(machine, seen) for _ in range(4)))
        assert side.count("instance") == 1

    asyncio.run(story())


def test_a_machine_tells_its_addresses_its_age_and_what_it_costs(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted(workers=1, spot=True))
        machine = seen[machine_name(1)]
        assert machine.private_ip is not None
        assert machine.public_ip is not None
        assert machine.created_at is not None
        assert machine.created_at.tzinfo is not None
        assert isinstance(machine.resource, VirtualMachine)
        assert machine.resource.offering.capacity_type is CapacityType.SPOT
        address = seen[name("address", "endpoint")]
        assert seen[machine_name(0)].public_ip == address.public_ip

    asyncio.run(story())


def test_a_machine_is_pending_until_the_cloud_says_that_it_runs(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        await side.make(wanted[machine_name(0)], seen)
        pending = (await side.things())[machine_name(0)]
        assert pending.life is Life.PENDING
        assert pending.resource == wanted[machine_name(0)]
        side.settle()
        assert (await side.things())[machine_name(0)].life is Life.PRESENT

    asyncio.run(story())


def test_a_terminated_machine_is_gone_with_the_clouds_own_words(side: Side) -> None:
    async def story() -> None:
        wanted = side.wanted()
        seen = await side.build(wanted)
        await side.provider.delete(side.scope, seen[machine_name(1)])
        assert (await side.things())[machine_name(1)].life is Life.LEAVING
        side.settle()
        after = [one for one in await side.see() if isinstance(one, Seen)]
        gone = next(one for one in after if one.resource.name == machine_name(1))
        assert gone.life is Life.GONE
        assert "terminated" in gone.evidence
        assert gone.resource == wanted[machine_name(1)]
        assert "User" in gone.evidence

    asyncio.run(story())


@pytest.mark.fault("F10", "W")
def test_everything_can_be_deleted_and_nothing_of_ours_is_left(side: Side) -> None:
    async def story() -> None:
        await side.build(side.wanted(workers=2))
        assert await side.tear_down() == []
        assert side.living() == []

    asyncio.run(story())


def test_a_delete_of_what_is_gone_already_is_fine(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        await side.tear_down()
        for one in seen.values():
            await side.provider.delete(side.scope, one)

    asyncio.run(story())


def test_a_delete_touches_nothing_that_lacks_our_tags(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        stranger = side.stranger_machine(seen)
        disguised = replace(seen[machine_name(1)], id=ProviderId(stranger))
        before = side.changes()
        with pytest.raises(errors.Conflict, match=r"not ours.*team=ops"):
            await side.provider.delete(side.scope, disguised)
        assert side.changes() == before

    asyncio.run(story())


@pytest.mark.fault("F14", "W")
def test_a_neighbour_with_the_same_name_is_neither_seen_nor_touched(side: Side) -> None:
    async def story() -> None:
        neighbour = side.of_other_cluster()
        await side.build(side.wanted())
        theirs = await neighbour.build(neighbour.wanted())
        before = side.changes()
        for one in theirs.values():
            with suppress(errors.Conflict):
                await side.provider.delete(side.scope, one)
        assert side.changes() == before
        await side.tear_down()
        assert (await neighbour.things()).keys() == theirs.keys()
        assert side.living(CLUSTER) == []

    asyncio.run(story())


def test_without_a_cluster_everything_of_the_installation_is_seen(side: Side) -> None:
    async def story() -> None:
        mine = await side.build(side.wanted())
        theirs = await side.of_other_cluster().build(side.of_other_cluster().wanted())
        found = await side.provider.observe(side.scope, None)
        ids = {one.id for one in found if isinstance(one, Seen)}
        assert ids == {one.id for one in (*mine.values(), *theirs.values())}
        assert len(found) == len(ids)
        other = replace(side.scope, installation=InstallationId("8" * 36))
        assert list(await side.provider.observe(other, None)) == []

    asyncio.run(story())


def test_user_tags_are_there_and_cannot_hide_ours(side: Side) -> None:
    async def story() -> None:
        hostile = {names.TAG_CLUSTER: "mine", names.TAG_NAME: "x", "team": "shop"}
        side.scope = replace(side.scope, tags=tuple(hostile.items()))
        wanted = side.wanted()
        assert (await side.build(wanted)).keys() == wanted.keys()
        assert {one["tags"]["team"] for one in side.living()} == {"shop"}

    asyncio.run(story())


def test_a_foreign_machine_is_named_with_its_owner_and_what_it_holds(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        assert await side.foreign() == []
        stranger = side.stranger_machine(seen)
        (found,) = await side.foreign()
        assert found.id == stranger
        assert "team=ops" in found.owner
        assert "Name=web" in found.owner
        assert found.created_at is not None
        held = {name("network"), name("subnet", ZONE), name("firewall", "worker")}
        assert held <= found.holds
        assert name("firewall", "control-plane") not in found.holds

    asyncio.run(story())


@pytest.mark.fault("F12", "W")
def test_a_refused_delete_names_the_foreign_blocker(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        stranger = side.stranger_machine(seen)
        refused = await side.tear_down()
        assert refused
        assert {b.id for one in refused for b in one.blockers} == {stranger}
        assert any("team=ops" in str(one) for one in refused)
        kept = set(await side.things())
        assert {name("network"), name("subnet", ZONE), name("firewall", "worker")} <= kept
        assert name("firewall", "control-plane") not in kept
        side.stranger_ends(stranger)
        assert await side.tear_down() == []
        assert side.living() == []

    asyncio.run(story())


@pytest.mark.fault("F55", "W")
def test_what_somebody_deleted_is_missing_and_nothing_else(side: Side) -> None:
    async def story() -> None:
        wanted = side.wanted()
        seen = await side.build(wanted)
        rule = seen[name("rule", "control-plane", "api")]
        group = seen[name("firewall", "control-plane")]
        side.stranger_revokes(rule, group)
        assert wanted.keys() - (await side.things()).keys() == {rule.resource.name}

    asyncio.run(story())


def test_an_account_without_things_shows_nothing_and_is_not_blind(side: Side) -> None:
    assert list(asyncio.run(side.see())) == []


def test_a_check_tells_who_the_key_is_and_changes_nothing(side: Side) -> None:
    account = asyncio.run(side.provider.check(REGION))
    assert account.id == "123456789012"
    assert account.missing == ()
    assert REGION in account.regions
    assert side.changes() == 0


def test_a_catalogue_has_priced_offerings_in_one_order(side: Side) -> None:
    async def story() -> None:
        first = await side.provider.catalogue(REGION)
        again = await side.provider.catalogue(REGION)
        assert first.offerings == again.offerings
        assert first.name == REGION
        assert ZONE in first.zones
        assert {offer.key.zone for offer in first.offerings} == set(first.zones)
        assert all(offer.price > 0 for offer in first.offerings)
        assert {offer.arch for offer in first.offerings} == {"amd64", "arm64"}
        assert {o.key.capacity_type for o in first.offerings} == set(CapacityType)
        assert first.images.keys() == {"amd64", "arm64"}
        assert first.address_price > 0
        assert first.disk_price > 0
        assert side.changes() == 0

    asyncio.run(story())


def test_a_console_of_a_machine_that_is_not_there_is_empty(side: Side) -> None:
    text = asyncio.run(side.provider.console(side.scope, ProviderId("i-00000000000000000")))
    assert text == ""


def test_the_kinds_of_answers_are_the_ports_own(side: Side) -> None:
    async def story() -> None:
        seen = await side.build(side.wanted())
        side.stranger_machine(seen)
        for one in await side.see():
            assert isinstance(one, Seen | Blind | Foreign)

    asyncio.run(story())
