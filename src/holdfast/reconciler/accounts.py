"""The pass of one account: who it is, what it may do, what it can buy; one shared listing a minute.

The shared listing notices what vanished behind our back and things of clusters that are gone,
for all clusters of the account in one go.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import structlog

from holdfast.model.account import Account
from holdfast.model.cluster import Cluster
from holdfast.model.ids import ClusterId, CredentialsId, ProviderId, cluster_key
from holdfast.model.observed import Blind, Foreign, Seen
from holdfast.model.resource import kind
from holdfast.model.wake import Again, Why
from holdfast.providers.errors import OutcomeUnknown, ProviderError, Throttled, Unavailable
from holdfast.providers.port import Provider, Scope
from holdfast.reconciler.world import Held, World
from holdfast.store.credentials import CredentialsRow
from holdfast.store.orphans import Orphan

LISTING = timedelta(minutes=1)
CATALOGUE = timedelta(hours=1)
AFTER_REFUSAL = timedelta(minutes=15)
AFTER_SILENCE = timedelta(seconds=5)
NO_VERDICT = (Unavailable, Throttled, OutcomeUnknown)

_log = structlog.get_logger(__name__)


async def account_pass(credentials: CredentialsId, held: Held, world: World) -> Again:
    """Check when due, refresh the catalogue when due, list, and wake clusters that changed."""
    async with world.store.reading() as tx:
        row = await world.store.credentials.get(tx, credentials)
        if row is None:
            return Again(CATALOGUE, Why.TICK)
        secret = await world.store.credentials.secret(tx, credentials)
    try:
        provider = world.providers.provider(row.cloud, secret)
    except ProviderError as failure:
        await _record(row, None, str(failure), held, world)
        return Again(AFTER_REFUSAL, Why.TICK)
    if row.checked_at is None or world.clock.now() - row.checked_at >= CATALOGUE or row.error:
        checked = await _check(row, provider, held, world)
        if checked is None:
            return Again(AFTER_SILENCE, Why.RETRY)
        row = checked
    if row.error:
        return Again(AFTER_REFUSAL, Why.TICK)
    await _catalogues(row, provider, held, world)
    await _shared_listing(row, provider, held, world)
    return Again(LISTING, Why.TICK)


async def _check(
    row: CredentialsRow, provider: Provider, held: Held, world: World
) -> CredentialsRow | None:
    """The verdict on the credentials. None: the cloud did not answer, which is no verdict."""
    account, error = None, ""
    try:
        account = await provider.check(world.native_regions[row.cloud][0])
        if account.missing:
            error = f"permission lacking: {', '.join(account.missing)}"
    except NO_VERDICT as failure:
        _log.warning("check", credentials=row.id, error=str(failure))
        return None
    except ProviderError as failure:
        error = str(failure)
    found = await _record(row, account, error, held, world)
    if row.error and not found.error:
        await _wake_users(row, world)
    return found


async def _wake_users(row: CredentialsRow, world: World) -> None:
    """Clusters that waited for these credentials can go on."""
    async with world.store.writing() as tx:
        for cluster, _ in await world.store.credentials.used_by(tx, row.id):
            await world.store.leases.wake(tx, cluster_key(cluster), Why.USER)


async def _record(
    row: CredentialsRow, account: Account | None, error: str, held: Held, world: World
) -> CredentialsRow:
    async with world.store.guarded(held.lease) as tx:
        return await world.store.credentials.record_check(tx, row.id, account, error)


async def _catalogues(row: CredentialsRow, provider: Provider, held: Held, world: World) -> None:
    """What is on sale, per region, at most hourly; a region that fails keeps its old entry."""
    enabled = row.account.regions if row.account else ()
    for region in world.native_regions[row.cloud]:
        if region not in enabled:
            continue
        async with world.store.reading() as tx:
            known = await world.store.regions.get(tx, row.id, region)
        if known is not None and world.clock.now() - known[1] < CATALOGUE:
            continue
        await held.ensure()
        try:
            found = await provider.catalogue(region)
        except ProviderError as failure:
            _log.warning("catalogue", credentials=row.id, region=region, error=str(failure))
            continue
        async with world.store.guarded(held.lease) as tx:
            await world.store.regions.save(tx, row.id, found)


async def _shared_listing(
    row: CredentialsRow, provider: Provider, held: Held, world: World
) -> None:
    """List everything of this installation in the regions that clusters of the account use."""
    async with world.store.reading() as tx:
        clusters = await world.store.clusters.of_credentials(tx, row.id)
        known_orphans = {orphan.id for orphan in await world.store.orphans.list(tx)}
        standing = await world.store.things.standing(tx, row.id)
    for region, mine in sorted(_by_region(row, clusters).items()):
        scope = Scope(world.installation.id, ClusterId(""), "", region)
        began = world.clock.now()
        try:
            found = await provider.observe(scope, None)
        except ProviderError as failure:
            _log.warning("shared listing", credentials=row.id, region=region, error=str(failure))
            continue
        world.listings.put(row.id, region, found, began)
        await _wake_changed(mine, standing, found, world)
        if not any(isinstance(part, Blind) for part in found):
            orphans = await _orphans(row, region, clusters, found, world)
            if orphans or known_orphans:
                await _record_orphans(row, region, orphans, held, world)


def _by_region(row: CredentialsRow, clusters: Iterable[Cluster]) -> dict[str, list[ClusterId]]:
    """The clusters of an account by the region that they use."""
    found: dict[str, list[ClusterId]] = {}
    for cluster in clusters:
        for cloud in cluster.spec.clouds:
            if cloud.credentials == row.id and not cluster.is_deleting:
                found.setdefault(cloud.region, []).append(cluster.id)
    return found


async def _wake_changed(
    clusters: Iterable[ClusterId],
    standing: Mapping[ClusterId, frozenset[ProviderId]],
    found: Sequence[Seen | Blind | Foreign],
    world: World,
) -> None:
    """A recorded thing that a complete listing does not show as living wakes its cluster."""
    if any(isinstance(part, Blind) for part in found):
        return
    living = {part.id for part in found if isinstance(part, Seen) and part.life.is_living}
    changed = [c for c in clusters if not standing.get(c, frozenset()) <= living]
    if not changed:
        return
    async with world.store.writing() as tx:
        for cluster in changed:
            await world.store.leases.wake(tx, cluster_key(cluster), Why.USER)


async def _orphans(
    row: CredentialsRow,
    region: str,
    clusters: Iterable[Cluster],
    found: Iterable[Seen | Blind | Foreign],
    world: World,
) -> list[Orphan]:
    """Things with our installation's tag whose cluster is unknown or gone."""
    mine = {cluster.id for cluster in clusters}
    living = [part for part in found if isinstance(part, Seen) and part.life.is_living]
    others = [part for part in living if part.cluster not in mine]
    if not others:
        return []
    async with world.store.reading() as tx:
        known = set(await world.store.clusters.ids(tx))
    return [
        Orphan(
            credentials=row.id,
            id=part.id,
            region=region,
            name=part.resource.name,
            kind=kind(part.resource),
            cluster=part.cluster,
            made_at=part.created_at,
            first_seen_at=world.clock.now(),
        )
        for part in others
        if part.cluster not in known
    ]


async def _record_orphans(
    row: CredentialsRow, region: str, orphans: Sequence[Orphan], held: Held, world: World
) -> None:
    """Orphans are shown and never touched. One of a cluster that no record knows, a deleted one
    neither, was made by records that are lost: from then on the platform only observes."""
    async with world.store.guarded(held.lease) as tx:
        before = {orphan.id for orphan in await world.store.orphans.list(tx)}
        await world.store.orphans.seen(tx, row.id, region, orphans)
        for orphan in orphans:
            if orphan.id in before:
                continue
            _log.warning("orphan", id=orphan.id, name=orphan.name, cluster=orphan.cluster)
            if await world.store.clusters.get(tx, orphan.cluster) is None:
                reason = f"{orphan.id} has our tags, and no record knows cluster {orphan.cluster}"
                await world.store.observe_only.enter(tx, reason)
