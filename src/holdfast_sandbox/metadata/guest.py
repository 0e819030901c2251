"""What the metadata service knows of one machine, taken from the cloud when a request comes in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class Guest:
    """One running instance. `document` is its identity document, byte for byte as it is signed."""

    id: str
    address: IPv4Address
    mac: str
    account: str
    region: str
    zone: str
    image: str
    type: str
    hostname: str
    document: bytes
    public_address: IPv4Address | None = None
    spot: bool = False
    groups: tuple[str, ...] = ()
    user_data: bytes | None = None
    endpoint_enabled: bool = True
    tokens_required: bool = False
    hop_limit: int = 1
    tags: Mapping[str, str] | None = None  # None: tags in metadata are not enabled
    interruption: datetime | None = None  # when a spot machine will be taken
    rebalance: datetime | None = None  # when the recommendation was given


FindGuest = Callable[[str, IPv4Address], Guest | None]
"""(network id, source address) -> the machine there, None when the address is nobody's."""
