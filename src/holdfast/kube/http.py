"""The cluster's API over HTTPS, by httpx2: client certificate, CONNECT proxy, deadlines.

No Kubernetes client library: about ten verbs are needed, each with a deadline and through a
proxy that the published Python client supports only per process.
"""

import asyncio
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from holdfast.kube import answers
from holdfast.kube.port import KubeAccess, KubeUnreachable
from holdfast.model.observed import KubeSeen
from holdfast.model.workload import Pod

DEADLINE = httpx2.Timeout(4.0, connect=2.0)
LONGEST = 8.0  # seconds for a whole answer, also for one that trickles
WATCH_DEADLINE = httpx2.Timeout(None, connect=2.0, read=330.0)
APPS = "/apis/apps/v1/namespaces"
PATCH = {"Content-Type": "application/merge-patch+json"}
# RuntimeError: the client was closed meanwhile, because its cluster is gone.
FAILED = (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError)
UNREADABLE = (KeyError, ValueError, TypeError, AttributeError)


class HttpKube:
    """One cluster behind one URL."""

    def __init__(self, access: KubeAccess) -> None:
        self._client = httpx2.AsyncClient(
            base_url=access.url,
            verify=_context(access),
            proxy=access.proxy or None,
            timeout=DEADLINE,
            trust_env=False,
        )

    async def look(self) -> KubeSeen:
        """Nodes, and whether CoreDNS and the pod network are ready."""
        # Each ends by its own deadline: a connection that is cancelled while it opens would leak.
        answered = await asyncio.gather(
            self._list("/api/v1/nodes"),
            self._list(f"{APPS}/kube-system/deployments"),
            self._list(f"{APPS}/kube-system/daemonsets"),
            self._list(f"{APPS}/kube-flannel/daemonsets", absent_is_fine=True),
            self._call("GET", "/version"),
            return_exceptions=True,
        )
        nodes, deployments, plain, flannel = (_whole(answer) for answer in answered[:4])
        version = _whole(answered[4])
        with _readable("look"):
            found = [answers.node(item) for item in nodes]
            return KubeSeen(
                nodes={node.name: node for node in found},
                system_ready=answers.system_ready(deployments, (*plain, *flannel)),
                version=str(version.get("gitVersion", "")),
            )

    async def delete_node(self, name: str) -> None:
        """Remove a Node object; one that is gone already is fine."""
        await self._call("DELETE", f"/api/v1/nodes/{name}", absent_is_fine=True)

    async def cordon(self, name: str) -> None:
        """Make a node unschedulable; one that is gone is fine."""
        body = {"spec": {"unschedulable": True}}
        await self._call("PATCH", f"/api/v1/nodes/{name}", body=body, absent_is_fine=True)

    async def pods_on(self, node: str) -> tuple[Pod, ...]:
        """All pods bound to a node."""
        items = await self._list(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")
        with _readable(f"pods on {node}"):
            return tuple(answers.pod(item) for item in items)

    async def evict(self, pod: Pod) -> bool:
        """Ask for an eviction. False: a PodDisruptionBudget forbids it now (429)."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
        }
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
        response = await self._send("POST", path, body)
        if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            return False
        if response.status_code != httpx2.codes.NOT_FOUND:
            _checked(response)
        return True

    async def changes(self) -> AsyncIterator[str]:
        """Names of nodes as they change, until the connection ends (at most five minutes)."""
        path = "/api/v1/nodes?watch=1&resourceVersion=0&timeoutSeconds=300"
        try:
            async with self._client.stream("GET", path, timeout=WATCH_DEADLINE) as response:
                if not response.is_success:
                    raise KubeUnreachable(f"watch nodes: {response.status_code}")
                async for line in response.aiter_lines():
                    if line:
                        yield answers.changed(json.loads(line))
        except (*FAILED, *UNREADABLE) as error:
            raise KubeUnreachable(f"watch nodes: {_words(error)}") from error

    async def close(self) -> None:
        """Drop connections."""
        await self._client.aclose()

    async def _list(self, path: str, *, absent_is_fine: bool = False) -> list[dict[str, Any]]:
        body = await self._call("GET", path, absent_is_fine=absent_is_fine)
        items: list[dict[str, Any]] = body.get("items") or []
        return items

    async def _call(
        self, method: str, path: str, *, body: Any = None, absent_is_fine: bool = False
    ) -> dict[str, Any]:
        response = await self._send(method, path, body)
        if absent_is_fine and response.status_code == httpx2.codes.NOT_FOUND:
            return {}
        return _checked(response)

    async def _send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        headers = PATCH if method == "PATCH" else None
        try:
            async with asyncio.timeout(LONGEST):
                return await self._client.request(method, path, json=body, headers=headers)
        except FAILED as error:
            raise KubeUnreachable(f"{method} {path}: {_words(error)}") from error


Answer = TypeVar("Answer")


def _whole(answer: Answer | BaseException) -> Answer:
    """An answer of several that were asked for at once; raises the failure that came instead."""
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _checked(response: httpx2.Response) -> dict[str, Any]:
    path = response.request.url.path
    if not response.is_success:
        raise KubeUnreachable(f"{path}: {response.status_code} {response.text[:200]}")
    with _readable(path):
        body = response.json()
        if not isinstance(body, dict):
            raise TypeError("a JSON object was expected")
        return body


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """An answer that is none of an API server's counts as no answer."""
    try:
        yield
    except UNREADABLE as error:
        raise KubeUnreachable(f"{what}: an answer that can't be read: {error!r}") from error


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _context(access: KubeAccess) -> ssl.SSLContext:
    """A context that trusts the cluster's CA only. The key passes a private file for a moment,
    since OpenSSL's binding reads certificates from files alone."""
    context = ssl.create_default_context(cadata=access.ca_pem)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        Path(file.name).chmod(0o600)
        file.write(access.certificate_pem + access.key_pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context
