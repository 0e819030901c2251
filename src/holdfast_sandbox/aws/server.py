"""The HTTP server of the emulator: loopback only, threads, kept-alive connections."""

from threading import Thread
from types import TracebackType
from typing import Any, Self

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from holdfast_sandbox.aws.front import Front

HOST = "127.0.0.1"
CLOSING = 0.05  # seconds between looks at whether to stop


class Handler(MotoRequestHandler):
    """Keeps connections, logs nothing."""

    protocol_version = "HTTP/1.1"

    def send_response(self, code: int, message: str | None = None) -> None:
        """Without the host's own Date: the cloud's clock is part of its answers."""
        self.send_response_only(code, message)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Requests are in the call record, not in a log."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """As `log`."""


class Server:
    """A running server; `close` ends it."""

    def __init__(self, front: Front, port: int) -> None:
        self._server = make_server(HOST, port, front, threaded=True, request_handler=Handler)
        self.port = int(self._server.port)
        self._thread = Thread(
            target=self._server.serve_forever, args=(CLOSING,), name="aws", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """What goes into `endpoint_url`."""
        return f"http://{HOST}:{self.port}"

    def close(self) -> None:
        """Stop accepting and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
