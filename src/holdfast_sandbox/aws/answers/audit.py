"""CloudTrail LookupEvents, told from the call record: who changed what, also behind our back."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.door.requested import ids
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.record import Entry
from holdfast_sandbox.aws.world import World

PAGE = 50


def lookup(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """LookupEvents: newest first, by one attribute, with pages."""
    wanted = {
        str(item["AttributeKey"]): str(item["AttributeValue"])
        for item in call.params.get("LookupAttributes") or []
    }
    if len(wanted) > 1:
        text = "You can specify only one lookup attribute."
        raise AwsError("InvalidLookupAttributesException", text)
    found = [entry for entry in _ours(call, world) if _fits(entry, wanted)]
    size = int(call.params.get("MaxResults") or PAGE)
    try:
        first = int(call.params.get("NextToken") or 0)
    except ValueError as error:
        raise AwsError("InvalidNextTokenException", "The token is invalid.") from error
    page: dict[str, Any] = {"Events": [_event(entry) for entry in found[first : first + size]]}
    if len(found) > first + size:
        page["NextToken"] = str(first + size)
    return page


def _ours(call: Call, world: World) -> Iterator[Entry]:
    start, end = call.params.get("StartTime"), call.params.get("EndTime")
    for entry in reversed(world.state.record.entries):
        stamp = entry.at.replace(tzinfo=None)
        inside = (start is None or stamp >= start) and (end is None or stamp <= end)
        if inside and entry.account == call.account and entry.region == call.region:
            yield entry


def _resources(entry: Entry) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ids(entry.params), *entry.ids)))


def _fits(entry: Entry, wanted: Mapping[str, str]) -> bool:
    facts: Mapping[str, tuple[str, ...]] = {
        "EventId": (entry.request_id,),
        "EventName": (entry.action,),
        "EventSource": (f"{entry.service}.amazonaws.com",),
        "ReadOnly": ("false",),
        "Username": (entry.caller.rpartition("/")[2],),
        "AccessKeyId": (entry.key,),
        "ResourceName": _resources(entry),
    }
    return all(value in facts.get(key, ()) for key, value in wanted.items())


def _event(entry: Entry) -> dict[str, Any]:
    detail = {
        "eventTime": entry.at.isoformat(),
        "eventName": entry.action,
        "awsRegion": entry.region,
        "errorCode": entry.code or None,
        "userIdentity": {"arn": entry.caller, "accountId": entry.account},
        "requestID": entry.request_id,
    }
    return {
        "EventId": entry.request_id,
        "EventName": entry.action,
        "ReadOnly": "false",
        "AccessKeyId": entry.key,
        "EventTime": entry.at.replace(tzinfo=None),
        "EventSource": f"{entry.service}.amazonaws.com",
        "Username": entry.caller.rpartition("/")[2],
        "Resources": [{"ResourceName": name} for name in _resources(entry)],
        "CloudTrailEvent": json.dumps(detail),
    }


ANSWERS: Mapping[str, Callable[[Call, Identity, World], dict[str, Any]]] = {
    "cloudtrail:LookupEvents": lookup,
}
