"""How the simulated clouds differ, as data: keys, windows, lead times, rates, codes, paces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.model.offering import Cloud
from holdfast.providers import errors
from holdfast.providers.limits import Budget
from holdfast.providers.sim.things import Pace

KINDS = (
    "Network",
    "Gateway",
    "GatewayAttachment",
    "Subnet",
    "RouteTable",
    "Route",
    "RouteAssociation",
    "FirewallGroup",
    "FirewallRule",
    "Address",
    "AddressBinding",
    "MachineRole",
    "VirtualMachine",
    "ChallengeTag",
)
# What one listing call shows, by the words of the calls' groups.
LISTINGS: Mapping[str, tuple[str, ...]] = {
    "networks": ("Network",),
    "gateways": ("Gateway", "GatewayAttachment"),
    "subnets": ("Subnet",),
    "route-tables": ("RouteTable", "Route", "RouteAssociation"),
    "firewall-groups": ("FirewallGroup",),
    "firewall-rules": ("FirewallRule",),
    "addresses": ("Address", "AddressBinding"),
    "machine-roles": ("MachineRole",),
    "machines": ("VirtualMachine", "ChallengeTag"),
}
FOREIGN = "foreign"  # the listing of what is in our networks without our tags


class Repeat(StrEnum):
    """What a second create call of one intent does at the cloud itself."""

    TOKEN = "token"  # noqa: S105 - the word; it answers the thing that the token made
    REFUSED = "refused"  # the name or the place is taken
    DOUBLES = "doubles"  # it makes a second thing


class Why(StrEnum):
    """Why a cloud refuses; the class of error is the same on every cloud, the code is not."""

    LATER = "later"
    THROTTLED = "throttled"
    CAPACITY = "capacity"
    SUBNET_FULL = "subnet-full"
    QUOTA = "quota"
    KEY = "key"
    DENIED = "denied"
    ABSENT = "absent"
    TAKEN = "taken"
    HELD = "held"
    MISMATCH = "mismatch"
    IMAGE = "image"
    INVALID = "invalid"


CLASSES: Mapping[Why, type[errors.ProviderError]] = {
    Why.LATER: errors.Unavailable,
    Why.THROTTLED: errors.Throttled,
    Why.CAPACITY: errors.CapacityUnavailable,
    Why.SUBNET_FULL: errors.CapacityUnavailable,
    Why.QUOTA: errors.QuotaExceeded,
    Why.KEY: errors.CredentialsRejected,
    Why.DENIED: errors.CredentialsRejected,
    Why.ABSENT: errors.NotFound,
    Why.TAKEN: errors.Conflict,
    Why.HELD: errors.DependencyHeld,
    Why.MISMATCH: errors.RequestRejected,
    Why.IMAGE: errors.RequestRejected,
    Why.INVALID: errors.RequestRejected,
}
_ORDER = tuple(Why)


def _codes(*codes: str) -> Mapping[Why, str]:
    return dict(zip(_ORDER, codes, strict=True))


@dataclass(frozen=True, slots=True)
class Limit:
    """A quota: code, name and unit of the cloud; `counts` is "cpus", "spot" or a kind."""

    code: str
    name: str
    unit: str
    counts: str


@dataclass(frozen=True, slots=True)
class Traits:
    """One cloud.

    repeat      per kind; what is missing here is refused
    spot_lead   seconds from the notice to the end; None where nothing is sold as spot
    user_data   bytes that a machine takes
    page        things in one page of a listing
    one_bucket  True where all calls of an account count together
    """

    repeat: Mapping[str, Repeat]
    spot_lead: float | None
    user_data: int
    page: int
    reading: Budget
    changing: Budget
    launching: Budget
    pace: Pace
    limits: tuple[Limit, ...]
    codes: Mapping[Why, str]
    secret: tuple[str, ...]  # fields of a key, the last one the secret part
    prefixes: Mapping[str, str] = field(default_factory=dict)
    one_bucket: bool = False


_DOUBLES = Repeat.DOUBLES
_AWS_IDS = {
    "Network": "vpc",
    "Gateway": "igw",
    "GatewayAttachment": "igw-attach",
    "Subnet": "subnet",
    "RouteTable": "rtb",
    "Route": "r",
    "RouteAssociation": "rtbassoc",
    "FirewallGroup": "sg",
    "FirewallRule": "sgr",
    "Address": "eipalloc",
    "AddressBinding": "eipassoc",
    "MachineRole": "profile",
    "VirtualMachine": "i",
    "network interface": "eni",
}

# Leads, pages, keys, windows: docs/provider-contract.md. Paces are usual values, not promises.
TRAITS: Mapping[Cloud, Traits] = {
    Cloud.AWS: Traits(
        repeat={
            "VirtualMachine": Repeat.TOKEN,
            "Network": _DOUBLES,
            "Gateway": _DOUBLES,
            "RouteTable": _DOUBLES,
            "Address": _DOUBLES,
        },
        spot_lead=120.0,
        user_data=16 * 1024,
        page=1000,
        reading=Budget(100, 20),
        changing=Budget(50, 5),
        launching=Budget(5, 2),
        pace=Pace(lingers=3600.0),
        limits=(
            Limit("L-1216C47A", "Running On-Demand Standard instances", "vCPU", "cpus"),
            Limit("L-34B43A08", "All Standard Spot Instance Requests", "vCPU", "spot"),
            Limit("L-0263D0A3", "EC2-VPC Elastic IPs", "addresses", "Address"),
            Limit("L-F678F1CE", "VPCs per Region", "networks", "Network"),
            Limit("L-A4707A72", "Internet gateways per Region", "gateways", "Gateway"),
        ),
        codes=_codes(
            "InternalError",
            "RequestLimitExceeded",
            "InsufficientInstanceCapacity",
            "InsufficientFreeAddressesInSubnet",
            "LimitExceeded",
            "AuthFailure",
            "UnauthorizedOperation",
            "NotFound",
            "Resource.AlreadyAssociated",
            "DependencyViolation",
            "IdempotentParameterMismatch",
            "InvalidAMIID.NotFound",
            "InvalidParameterValue",
        ),
        secret=("accessKeyId", "secretAccessKey"),
        prefixes=_AWS_IDS,
    ),
    Cloud.GCP: Traits(
        repeat={},
        spot_lead=30.0,
        user_data=256 * 1024,
        page=500,
        reading=Budget(100, 25),
        changing=Budget(100, 20),
        launching=Budget(20, 10),
        pace=Pace(runs=(15.0, 45.0), ends=(20.0, 60.0), comes=(2.0, 15.0), goes=(2.0, 15.0)),
        limits=(
            Limit("CPUS", "CPUs", "vCPU", "cpus"),
            Limit("PREEMPTIBLE_CPUS", "Preemptible CPUs", "vCPU", "spot"),
            Limit("STATIC_ADDRESSES", "Static addresses", "addresses", "Address"),
            Limit("NETWORKS", "Networks", "networks", "Network"),
        ),
        codes=_codes(
            "backendError",
            "rateLimitExceeded",
            "ZONE_RESOURCE_POOL_EXHAUSTED",
            "IP_SPACE_EXHAUSTED",
            "quotaExceeded",
            "invalid_grant",
            "forbidden",
            "notFound",
            "alreadyExists",
            "resourceInUseByAnotherResource",
            "invalid",
            "invalid",
            "invalid",
        ),
        secret=("project_id", "private_key_id", "private_key"),
    ),
    Cloud.AZURE: Traits(
        repeat={},
        spot_lead=30.0,
        user_data=64 * 1024 - 1,
        page=50,
        reading=Budget(100, 20),
        changing=Budget(40, 10),
        launching=Budget(20, 5),
        pace=Pace(runs=(30.0, 90.0), ends=(20.0, 90.0), comes=(2.0, 20.0), goes=(2.0, 30.0)),
        limits=(
            Limit("cores", "Total Regional vCPUs", "vCPU", "cpus"),
            Limit("lowPriorityCores", "Total Regional Spot vCPUs", "vCPU", "spot"),
            Limit("PublicIPAddresses", "Public IP Addresses", "addresses", "Address"),
            Limit("VirtualNetworks", "Virtual Networks", "networks", "Network"),
        ),
        codes=_codes(
            "InternalServerError",
            "TooManyRequests",
            "ZonalAllocationFailed",
            "SubnetIsFull",
            "QuotaExceeded",
            "InvalidAuthenticationToken",
            "AuthorizationFailed",
            "ResourceNotFound",
            "PropertyChangeNotAllowed",
            "InUseCannotBeDeleted",
            "PropertyChangeNotAllowed",
            "InvalidParameter",
            "InvalidParameter",
        ),
        secret=("subscriptionId", "tenantId", "clientId", "clientSecret"),
    ),
    Cloud.DO: Traits(
        repeat={"VirtualMachine": _DOUBLES, "Address": _DOUBLES},
        spot_lead=None,
        user_data=64 * 1024,
        page=200,
        reading=Budget(50, 4),
        changing=Budget(50, 4),
        launching=Budget(50, 4),
        pace=Pace(runs=(20.0, 60.0), ends=(2.0, 20.0), comes=(0.0, 3.0), goes=(0.0, 3.0)),
        limits=(
            Limit("droplet_limit", "Droplets", "machines", "VirtualMachine"),
            Limit("floating_ip_limit", "Reserved IPs", "addresses", "Address"),
        ),
        codes=_codes(
            "server_error",
            "too_many_requests",
            "unprocessable_entity",
            "unprocessable_entity",
            "unprocessable_entity",
            "unauthorized",
            "forbidden",
            "not_found",
            "conflict",
            "conflict",
            "bad_request",
            "unprocessable_entity",
            "bad_request",
        ),
        secret=("token",),
        one_bucket=True,
    ),
}


def refusal(cloud: Cloud, why: Why, attempted: str, detail: str) -> errors.ProviderError:
    """The error that a cloud's refusal becomes behind the port."""
    return CLASSES[why](attempted, TRAITS[cloud].codes[why], detail)
