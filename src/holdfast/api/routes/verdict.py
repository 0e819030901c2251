"""Waits, bounded, for what the pass of an account says of credentials.

The API never talks to a cloud: it stores the secret, wakes the account and watches the row.
"""

from collections.abc import Mapping

from holdfast.api.auth import ApiContext
from holdfast.api.errors import Refusal
from holdfast.model.account import Account, Region
from holdfast.model.ids import CredentialsId, account_key
from holdfast.model.offering import Cloud
from holdfast.model.wake import Why
from holdfast.store.credentials import CredentialsRow
from holdfast.store.database import Tx
from holdfast.wire.error import Invalid, Wrong

GLANCE = 0.05  # seconds between two looks at the row
NEW_KEY = " (new key)"


async def wake(context: ApiContext, credentials: CredentialsId) -> None:
    """Have the account looked at now."""
    async with context.store.writing() as tx:
        await context.store.leases.wake(tx, account_key(credentials), Why.USER)


async def again(context: ApiContext, credentials: CredentialsId) -> CredentialsRow:
    """A new verdict, however young the last one is: the same secret counts as a new one."""
    async with context.store.writing() as tx:
        secret = await context.store.credentials.secret(tx, credentials)
        await context.store.credentials.replace_secret(tx, credentials, secret)
        await context.store.leases.wake(tx, account_key(credentials), Why.USER)
    return await awaited(context, credentials)


async def forget(context: ApiContext, tx: Tx, credentials: CredentialsId) -> None:
    """Remove credentials and the passes of their account."""
    await context.store.credentials.remove(tx, credentials)
    await context.store.leases.forget(tx, account_key(credentials))


async def awaited(context: ApiContext, credentials: CredentialsId) -> CredentialsRow:
    """The row once it has a verdict, or as it is when the time is over."""
    end = context.clock.monotonic() + context.verdict_within
    while True:
        async with context.store.reading() as tx:
            row = await context.store.credentials.get(tx, credentials)
        if row is None:
            raise Refusal(404, "the credentials were removed while they were checked")
        if row.checked_at is not None or context.clock.monotonic() >= end:
            return row
        await context.clock.sleep(GLANCE)


async def added(
    context: ApiContext, name: str, cloud: Cloud, secret: Mapping[str, str]
) -> CredentialsRow:
    """New credentials with their verdict, or without one when it did not come in time.

    Raises Invalid, with nothing left behind, when the cloud refuses the key or rights lack;
    NameTaken.
    """
    identity = CredentialsId(context.chance.uuid())
    async with context.store.writing() as tx:
        await context.store.credentials.add(tx, identity, name, cloud, secret)
        await context.store.leases.wake(tx, account_key(identity), Why.USER)
    row = await awaited(context, identity)
    problem = _problem(row)
    if problem:
        async with context.store.writing() as tx:
            await forget(context, tx, identity)
        raise Invalid([Wrong("credentials", problem)])
    return row


async def rotated(context: ApiContext, row: CredentialsRow, secret: Mapping[str, str]) -> None:
    """Replace the secret by another one of the same account.

    The new one is checked under a name of its own first, so that no pass of a cluster ever runs
    with a key that was not seen to belong to the cluster's account: there everything would look
    gone. Raises Invalid, naming both accounts when they differ; the old secret then stays.
    """
    trial = await _trial(context, row, secret)
    async with context.store.writing() as tx:
        await forget(context, tx, trial.id)
        if trial.account is not None and _same(row.account, trial.account):
            await context.store.credentials.replace_secret(tx, row.id, secret)
            await context.store.credentials.record_check(tx, row.id, trial.account, "")
            await context.store.leases.wake(tx, account_key(row.id), Why.USER)
            return
    if trial.account is None or row.account is None:
        message = f"no verdict of {row.cloud.value} in time; the old key stays"
        raise Refusal(412, message)
    reason = (
        f"the key belongs to account {trial.account.id}; "
        f"credentials {row.name} are for account {row.account.id}; the old key stays"
    )
    raise Invalid([Wrong("credentials", reason)])


async def _trial(
    context: ApiContext, row: CredentialsRow, secret: Mapping[str, str]
) -> CredentialsRow:
    name = row.name + NEW_KEY
    async with context.store.writing() as tx:
        for left in await context.store.credentials.list(tx):
            if left.name == name:  # a crash in the middle of a rotation left it
                await forget(context, tx, left.id)
    return await added(context, name, row.cloud, secret)


def _same(pinned: Account | None, found: Account) -> bool:
    return pinned is None or pinned.id == found.id


def _problem(row: CredentialsRow) -> str:
    if row.checked_at is None:
        return ""
    if row.error:
        return row.error
    if row.account is not None and row.account.missing:
        lacking = ", ".join(row.account.missing)
        return f"{row.account.principal} of account {row.account.id} lacks: {lacking}"
    return ""


async def catalogue(context: ApiContext, credentials: CredentialsId, region: str) -> Region | None:
    """What an account can buy in a region; the account is looked at when nothing is known yet."""
    end = context.clock.monotonic() + context.verdict_within
    woken = False
    while True:
        async with context.store.reading() as tx:
            known = await context.store.regions.get(tx, credentials, region)
        if known is not None or context.clock.monotonic() >= end:
            return known[0] if known else None
        if not woken:
            await wake(context, credentials)
            woken = True
        await context.clock.sleep(GLANCE)
