"""Speaks the control API of a running sandbox: faults, what its cloud holds, strangers' VMs."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from holdfast.cli.exits import Blocked, Late, Missing
from holdfast.local.sandbox_process import Ready

SECONDS = 60.0  # a machine that boots or ends is waited for


class Control:
    """The control API; every refusal becomes a failure of the command line."""

    def __init__(self, ready: Ready) -> None:
        self._url = ready.control
        self._token = ready.control_token

    def get(self, path: str) -> Any:
        """GET; the answer as JSON values."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST; the answer as JSON values."""
        return self._ask("POST", path, body)

    def delete(self, path: str) -> Any:
        """DELETE; the answer as JSON values."""
        return self._ask("DELETE", path, None)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        address = urlsplit(self._url)
        connection = http.client.HTTPConnection(
            address.hostname or "127.0.0.1", address.port, timeout=SECONDS
        )
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            message = f"no answer from the sandbox at {self._url}: {error}"
            raise Late(message) from error
        finally:
            connection.close()
        return _read(status, content)


def _read(status: int, content: bytes) -> Any:
    try:
        body = json.loads(content or b"null")
    except ValueError:
        body = {"error": content.decode(errors="replace")}
    if status == 200:
        return body
    message = str(body.get("error", status)) if isinstance(body, dict) else str(body)
    raise (Missing if status == 404 else Blocked)(message)
