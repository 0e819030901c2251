"""From a request to a specification: every field checked, every mistake named at once.

placement  which credentials and native region each cloud gets; knows no prices
spec       the whole specification, checked against what the clouds sell there
"""

import re
from collections.abc import Callable, Mapping

from holdfast.model import versions
from holdfast.model.ids import CredentialsId
from holdfast.model.offering import Cloud
from holdfast.model.spec import CloudSpec, ClusterSpec
from holdfast.wire import network as networks
from holdfast.wire import requested, tags
from holdfast.wire.cluster import ClusterRequest
from holdfast.wire.error import Invalid, Wrong
from holdfast.wire.known import Known, Place
from holdfast.wire.network import Network
from holdfast.wire.region import RegionGroup, find

NAME = re.compile(r"[A-Za-z0-9-]{2,50}")


def placement(request: ClusterRequest, known: Known) -> tuple[dict[Cloud, Place], list[Wrong]]:
    """Where the cluster would live, in the order of the request, and what is wrong with that."""
    group = find((request.region or "").strip(), known.groups)
    wrong = [] if group else [Wrong("region", _unknown_region(request.region, known))]
    places: dict[Cloud, Place] = {}
    for index, text in enumerate(request.cloud_credentials_ids):
        name = f"cloudCredentialsIDs[{index}]"
        identity = CredentialsId(text.strip().lower())
        cloud = known.credentials.get(identity)
        problem = _unplaceable(text, cloud, places, group, known)
        if problem or cloud is None:
            wrong.append(Wrong(name, problem))
        elif group is not None:
            places[cloud] = Place(identity, group.native[cloud])
    if not request.cloud_credentials_ids:
        wrong.append(Wrong("cloudCredentialsIDs", "at least one is required"))
    return places, wrong


def _unknown_region(text: str | None, known: Known) -> str:
    offered = ", ".join(group.name for group in known.groups)
    return f"{text!r} is unknown; there is {offered}" if text else f"required; one of {offered}"


def _unplaceable(
    text: str,
    cloud: Cloud | None,
    places: Mapping[Cloud, Place],
    group: RegionGroup | None,
    known: Known,
) -> str:
    if cloud is None:
        return f"there are no credentials with id {text!r}"
    if cloud not in known.clouds:
        return f"this release makes no machines on {cloud.value}"
    if cloud in places:
        return f"a second one for {cloud.value}; a cluster has one for each cloud"
    if group is not None and cloud not in group.native:
        return f"region {group.name} has no part on {cloud.value}"
    return ""


def spec(request: ClusterRequest, known: Known, new_id: Callable[[], str]) -> ClusterSpec:
    """The specification. Raises Invalid with everything that is wrong.

    `new_id` makes the identities of the requested nodes.
    """
    places, wrong = placement(request, known)
    given = request.network or Network()
    ranges, bad_ranges = networks.cidrs(given, places)
    version = versions.resolve(request.kubernetes_version)
    wrong += _simple(request, version) + networks.wrong(given, places) + bad_ranges
    nodes, bad_nodes = requested.nodes(request, places, known, new_id)
    wrong += bad_nodes
    if not wrong:
        wrong = requested.composition(nodes, places)
    if wrong or version is None:
        raise Invalid(wrong)
    return ClusterSpec(
        name=request.name,
        region=(request.region or "").strip(),
        kubernetes_version=version,
        clouds=tuple(
            CloudSpec(cloud, place.credentials, place.region, ranges[cloud])
            for cloud, place in places.items()
        ),
        nodes=tuple(nodes),
        tags=tuple(sorted((request.tags or {}).items())),
        vpn=networks.vpn(given),
    )


def _simple(request: ClusterRequest, version: str | None) -> list[Wrong]:
    wrong = tags.wrong(request.tags or {})
    if not NAME.fullmatch(request.name):
        reason = "must have 2 to 50 letters, digits and hyphens, and nothing else"
        wrong.append(Wrong("name", reason))
    if version is None:
        offered = ", ".join(versions.SUPPORTED)
        reason = f"{request.kubernetes_version!r} is not supported; supported: {offered}"
        wrong.append(Wrong("kubernetesVersion", reason))
    wrong += [
        Wrong(f"addons.{name}", "add-ons are not available in this release")
        for name, wish in (request.addons or {}).items()
        if wish and not (isinstance(wish, dict) and wish.get("enabled") is False)
    ]
    return wrong
