"""The pass of an account: verdict, catalogue, the shared listing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from tests.core.planner.build import KEYS, ONE, REGION
from tests.reconciler.platform import Stage, story

from holdfast.model.account import Account
from holdfast.model.ids import ClusterId, cluster_key
from holdfast.model.observed import Blind
from holdfast.model.resource import FirewallRule, Role
from holdfast.providers import errors
from holdfast.reconciler import accounts
from holdfast.store.credentials import CredentialsRow


async def row(stage: Stage) -> CredentialsRow:
    async with stage.store.reading() as tx:
        found = await stage.store.credentials.get(tx, KEYS)
    assert found
    return found


async def is_due(stage: Stage) -> bool:
    return cluster_key(ONE) in [key for key, _ in await stage.store.leases.due()]


@story
async def test_good_credentials_are_checked_and_their_regions_listed(stage: Stage) -> None:
    again = await stage.account_pass()
    assert again.after == accounts.LISTING
    found = await row(stage)
    assert found.error == ""
    assert found.account
    assert found.account.id == "111111111111"
    assert found.checked_at == stage.clock.now()


@story
async def test_check_and_catalogue_are_made_hourly_and_the_listing_each_minute(
    stage: Stage,
) -> None:
    await stage.up(1, 0)
    stage.cloud.calls.clear()
    stage.clock.turn(3600)
    for _ in range(3):
        await stage.account_pass()
        stage.clock.turn(60)
    calls = stage.cloud.calls
    assert (calls.count("check"), calls.count("catalogue")) == (1, 1)
    assert calls.count("observe all") == 3
    stage.clock.turn(3600)
    await stage.account_pass()
    assert (calls.count("check"), calls.count("catalogue")) == (2, 2)


def refusing(error: errors.ProviderError) -> Any:
    def refuse(verb: str, name: str) -> None:
        if verb == "check":
            raise error

    return refuse


@story
async def test_rejected_credentials_are_a_verdict(stage: Stage) -> None:
    stage.cloud.refuse = refusing(errors.CredentialsRejected("who am I", "AuthFailure", "no"))
    again = await stage.account_pass()
    assert again.after == accounts.AFTER_REFUSAL
    assert (await row(stage)).error == "who am I: AuthFailure: no"
    assert stage.cloud.calls == ["check"]


@story
async def test_a_secret_that_lacks_a_field_is_a_verdict(stage: Stage) -> None:
    stage.providers.refusal = errors.CredentialsRejected("connect", "", "accessKeyId is missing")
    await stage.account_pass()
    assert "accessKeyId is missing" in (await row(stage)).error


@story
async def test_an_outage_is_no_verdict_and_is_asked_again_soon(stage: Stage) -> None:
    await stage.account_pass()
    stage.clock.turn(3600)
    for error in (errors.Unavailable, errors.Throttled, errors.OutcomeUnknown):
        stage.cloud.refuse = refusing(error("who am I", "503", "busy"))
        again = await stage.account_pass()
        assert again.after == accounts.AFTER_SILENCE
        assert (await row(stage)).error == ""


@story
async def test_missing_permissions_are_named(stage: Stage) -> None:
    async def check(region: str) -> Account:
        return Account(
            "1", "user/holdfast", (region,), missing=("ec2:RunInstances", "ec2:CreateVpc")
        )

    stage.cloud.check = check  # type: ignore[method-assign]
    await stage.account_pass()
    assert (await row(stage)).error == "permission lacking: ec2:RunInstances, ec2:CreateVpc"


@pytest.mark.fault("F58", "P")
@story
async def test_another_account_is_refused_and_named(stage: Stage) -> None:
    """F58: its listings would come back empty and read as if everything were gone."""
    await stage.account_pass()

    async def check(region: str) -> Account:
        return Account("222222222222", "user/other", (region,))

    stage.cloud.check = check  # type: ignore[method-assign]
    stage.clock.turn(3600)
    await stage.account_pass()
    found = await row(stage)
    assert "222222222222" in found.error
    assert "111111111111" in found.error


@story
async def test_credentials_that_are_good_again_wake_the_clusters_that_waited(stage: Stage) -> None:
    await stage.up(1, 0)
    well = stage.cloud.refuse
    stage.cloud.refuse = refusing(errors.CredentialsRejected("who am I", "AuthFailure", "no"))
    await stage.account_pass()
    assert not await is_due(stage)
    stage.cloud.refuse = well
    stage.clock.turn(901)
    await stage.account_pass()
    assert await is_due(stage)


@story
async def test_a_catalogue_that_fails_keeps_the_old_one(stage: Stage) -> None:
    stage.clock.turn(7200)

    def refuse(verb: str, name: str) -> None:
        if verb == "catalogue":
            raise errors.Throttled("describe offerings", "RequestLimitExceeded", "slow")

    stage.cloud.refuse = refuse
    assert (await stage.account_pass()).after == accounts.LISTING
    async with stage.store.reading() as tx:
        known = await stage.store.regions.get(tx, KEYS, REGION)
    assert known
    assert known[0] == stage.cloud.region


@story
async def test_the_shared_listing_wakes_a_cluster_whose_machine_vanished(stage: Stage) -> None:
    await stage.up(1, 1)
    await stage.account_pass()
    assert not await is_due(stage)
    stage.cloud.kill((await stage.of(Role.WORKER))[0].id)
    await stage.account_pass()
    assert await is_due(stage)


@story
async def test_the_shared_listing_wakes_a_cluster_whose_firewall_rule_vanished(
    stage: Stage,
) -> None:
    await stage.up(1, 1)
    rule = next(i for i, s in stage.cloud.truth.items() if isinstance(s.resource, FirewallRule))
    await stage.account_pass()
    assert not await is_due(stage)
    del stage.cloud.truth[rule]
    await stage.account_pass()
    assert await is_due(stage)


@story
async def test_an_incomplete_shared_listing_wakes_nobody(stage: Stage) -> None:
    await stage.up(1, 1)
    await stage.account_pass()
    listed = stage.cloud.observe

    async def partial(*args: Any) -> Any:
        await listed(*args)
        return (Blind(frozenset({"VirtualMachine"}), "503"),)

    stage.cloud.observe = partial  # type: ignore[method-assign, assignment]
    await stage.account_pass()
    assert not await is_due(stage)


@story
async def test_orphans_are_shown_and_not_touched(stage: Stage) -> None:
    await stage.up(1, 0)
    thing = next(iter(stage.cloud.truth.values()))
    orphan = replace(thing, id="vpc-orphan", cluster=ClusterId("forgotten"))  # type: ignore[arg-type]
    stage.cloud.truth[orphan.id] = orphan
    with structlog.testing.capture_logs() as logs:
        await stage.account_pass()
    shown = [entry for entry in logs if entry["event"] == "orphan"]
    assert [(e["id"], e["cluster"]) for e in shown] == [("vpc-orphan", "forgotten")]
    assert orphan.id in stage.cloud.truth


@story
async def test_forgotten_credentials_are_looked_at_no_more(stage: Stage) -> None:
    async with stage.store.writing() as tx:
        await stage.store.credentials.remove(tx, KEYS)
    assert (await stage.account_pass()).after == accounts.CATALOGUE >= timedelta(hours=1)
    assert stage.cloud.calls == []
