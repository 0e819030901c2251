"""EC2's events on the account's bus, for those that have rules there (H38)."""

import json
import sys
from typing import Any

from holdfast_sandbox.aws.world import Notice


def publish(notice: Notice) -> None:
    """Put an event on the bus. Without a rule ever made in this process there is no bus yet."""
    models: Any = sys.modules.get("moto.events.models")
    if models is None or notice.account not in models.events_backends:
        return
    bus = models.events_backends[notice.account][notice.region]
    arn = f"arn:aws:ec2:{notice.region}:{notice.account}:instance/{notice.vm_id}"
    bus.put_events(
        [
            {
                "Source": "aws.ec2",
                "DetailType": notice.kind,
                "Detail": json.dumps(notice.detail),
                "Resources": [arn],
            }
        ]
    )
