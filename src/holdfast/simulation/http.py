"""A request to an ASGI application in this process, without sockets."""

import json
from typing import Any

from starlette.types import ASGIApp, Message


async def request(
    app: ASGIApp, method: str, path: str, token: str, body: Any, key: str = ""
) -> tuple[int, Any]:
    """The status and the JSON of the answer; None for an empty one. `key`: of idempotency."""
    content = b"" if body is None else json.dumps(body).encode()
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"platform.sim"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"x-api-key", token.encode()),
            *([(b"idempotency-key", key.encode())] if key else ()),
        ],
        "client": ("203.0.113.1", 40000),
        "server": ("platform.sim", 8443),
    }
    waiting: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    status: int = next(m["status"] for m in sent if m["type"] == "http.response.start")
    answer = b"".join(m.get("body", b"") for m in sent)
    return status, json.loads(answer) if answer else None
