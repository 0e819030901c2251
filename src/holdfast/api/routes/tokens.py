"""GET /v1/auth/tokens."""

from fastapi import APIRouter

from holdfast.api.auth import ApiContext
from holdfast.wire.token import AuthToken, AuthTokenList


def router(context: ApiContext) -> APIRouter:
    """API tokens."""
    routes = APIRouter(tags=["tokens"])

    @routes.get("/v1/auth/tokens", response_model_exclude_none=True)
    async def list_tokens() -> AuthTokenList:
        """All tokens without their secrets, revoked ones too."""
        async with context.store.reading() as tx:
            rows = await context.store.tokens.list(tx)
        return AuthTokenList(
            items=[
                AuthToken(
                    id=row.id,
                    name=row.name,
                    active=row.revoked_at is None,
                    created_at=row.created_at,
                    deleted_at=row.revoked_at,
                )
                for row in rows
            ]
        )

    return routes
