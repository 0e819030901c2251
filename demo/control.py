"""The sandbox's control API: faults, the cloud's own truth, strangers' machines."""

import json
import urllib.error
import urllib.request
from typing import Any


class ControlError(Exception):
    """The control API refused; the message is its answer."""


class Control:
    """One sandbox."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token

    def get(self, path: str) -> Any:
        """GET, as JSON values."""
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST, as JSON values."""
        return self._ask("POST", path, body)

    def delete(self, path: str) -> Any:
        """DELETE, as JSON values."""
        return self._ask("DELETE", path)

    def fault(self, kind: str, **settings: Any) -> str:
        """Begin a fault; returns its id."""
        return str(self.post("/faults", {"kind": kind, **settings})["id"])

    def truth(self, cluster: str) -> list[dict[str, Any]]:
        """What the cloud still holds with a cluster's tag, in any but its terminal state."""
        found: list[dict[str, Any]] = self.get(f"/truth?tag=holdfast:cluster={cluster}")["things"]
        return [thing for thing in found if thing.get("state") != "terminated"]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise ControlError(f"{method} {path}: {error.code} {error.read().decode()}") from error
