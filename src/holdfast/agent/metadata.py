"""Asks the cloud's metadata service (EC2's IMDSv2): proof of identity and notices."""

import base64
import json
import time
import urllib.error
import urllib.request
from typing import Any

SERVICE = "http://169.254.169.254"
TOKEN_SECONDS = 21600
SECONDS = 2.0  # the service is on the host itself

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Metadata:
    """A client that keeps its session token."""

    def __init__(self, service: str = SERVICE) -> None:
        self._service = service
        self._token = ""
        self._token_until = 0.0

    def proof(self) -> dict[str, str]:
        """The signed identity document, every part base64. Raises OSError."""
        at = "/latest/dynamic/instance-identity"
        document = self._get(f"{at}/document")
        if document is None:
            raise OSError("the metadata service has no identity document")
        proof = {"document": base64.b64encode(document).decode()}
        for name in ("rsa2048", "signature"):
            signature = self._get(f"{at}/{name}")
            if signature is not None:
                proof[name] = "".join(signature.decode().split())
        return proof

    def interruption(self) -> dict[str, str] | None:
        """The announced end of a spot machine: {"action", "time"}. Raises OSError."""
        found = self._json("/latest/meta-data/spot/instance-action")
        if found is None:
            return None
        return {"action": str(found.get("action", "terminate")), "time": str(found.get("time", ""))}

    def rebalance(self) -> dict[str, str] | None:
        """The announcement that an end has become likely. Raises OSError."""
        found = self._json("/latest/meta-data/events/recommendations/rebalance")
        if found is None:
            return None
        return {"action": "rebalance", "time": str(found.get("noticeTime", ""))}

    def _json(self, path: str) -> dict[str, Any] | None:
        body = self._get(path)
        if body is None:
            return None
        try:
            found = json.loads(body)
        except ValueError as error:
            raise OSError(f"{path}: not JSON") from error
        if not isinstance(found, dict):
            raise OSError(f"{path}: not an object")
        return found

    def _get(self, path: str) -> bytes | None:
        """What is at a path, None for 404. A token that was refused is renewed once."""
        for is_last in (False, True):
            request = urllib.request.Request(
                self._service + path, headers={"X-aws-ec2-metadata-token": self._session()}
            )
            try:
                with _DIRECT.open(request, timeout=SECONDS) as answer:
                    body: bytes = answer.read()
                    return body
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                if error.code != 401 or is_last:
                    raise
                self._token_until = 0.0
        return None

    def _session(self) -> str:
        if time.monotonic() >= self._token_until:
            request = urllib.request.Request(
                self._service + "/latest/api/token",
                method="PUT",
                headers={"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)},
            )
            with _DIRECT.open(request, timeout=SECONDS) as answer:
                self._token = answer.read().decode()
            self._token_until = time.monotonic() + TOKEN_SECONDS * 0.9
        return self._token
