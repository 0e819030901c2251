"""The seed of cloud-init's NoCloud source below /holdfast-sandbox/nocloud/ on the same address.

A container shows no vendor in DMI, so cloud-init never asks EC2's tree with a token; it gets the
same user data here, without one. Real EC2 has no such path. The answers travel one hop only, so
that a pod, which sits one hop behind its machine, can't read user data on this way.
"""

import json

from holdfast_sandbox.metadata.guest import Guest

PREFIX = "/holdfast-sandbox/nocloud/"


def read(guest: Guest, name: str) -> bytes | None:
    """The seed file of that name, None when there is none. `vendor-data` MUST exist, even empty."""
    if name == "meta-data":
        seed = {"instance-id": guest.id, "local-hostname": guest.hostname}
        return json.dumps(seed).encode()  # JSON is YAML
    if name == "user-data":
        return guest.user_data or b""
    if name == "vendor-data":
        return b""
    return None
