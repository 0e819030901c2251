"""Other people in the account, dependencies, and what the truth says about all of it."""

from dataclasses import replace
from decimal import Decimal
from ipaddress import IPv4Network

import pytest
from tests.sim.cloud import CLUSTER, INSTALLATION, Sim, play

from holdfast.model.ids import ClusterId, InstallationId, ProviderId
from holdfast.model.observed import Foreign, Life, Seen
from holdfast.model.resource import FirewallRule
from holdfast.providers import errors
from holdfast.providers.sim import truth
from holdfast.providers.sim.faults import Kind
from holdfast.providers.sim.provider import Care


def foreign(found: object) -> list[Foreign]:
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, Foreign)]


def test_a_foreign_machine_holds_all_that_it_stands_on() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        machine = sim.stranger.machine(
            seen[sim.name("subnet", sim.zone)].id, seen[sim.name("firewall", "worker")].id
        )
        (found,) = foreign(await sim.see())
        assert (found.id, found.kind) == (machine, "virtual machine")
        assert found.owner == "Name=web, team=ops"
        parts = (("network",), ("subnet", sim.zone), ("firewall", "worker"))
        assert {sim.name(*part) for part in parts} <= found.holds
        assert sim.name("gateway-attachment") in found.holds
        assert sim.name("firewall", "control-plane") not in found.holds

    play(story)


def test_a_foreign_interface_blocks_and_a_foreign_rule_does_not() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        group, subnet = sim.name("firewall", "worker"), sim.name("subnet", sim.zone)
        rule = sim.stranger.rule(seen[group].id)
        interface = sim.stranger.interface(seen[subnet].id)
        found = {one.id: one for one in foreign(await sim.see())}
        assert found.keys() == {rule, interface}
        assert found[rule].holds == frozenset()
        digest = truth.foreign_digest(sim.world, INSTALLATION)
        refused = await sim.tear_down()
        assert {b.id for one in refused for b in one.blockers} == {interface}
        assert group not in await sim.things()
        assert subnet in await sim.things()
        assert truth.foreign_digest(sim.world, INSTALLATION) == digest
        sim.stranger.delete(interface)
        assert truth.foreign_digest(sim.world, INSTALLATION) != digest
        assert await sim.tear_down() == []

    play(story)


def test_every_thing_that_others_need_is_kept_and_nothing_of_ours_is_named_foreign() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        kept = []
        for kind in ("network", "gateway", "route-table", "subnet/" + sim.zone, "firewall/worker"):
            with pytest.raises(errors.DependencyHeld) as refusal:
                await sim.provider.delete(sim.scope, seen[sim.name(*kind.split("/"))])
            kept.append(refusal.value.blockers)
        for kind in ("role/worker", "address/endpoint", "gateway-attachment"):
            with pytest.raises(errors.DependencyHeld) as refusal:
                await sim.provider.delete(sim.scope, seen[sim.name(*kind.split("/"))])
            kept.append(refusal.value.blockers)
        assert set(kept) == {()}
        assert (await sim.things()).keys() == seen.keys()

    play(story)


def test_parts_go_with_the_whole() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        for name in (sim.machine(0), sim.machine(1)):
            await sim.provider.delete(sim.scope, seen[name])
        await sim.clock.sleep(60)
        assert sim.name("address-binding", "endpoint") not in await sim.things()
        await sim.provider.delete(sim.scope, seen[sim.name("subnet", sim.zone)])
        with pytest.raises(errors.DependencyHeld):  # a rule of the other group names it
            await sim.provider.delete(sim.scope, seen[sim.name("firewall", "worker")])
        left = (await sim.things()).keys()
        assert sim.name("route-association", sim.zone) not in left
        await sim.provider.delete(sim.scope, seen[sim.name("rule", "control-plane", "from-worker")])
        await sim.provider.delete(sim.scope, seen[sim.name("firewall", "worker")])
        assert not [name for name in await sim.things() if "/rule/worker/" in name]

    play(story)


def test_what_strangers_change_differs_and_what_they_untag_is_no_longer_ours() -> None:
    async def story() -> None:
        sim = Sim()
        wanted = sim.wanted()
        seen = await sim.build(wanted)
        rule = wanted[sim.name("rule", "control-plane", "api")]
        assert isinstance(rule, FirewallRule)
        open_to_all = replace(rule, peer=IPv4Network("192.0.2.0/24"))
        sim.stranger.change(seen[rule.name].id, open_to_all)
        assert (await sim.things())[rule.name].resource == open_to_all
        sim.stranger.untag(seen[sim.machine(1)].id)
        found = await sim.see()
        assert sim.machine(1) not in {one.resource.name for one in found if isinstance(one, Seen)}
        assert [one.id for one in foreign(found)] == [seen[sim.machine(1)].id]
        with pytest.raises(errors.Conflict, match="not ours: no tags"):
            await sim.provider.delete(sim.scope, seen[sim.machine(1)])
        sim.stranger.delete(seen[sim.machine(0)].id)
        await sim.clock.sleep(60)
        assert sim.machine(0) not in await sim.things()

    play(story)


