"""The HTTP server of the control API: loopback only, one bearer token, JSON in and out.

It sends no CORS headers and answers nothing without the token, so a page in a browser on the same
host can neither read nor steer it.
"""

import hmac
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

log = logging.getLogger(__name__)

LONGEST_BODY = 1 << 20  # bytes


class Refused(Exception):
    """The request can't be served; `status` is HTTP's, the message says which thing and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: the variable parts of its path, its query (last value wins), its JSON body."""

    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: object


Answer = Callable[[Ask], object]
Routes = Mapping[tuple[str, str], Answer]
"""(method, path pattern) -> what answers; `*` in a pattern stands for one part of the path."""


class ControlServer(ThreadingHTTPServer):
    """Serves the routes on 127.0.0.1. Raises OSError when the port is taken."""

    daemon_threads = True

    def __init__(self, port: int, token: str, routes: Routes) -> None:
        super().__init__(("127.0.0.1", port), _Conversation)
        self.token = token
        self.routes = routes
        self._thread = threading.Thread(target=self.serve_forever, name="control", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        if self._thread.ident is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])


class _Conversation(BaseHTTPRequestHandler):
    """One connection."""

    server: ControlServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds without a request after which a connection is closed

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        log.debug(format, *args)

    def _serve(self) -> None:
        try:
            status, answer = 200, self._answer()
        except Refused as refusal:
            status, answer = refusal.status, {"error": str(refusal)}
        except ValidationError as error:
            status, answer = 400, {"error": explain(error)}
        except Exception as error:  # the caller must learn it, the server must go on
            log.exception("%s %s failed", self.command, self.path)
            status, answer = 500, {"error": f"{type(error).__name__}: {error}"}
        self._send(status, answer)

    def _answer(self) -> object:
        body = self._body()
        given = self.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.server.token}".encode()):
            raise Refused(401, "the bearer token of sandbox.json (control_token) is required")
        url = urlsplit(self.path)
        answer, parts = _route(self.server.routes, self.command, url.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        return answer(Ask(parts, query, _json(body)))

    def _body(self) -> bytes:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            self.close_connection = True
            raise Refused(413, f"a body may have {LONGEST_BODY} bytes")
        return self.rfile.read(int(length))

    def _send(self, status: int, answer: object) -> None:
        data = json.dumps(answer, default=str).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _route(routes: Routes, method: str, path: str) -> tuple[Answer, tuple[str, ...]]:
    wanted = path.strip("/").split("/")
    others = set()
    for (verb, pattern), answer in routes.items():
        parts = _match(pattern.strip("/").split("/"), wanted)
        if parts is None:
            continue
        if verb == method:
            return answer, parts
        others.add(verb)
    if others:
        raise Refused(405, f"{path} knows {', '.join(sorted(others))}, not {method}")
    known = ", ".join(sorted({pattern for _, pattern in routes}))
    raise Refused(404, f"nothing at {path}; there is {known}")


def _match(pattern: list[str], wanted: list[str]) -> tuple[str, ...] | None:
    if len(pattern) != len(wanted):
        return None
    if any(here not in {"*", there} for here, there in zip(pattern, wanted, strict=True)):
        return None
    return tuple(there for here, there in zip(pattern, wanted, strict=True) if here == "*")


def _json(body: bytes) -> object:
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error


def explain(error: ValidationError) -> str:
    """What is wrong with a body, one field after the other, without the values given."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in problem["loc"])
        said = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{place}: {said}" if place else said)
    return "; ".join(lines)
