"""Every call of the API as a value: what to send, which status is success, how to read it.

Sans-I/O: `sync` and `aio` only carry the bytes. Shapes of answers are imported when an answer is
read, because building them costs more than the rest of a short command.
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote, urlencode

from holdfast.client.errors import Unintelligible, refusal

if TYPE_CHECKING:
    from holdfast.wire.certificate import DeletionCertificate
    from holdfast.wire.cluster import Cluster, ClusterList, ClusterRequest
    from holdfast.wire.credentials import Credentials, CredentialsCheck, CredentialsList
    from holdfast.wire.event import ClusterEventList, FeedbackEventList
    from holdfast.wire.health import Health
    from holdfast.wire.installation import Installation
    from holdfast.wire.node import Node, NodeList
    from holdfast.wire.node_change import NodesPreview
    from holdfast.wire.plan import ClusterPlan, ClusterPreview
    from holdfast.wire.region import RegionList
    from holdfast.wire.thing import ThingList
    from holdfast.wire.token import AuthTokenList

T = TypeVar("T")
CLUSTERS = "/v1/kubernetes/clusters"
CREDENTIALS = "/v1/credentials"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request and the shape of its answer: "module of wire:class", "text" or "" for nothing."""

    method: str
    path: str
    shape: str
    status: int = 200
    body: Mapping[str, Any] | None = None
    extra: Mapping[str, str] | None = None  # headers of this call

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else json.dumps(self.body).encode()

    def read(self, status: int, content: bytes) -> T:
        """The typed result. Raises Refused or Unintelligible."""
        self._check(status, content)
        if not self.shape:
            return cast("T", None)
        if self.shape == "text":
            return cast("T", content.decode())
        module, _, name = self.shape.partition(":")
        document = getattr(importlib.import_module(f"holdfast.wire.{module}"), name)
        try:
            return cast("T", document.model_validate_json(content))
        except ValueError as error:
            message = f"{self.method} {self.path}: the answer is not a {name}: {error}"
            raise Unintelligible(message) from error

    def read_json(self, status: int, content: bytes) -> Any:
        """The answer as plain JSON values. Raises Refused or Unintelligible."""
        self._check(status, content)
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            message = f"{self.method} {self.path}: the answer is not JSON"
            raise Unintelligible(message) from error

    def _check(self, status: int, content: bytes) -> None:
        if status != self.status:
            raise refusal(status, content)


def headers(token: str) -> dict[str, str]:
    """What every request carries."""
    return {"X-API-Key": token, "Accept": "application/json", "User-Agent": "holdfast"}


def cluster_path(cluster: str, *rest: str) -> str:
    """The path of a cluster or of something of it."""
    return "/".join((CLUSTERS, quote(cluster, safe=""), *(quote(part, safe="") for part in rest)))


def credentials_path(credentials: str, *rest: str) -> str:
    """The path of credentials or of something of them."""
    return "/".join((CREDENTIALS, quote(credentials, safe=""), *rest))


def health() -> "Call[Health]":
    """Is the platform alive."""
    return Call("GET", "/v1/health", "health:Health")


def get_installation() -> "Call[Installation]":
    """Does it act, and what waits for a release."""
    return Call("GET", "/v1/installation", "installation:Installation")


def release_installation(clusters: Sequence[str] | None = None) -> "Call[Installation]":
    """Let the platform act again, on all clusters or on those of these ids."""
    body = {} if clusters is None else {"clusters": list(clusters)}
    return Call("POST", "/v1/installation/release", "installation:Installation", body=body)


def list_regions() -> "Call[RegionList]":
    """All regions."""
    return Call("GET", "/v1/regions", "region:RegionList")


def list_tokens() -> "Call[AuthTokenList]":
    """All API tokens, without secrets."""
    return Call("GET", "/v1/auth/tokens", "token:AuthTokenList")


def list_credentials() -> "Call[CredentialsList]":
    """All credentials."""
    return Call("GET", CREDENTIALS, "credentials:CredentialsList")


def add_credentials(name: str, cloud: str, secret: Mapping[str, str]) -> "Call[Credentials]":
    """Store and check credentials; `secret` has the keys of the contract for that cloud."""
    body = {"name": name, "cloud": cloud, "credentials": json.dumps(dict(secret))}
    return Call("POST", CREDENTIALS, "credentials:Credentials", 201, body)


def get_credentials(credentials: str) -> "Call[Credentials]":
    """One, by id."""
    return Call("GET", credentials_path(credentials), "credentials:Credentials")


def remove_credentials(credentials: str) -> "Call[None]":
    """Forget them."""
    return Call("DELETE", credentials_path(credentials), "", 204)


def check_credentials(credentials: str) -> "Call[CredentialsCheck]":
    """Look at the account now."""
    path = credentials_path(credentials, "check")
    return Call("POST", path, "credentials:CredentialsCheck", body={})


def last_check(credentials: str) -> "Call[CredentialsCheck]":
    """The last verdict on the account."""
    return Call("GET", credentials_path(credentials, "check"), "credentials:CredentialsCheck")