def test_the_owner_check_is_the_drivers_and_the_record_tells_when_it_is_missing() -> None:
    async def story() -> None:
        for care, touched in ((Care(), 0), (Care(owner=False), 1)):
            sim = Sim(care=care)
            seen = await sim.build(sim.wanted())
            theirs = sim.stranger.group(seen[sim.name("network")].id)
            disguised = replace(seen[sim.name("firewall", "worker")], id=theirs)
            digest = truth.foreign_digest(sim.world, INSTALLATION)
            try:
                await sim.provider.delete(sim.scope, disguised)
            except errors.Conflict:
                assert touched == 0
            assert len(sim.world.record.touched) == touched
            assert (truth.foreign_digest(sim.world, INSTALLATION) != digest) == bool(touched)

    play(story)


def test_orphans_and_ghosts_are_told_by_the_truth() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        recorded = [(CLUSTER, one.id) for one in seen.values()]
        assert truth.orphans(sim.world, INSTALLATION, recorded) == []
        assert truth.ghosts(sim.world, INSTALLATION, recorded) == []
        lost = recorded.pop()
        assert [one.id for one in truth.orphans(sim.world, INSTALLATION, recorded)] == [lost[1]]
        ghost = (CLUSTER, ProviderId("i-0"))
        assert truth.ghosts(sim.world, INSTALLATION, [*recorded, ghost]) == [ghost]
        other = InstallationId("8" * 36)
        assert list(truth.ours(sim.world, other)) == []

    play(story)


def test_money_and_machine_hours_follow_what_lives() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        both = truth.money(sim.world, INSTALLATION, CLUSTER)
        assert both == truth.money(sim.world, INSTALLATION)
        assert truth.money(sim.world, INSTALLATION, ClusterId("x")) == Decimal(0)
        await sim.provider.delete(sim.scope, seen[sim.machine(1)])
        await sim.clock.sleep(60)
        one = truth.money(sim.world, INSTALLATION)
        assert 0 < one < both
        hours = truth.machine_hours(sim.world, INSTALLATION)
        await sim.clock.sleep(3600)
        assert truth.machine_hours(sim.world, INSTALLATION) - hours == pytest.approx(1.0, abs=0.01)
        sim.stranger.stop(seen[sim.machine(0)].id)
        assert (await sim.things())[sim.machine(0)].life is Life.FAILED
        assert 0 < truth.money(sim.world, INSTALLATION) < one

    play(story)


def test_the_endpoint_leads_where_its_binding_says() -> None:
    async def story() -> None:
        sim = Sim()
        seen = await sim.build(sim.wanted())
        address = seen[sim.name("address", "endpoint")].public_ip
        binding = seen[sim.name("address-binding", "endpoint")]
        assert address is not None
        assert sim.world.leads_to(address) == (sim.site, seen[sim.machine(0)].id)
        assert seen[sim.machine(0)].public_ip == address
        await sim.provider.delete(sim.scope, binding)
        assert sim.world.leads_to(address) is None
        assert (await sim.things())[sim.machine(0)].public_ip not in {None, address}

    play(story)


def test_an_address_is_not_bound_to_a_machine_that_does_not_run_yet() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        await sim.make(wanted[sim.machine(0)], seen)
        binding = wanted[sim.name("address-binding", "endpoint")]
        with pytest.raises(errors.Unavailable, match="pending"):
            await sim.make(binding, await sim.things())

    play(story)


def test_what_a_create_needs_must_be_handed_in_and_be_there() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        subnet = sim.name("subnet", sim.zone)
        partial = {n: one for n, one in seen.items() if n != subnet}
        with pytest.raises(errors.RequestRejected, match="was not observed"):
            await sim.make(wanted[sim.machine(0)], partial)
        await sim.provider.delete(sim.scope, seen[subnet])
        with pytest.raises(errors.Unavailable, match="does not exist"):
            await sim.make(wanted[sim.machine(0)], seen)
        sim.fault(Kind.DENY, verb="observe", thing="Network")
        assert await sim.blind() == {"Network": "CredentialsRejected"}

    play(story)
