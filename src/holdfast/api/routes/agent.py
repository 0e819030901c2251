"""The call-backs of machines: who they are, when they may join, what became of them.

    first contact   nonce + the cloud's word -> the machine's key is bound
    call-backs      signature + counter      -> an effect and its answer in one transaction

Refusals all look the same outside; the reason is recorded. A counter is persisted together with the
effect of its message. Messages without effect (heartbeats, waiting) are counted in memory and
persisted once a minute: the most that a replay after a restart can do is one heartbeat.
"""

from fastapi import APIRouter, Request, Response

from holdfast.api.auth import ApiContext
from holdfast.api.routes.agent_conversation import Conversation

PATH = "/v1/agent/machines/{machine_id}"


def router(context: ApiContext) -> APIRouter:
    """The routes of agents; they need no token: every message proves itself."""
    routes = APIRouter(include_in_schema=False)
    talk = Conversation(context)
    archives = {talk.archive_sha256: context.agent_archive}

    @routes.get("/v1/agent/ca.pem")
    async def ca() -> Response:
        return Response(context.platform_ca_pem, media_type="application/x-pem-file")

    @routes.get("/v1/agent/{sha256}.pyz")
    async def archive(sha256: str) -> Response:
        found = archives.get(sha256)
        if found is None:
            return Response(status_code=404)
        return Response(found, media_type="application/octet-stream")

    @routes.post(f"{PATH}/first-contact")
    async def first_contact(machine_id: str, request: Request) -> Response:
        return await talk.first_contact(machine_id, await request.body(), _source(request))

    @routes.post(f"{PATH}/call-backs")
    async def call_back(machine_id: str, request: Request) -> Response:
        body = await request.body()
        return await talk.call_back(machine_id, request.headers, body, _source(request))

    return routes


def _source(request: Request) -> str:
    return request.client.host if request.client else ""
