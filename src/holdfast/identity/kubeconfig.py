"""Writes kubeconfig files whose client certificate the platform signs itself."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta

import yaml

from holdfast.identity import pki as authorities
from holdfast.identity.pki import ClusterPki


def mint(  # noqa: PLR0913  (one argument a field of the file)
    pki: ClusterPki,
    *,
    cluster_name_context: str,
    server_url: str,
    proxy_url: str | None,
    user: str,
    groups: Sequence[str],
    now: datetime,
    valid_for: timedelta,
) -> str:
    """A kubeconfig with exactly one cluster, context and user, all of the one name.

    server_url  "https://198.51.100.7:6443"
    proxy_url   an HTTP CONNECT proxy on the way there, None for the direct way
    """
    certificate, key = authorities.client_certificate(pki, user, groups, now, valid_for)
    cluster = {
        "server": server_url,
        "certificate-authority-data": _base64(pki.ca.certificate),
    }
    if proxy_url:
        cluster["proxy-url"] = proxy_url
    name = cluster_name_context
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _base64(certificate),
                    "client-key-data": _base64(key),
                },
            }
        ],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
