"""The blocking client, on the standard library.

httpx2 costs more CPU to import than a whole short command may take, so that only `aio` uses it.
"""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from holdfast.client.calls import Call, event_stream, headers
from holdfast.client.errors import Unreachable, refusal
from holdfast.client.sse import Decoder, StreamEvent
from holdfast.client.trust import trust

T = TypeVar("T")
STREAM_SILENCE = 60.0  # seconds; the server sends a ping every 15


class Client:
    """One Holdfast. Connections are opened a call; no call is ever repeated by itself."""

    def __init__(
        self, url: str, token: str, ca_file: Path | None = None, timeout: float = 30.0
    ) -> None:
        """Raises Unreachable for a URL or CA file that can't be used."""
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            message = f"{url!r} is not a URL like https://holdfast.example:8443"
            raise Unreachable(message)
        self.url = url.rstrip("/")
        self._host = parts.hostname
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._tls = trust(ca_file) if parts.scheme == "https" else None

    def call(self, call: Call[T]) -> T:
        """The typed result. Raises ClientError."""
        return call.read(*self._send(call))

    def json(self, call: Call[Any]) -> Any:
        """The result as plain JSON values. Raises ClientError."""
        return call.read_json(*self._send(call))

    def events(self, cluster: str, after: int = 0) -> Iterator[StreamEvent]:
        """Events as they come, until the server ends the stream. Raises ClientError."""
        call = event_stream(cluster, after)
        with self._asked(call, STREAM_SILENCE) as answer:
            if answer.status != call.status:
                raise refusal(answer.status, answer.read())
            decoder = Decoder()
            for line in answer:
                event = decoder.feed(line.decode().rstrip("\r\n"))
                if event is not None:
                    yield event

    def _send(self, call: Call[Any]) -> tuple[int, bytes]:
        with self._asked(call, self._timeout) as answer:
            return answer.status, answer.read()

    @contextmanager
    def _asked(self, call: Call[Any], timeout: float) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection(timeout)
        sent = headers(self._token) | dict(call.extra or {})
        if call.content is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(call.method, self._prefix + call.path, call.content, sent)
            yield connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            message = f"no answer from {self.url}: {error or type(error).__name__}"
            raise Unreachable(message) from error
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=timeout, context=self._tls
        )
