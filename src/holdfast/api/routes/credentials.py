"""Credentials: stored sealed, checked by the pass of their account, never shown again."""

from fastapi import APIRouter

from holdfast.api.auth import ApiContext
from holdfast.api.errors import Refusal, not_found
from holdfast.api.routes import lookup, verdict
from holdfast.model.ids import CredentialsId
from holdfast.store.credentials import CredentialsRow
from holdfast.store.database import Tx
from holdfast.wire import credentials as wire
from holdfast.wire.credentials import (
    Credentials,
    CredentialsCheck,
    CredentialsList,
    CredentialsRequest,
    CredentialsUser,
    SecretRequest,
)
from holdfast.wire.error import Invalid, Wrong

PATH = "/v1/credentials/{credentials_id}"


def router(context: ApiContext) -> APIRouter:
    """Credentials of cloud accounts."""
    routes = APIRouter(tags=["credentials"])
    _keeping(context, routes)
    _checking(context, routes)
    return routes


def _keeping(context: ApiContext, routes: APIRouter) -> None:
    @routes.get("/v1/credentials", response_model_exclude_none=True)
    async def list_credentials() -> CredentialsList:
        """All credentials without their secrets."""
        async with context.store.reading() as tx:
            rows = await context.store.credentials.list(tx)
            return CredentialsList(items=[await _shown(context, tx, row) for row in rows])

    @routes.post("/v1/credentials", status_code=201, response_model_exclude_none=True)
    async def add_credentials(request: CredentialsRequest) -> Credentials:
        """Store and check credentials: refused when the cloud refuses them or rights lack."""
        if request.cloud not in context.clouds:
            reason = f"this release makes no machines on {request.cloud.value}"
            raise Invalid([Wrong("cloud", reason)])
        name = wire.name(request.name)
        secret = wire.secret(request.cloud, request.credentials)
        row = await verdict.added(context, name, request.cloud, secret)
        async with context.store.reading() as tx:
            return await _shown(context, tx, row)

    @routes.get(PATH, response_model_exclude_none=True)
    async def get_credentials(credentials_id: str) -> Credentials:
        """One, without its secret."""
        async with context.store.reading() as tx:
            return await _shown(context, tx, await _known(context, tx, credentials_id))

    @routes.delete(PATH, status_code=204)
    async def remove_credentials(credentials_id: str) -> None:
        """Forget them; 409 while a living cluster uses them."""
        async with context.store.writing() as tx:
            row = await _known(context, tx, credentials_id)
            users = await context.store.credentials.used_by(tx, row.id)
            if users:
                names = ", ".join(cluster for _, cluster in users)
                raise Refusal(409, f"credentials {row.name} are used by {names}")
            await verdict.forget(context, tx, row.id)


def _checking(context: ApiContext, routes: APIRouter) -> None:
    @routes.get(f"{PATH}/check", response_model_exclude_none=True)
    async def get_check(credentials_id: str) -> CredentialsCheck:
        """The last verdict: identity, missing permissions, quotas, regions."""
        async with context.store.reading() as tx:
            return await _check(context, tx, await _known(context, tx, credentials_id))

    @routes.post(f"{PATH}/check", response_model_exclude_none=True)
    async def check_again(credentials_id: str) -> CredentialsCheck:
        """Look at the account now; without a verdict in time the answer has none."""
        async with context.store.reading() as tx:
            row = await _known(context, tx, credentials_id)
        row = await verdict.again(context, row.id)
        async with context.store.reading() as tx:
            return await _check(context, tx, row)

    @routes.put(f"{PATH}/secret", response_model_exclude_none=True)
    async def rotate_secret(credentials_id: str, request: SecretRequest) -> Credentials:
        """Another key of the same account; the old one stays when the new one is refused."""
        async with context.store.reading() as tx:
            row = await _known(context, tx, credentials_id)
        secret = wire.secret(row.cloud, request.credentials)
        await verdict.rotated(context, row, secret)
        async with context.store.reading() as tx:
            return await _shown(context, tx, await _known(context, tx, row.id))


async def _known(context: ApiContext, tx: Tx, text: str) -> CredentialsRow:
    row = await context.store.credentials.get(tx, CredentialsId(lookup.uuid(text) or ""))
    if row is None:
        raise not_found("credentials", text)
    return row


async def _shown(context: ApiContext, tx: Tx, row: CredentialsRow) -> Credentials:
    users = await context.store.credentials.used_by(tx, row.id)
    return Credentials(
        id=row.id,
        name=row.name,
        cloud=row.cloud,
        used_by=[CredentialsUser(id=cluster, name=name) for cluster, name in users],
        created_at=row.created_at,
        fingerprint=row.fingerprint,
        check=wire.check(row.account, row.checked_at, row.error, {}),
    )


async def _check(context: ApiContext, tx: Tx, row: CredentialsRow) -> CredentialsCheck:
    """With the quotas of every region group's part on that cloud, as far as they are known."""
    quotas = {}
    for group in context.regions:
        native = group.native.get(row.cloud)
        if native is not None and native not in quotas:
            known = await context.store.regions.get(tx, row.id, native)
            if known is not None:
                quotas[native] = known[0].quotas
    return wire.check(row.account, row.checked_at, row.error, quotas)
