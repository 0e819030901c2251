"""Makes the application: the edge (limits, ids, headers, last resort), the routes, the errors."""

import re
from importlib.metadata import version

import structlog
from fastapi import Depends, FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.api import auth, errors
from holdfast.api.auth import ApiContext
from holdfast.api.errors import Refusal
from holdfast.api.routes import (
    agent,
    breaker,
    clusters,
    credentials,
    events,
    health,
    installation,
    kubeconfig,
    node_changes,
    nodes,
    plans,
    regions,
    tokens,
)

LARGEST_BODY = 1 << 20  # bytes
DEEPEST_BODY = 32  # nested objects and lists
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
JSON_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "Cache-Control": "no-store",
}

log = structlog.get_logger()


def create_app(context: ApiContext) -> FastAPI:
    """The application. Its OpenAPI document is at /v1/spec/openapi.json."""
    app = FastAPI(
        title="Holdfast",
        version=version("holdfast"),
        description="Creates Kubernetes clusters in your own cloud accounts and holds them.",
        openapi_url="/v1/spec/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    tokened = (
        regions,
        credentials,
        clusters,
        breaker,
        plans,
        kubeconfig,
        events,
        installation,
        nodes,
        node_changes,
        tokens,
    )
    for module in tokened:
        app.include_router(module.router(context), dependencies=[Depends(auth.required(context))])
    app.include_router(health.router(context))
    app.include_router(agent.router(context))
    errors.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(Edge, context=context)
    return app


class Edge:
    """What every request passes: an id, size and depth limits, headers, one log line, no traces.

    An exception that no route expected is logged with the request's id and answered without its
    text, which may hold anything.
    """

    def __init__(self, app: ASGIApp, context: ApiContext) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; anything that is not HTTP goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if GIVEN_ID.fullmatch(given) else self._context.chance.uuid()
        scope.setdefault("state", {})["request_id"] = request_id
        began = self._context.clock.monotonic()
        answer = _Answer(send, request_id)
        await self._serve(scope, receive, answer, request_id)
        self._told(scope, answer.status, self._context.clock.monotonic() - began)

    def _told(self, scope: Scope, status: int | None, seconds: float) -> None:
        """One log line and one observation; routes by pattern, so that ids make no new series."""
        route = getattr(scope.get("route"), "path", "none")
        known = status if status is not None else 499
        self._context.metrics.requests.labels(scope["method"], route, known).observe(seconds)
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 1),
            request_id=scope["state"]["request_id"],
        )

    async def _serve(
        self, scope: Scope, receive: Receive, answer: "_Answer", request_id: str
    ) -> None:
        try:
            await self._app(scope, await _limited(scope, receive), answer)
        except Refusal as refusal:
            await errors.answer(refusal, request_id)(scope, receive, answer)
        except Exception:
            log.exception("request failed", path=scope["path"], request_id=request_id)
            if answer.status is not None:
                raise  # half of an answer is out: only closing the connection tells the client
            await _broken(request_id)(scope, receive, answer)


class _Answer:
    """Adds the headers that every answer has, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _broken(request_id: str) -> Response:
    message = "internal error; the server's log has it under this request's id"
    return errors.answer(Refusal(500, message), request_id)


async def _limited(scope: Scope, receive: Receive) -> Receive:
    """Reads the body, refuses one that is too large or too deep, and hands it on once."""
    headers = Headers(scope=scope)
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return receive
    content = await _body(headers, receive)
    if "json" in headers.get("content-type", "") and depth(content) > DEEPEST_BODY:
        raise Refusal(400, f"the body is nested deeper than {DEEPEST_BODY} levels")
    waiting: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _body(headers: Headers, receive: Receive) -> bytes:
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > LARGEST_BODY:
        raise _too_large()
    content = bytearray()
    while True:
        message = await receive()
        content += message.get("body", b"")
        if len(content) > LARGEST_BODY:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(content)


def _too_large() -> Refusal:
    return Refusal(413, f"the body has more than {LARGEST_BODY} bytes")


def depth(content: bytes) -> int:
    """How deep objects and lists of a JSON text are nested, as far as DEEPEST_BODY + 1."""
    now = deepest = 0
    for match in JSON_BRACKETS.finditer(content):
        mark = match.group()
        if mark in b"[{":
            now += 1
            deepest = max(deepest, now)
            if deepest > DEEPEST_BODY:
                break
        elif mark in b"]}":
            now -= 1
    return deepest
