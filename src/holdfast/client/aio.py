"""The asyncio client, on httpx2."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from holdfast.client.calls import Call, event_stream, headers
from holdfast.client.errors import Unreachable, refusal
from holdfast.client.sse import Decoder, StreamEvent
from holdfast.client.trust import trust

T = TypeVar("T")
STREAM_SILENCE = 60.0  # seconds; the server sends a ping every 15


class Client:
    """One Holdfast. `transport` is for tests that reach an application in process."""

    def __init__(
        self,
        url: str,
        token: str,
        ca_file: Path | None = None,
        timeout: float = 30.0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Raises Unreachable for a CA file that can't be used."""
        self.url = url.rstrip("/")
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers=headers(token),
            verify=trust(ca_file),
            timeout=timeout,
            transport=transport,
        )

    async def call(self, call: Call[T]) -> T:
        """The typed result. Raises ClientError."""
        return call.read(*await self._send(call))

    async def json(self, call: Call[Any]) -> Any:
        """The result as plain JSON values. Raises ClientError."""
        return call.read_json(*await self._send(call))

    async def events(self, cluster: str, after: int = 0) -> AsyncIterator[StreamEvent]:
        """Events as they come, until the server ends the stream. Raises ClientError."""
        call = event_stream(cluster, after)
        timeout = httpx2.Timeout(30.0, read=STREAM_SILENCE)
        try:
            async with self._http.stream(call.method, call.path, timeout=timeout) as answer:
                if answer.status_code != call.status:
                    raise refusal(answer.status_code, await answer.aread())
                decoder = Decoder()
                async for line in answer.aiter_lines():
                    event = decoder.feed(line)
                    if event is not None:
                        yield event
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, call: Call[Any]) -> tuple[int, bytes]:
        kind = {"Content-Type": "application/json"} if call.content is not None else {}
        kind |= call.extra or {}
        try:
            answer = await self._http.request(
                call.method, call.path, content=call.content, headers=kind
            )
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        return answer.status_code, answer.content

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"no answer from {self.url}: {error or type(error).__name__}")