def rotate_credentials(credentials: str, secret: Mapping[str, str]) -> "Call[Credentials]":
    """Another key of the same account."""
    body = {"credentials": json.dumps(dict(secret))}
    path = credentials_path(credentials, "secret")
    return Call("PUT", path, "credentials:Credentials", body=body)


def list_clusters(*, include_deleted: bool = False) -> "Call[ClusterList]":
    """Living clusters; deleted ones on request."""
    query = "?includeDeleted=true" if include_deleted else ""
    return Call("GET", CLUSTERS + query, "cluster:ClusterList")


def preview_cluster(request: "ClusterRequest") -> "Call[ClusterPreview]":
    """What a create would make and cost."""
    return Call("POST", f"{CLUSTERS}:plan", "plan:ClusterPreview", body=_dumped(request))


def create_cluster(request: "ClusterRequest") -> "Call[Cluster]":
    """Have a cluster made."""
    return Call("POST", CLUSTERS, "cluster:Cluster", 201, _dumped(request))


def get_cluster(cluster: str) -> "Call[Cluster]":
    """One cluster, by id."""
    return Call("GET", cluster_path(cluster), "cluster:Cluster")


def delete_cluster(cluster: str) -> "Call[None]":
    """Have a cluster deleted."""
    return Call("DELETE", cluster_path(cluster), "", 204)


def reconcile_cluster(cluster: str) -> "Call[Cluster]":
    """Have a cluster compared and repaired now."""
    return Call("POST", cluster_path(cluster, "trigger-reconcile"), "cluster:Cluster", body={})


def release_breaker(cluster: str, reason: str) -> "Call[Cluster]":
    """Have machines replaced that look broken together."""
    path = cluster_path(cluster, "breaker-release")
    return Call("POST", path, "cluster:Cluster", body={"reason": reason})


def get_plan(cluster: str) -> "Call[ClusterPlan]":
    """The last pass's decision."""
    return Call("GET", cluster_path(cluster, "plan"), "plan:ClusterPlan")


def list_nodes(cluster: str) -> "Call[NodeList]":
    """The nodes of a cluster."""
    return Call("GET", cluster_path(cluster, "nodes"), "node:NodeList")


def get_node(cluster: str, node: str) -> "Call[Node]":
    """One node, by id."""
    return Call("GET", cluster_path(cluster, "nodes", node), "node:Node")


def update_nodes(cluster: str, change: Mapping[str, Any], key: str) -> "Call[NodeList]":
    """Add and delete nodes; sent again with the same key it adds none twice."""
    path = f"{cluster_path(cluster)}/nodes:update"
    return Call("POST", path, "node:NodeList", body=change, extra={"Idempotency-Key": key})


def preview_nodes(cluster: str, change: Mapping[str, Any]) -> "Call[NodesPreview]":
    """What such a change would make, remove and cost."""
    path = f"{cluster_path(cluster)}/nodes:plan"
    return Call("POST", path, "node_change:NodesPreview", body=change)


def replace_nodes(cluster: str, nodes: Sequence[str] | None, reason: str = "") -> "Call[NodeList]":
    """Have nodes get new machines, the new one first; None means all of them."""
    wish: dict[str, Any] = {"all": True} if nodes is None else {"nodes": list(nodes)}
    path = f"{cluster_path(cluster)}/nodes:replace"
    return Call("POST", path, "node:NodeList", body={**wish, "reason": reason})


def list_events(cluster: str, after: int = 0) -> "Call[ClusterEventList]":
    """Up to 1000 events behind a number."""
    path = f"{cluster_path(cluster, 'events')}?{urlencode({'after': after})}"
    return Call("GET", path, "event:ClusterEventList")


def list_feedback(cluster: str) -> "Call[FeedbackEventList]":
    """All events in v1's shape."""
    return Call("GET", cluster_path(cluster, "feedbackevents"), "event:FeedbackEventList")


def list_resources(cluster: str) -> "Call[ThingList]":
    """Every cloud thing of a cluster that was seen."""
    return Call("GET", cluster_path(cluster, "resources"), "thing:ThingList")


def get_certificate(cluster: str) -> "Call[DeletionCertificate]":
    """The proof of a deletion."""
    path = cluster_path(cluster, "deletion-certificate")
    return Call("GET", path, "certificate:DeletionCertificate")


def get_kubeconfig(cluster: str, role: str = "admin", hours: int | None = None) -> "Call[str]":
    """A kubeconfig as YAML text."""
    query = {"role": role} | ({"hours": str(hours)} if hours else {})
    return Call("GET", f"{cluster_path(cluster, 'kubeconfig')}?{urlencode(query)}", "text")


def event_stream(cluster: str, after: int) -> "Call[None]":
    """The live events behind a number; read it with `sse.Decoder`."""
    path = f"{cluster_path(cluster, 'events', 'stream')}?{urlencode({'after': after})}"
    return Call("GET", path, "")


def _dumped(request: "ClusterRequest") -> dict[str, Any]:
    return request.model_dump(mode="json", exclude_none=True)
