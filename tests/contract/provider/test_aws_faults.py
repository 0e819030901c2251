"""AWS in bad weather: lost answers, throttling, droughts, refused keys, listings that lie."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.contract.provider.side import REGION, Side, machine_name, name

from holdfast.model.observed import Blind, Life
from holdfast.providers import errors
from holdfast.providers.aws import client
from holdfast_sandbox.aws.emulator import EmulatorSettings
from holdfast_sandbox.aws.faults import Fault, Kind

fault = pytest.mark.fault
AT_ONCE = timedelta(0)


@pytest.fixture
def side(aws_side: Side) -> Side:
    """Only this one: these are about AWS's own ways."""
    return aws_side


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost answer is waited for 6 seconds, not 30."""
    monkeypatch.setattr(client, "READ_TIMEOUT", 6)


@fault("F61", "W")
@pytest.mark.parametrize("code", ["InsufficientInstanceCapacity", "InternalError", "Odd"])
def test_hidden_sdk_retry(side: Side, code: str) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        side.fault(Fault(Kind.ERROR, action="RunInstances", code=code, status=500))
        before = side.emulator.record.counts["ec2:RunInstances"]
        with pytest.raises(errors.ProviderError):
            await side.make(wanted[machine_name(0)], seen)
        assert side.emulator.record.counts["ec2:RunInstances"] == before + 1

    asyncio.run(story())


@fault("F61", "W")
def test_hidden_sdk_retry_of_a_listing(side: Side) -> None:
    side.fault(Fault(Kind.ERROR, action="DescribeVpcs", code="InternalError", status=500))
    assert asyncio.run(side.blind()) == {"Network": "Unavailable"}
    assert side.emulator.record.counts["ec2:DescribeVpcs"] == 1


@fault("F08", "W")
@pytest.mark.parametrize(
    "action",
    [
        "CreateVpc",
        "CreateInternetGateway",
        "AttachInternetGateway",
        "CreateRouteTable",
        "CreateRoute",
        "CreateSubnet",
        "AssociateRouteTable",
        "CreateSecurityGroup",
        "AuthorizeSecurityGroupIngress",
        "CreateTags",
        "AllocateAddress",
        "CreateInstanceProfile",
        "CreateRole",
        "AddRoleToInstanceProfile",
        "RunInstances",
        "AssociateAddress",
    ],
)
@pytest.mark.usefixtures("impatient")
def test_timeout_then_success(side: Side, action: str) -> None:
    """The answer to one create of each kind is lost; the next passes adopt what is there."""

    async def story() -> None:
        wanted = side.wanted()
        side.fault(Fault(Kind.LOST_RESPONSE, action=action, count=1))
        seen = await side.build(wanted, refusals=1)
        assert {n: one.resource for n, one in seen.items()} == wanted
        assert side.emulator.faults.all() == ()
        kinds = sorted(one["kind"] for one in side.living())
        assert kinds.count("vpc") == 1
        assert kinds.count("instance") == 2

    asyncio.run(story())


@fault("F08", "W")
@pytest.mark.parametrize("kind", [Kind.LOST_RESPONSE, Kind.LOST_REQUEST])
@pytest.mark.usefixtures("impatient")
def test_an_unknown_outcome_is_called_unknown(side: Side, kind: Kind) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        side.fault(Fault(kind, action="RunInstances", count=1))
        with pytest.raises(errors.OutcomeUnknown):
            await side.make(wanted[machine_name(0)], seen)
        await side.make(wanted[machine_name(0)], seen)
        assert side.count("instance") == 1

    asyncio.run(story())


@fault("F01", "W")
def test_crash_between_create_and_record(side: Side) -> None:
    """A new process knows nothing but the intent: the same call again makes nothing."""

    async def story() -> None:
        wanted, seen = await side.build_network()
        for resource in wanted.values():
            if resource.name in seen or resource.name == machine_name(0):
                await side.make(resource, seen)
                await side.make(resource, seen)
        assert side.count("instance") == 1
        assert side.count("vpc") == 1

    asyncio.run(story())


@fault("F06", "W")
def test_name_conflict_after_lost_leader(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        side.stranger().create_security_group(
            GroupName=f"{side.scope.cluster}/{name('firewall', 'worker')}-2",
            Description="of somebody else",
            VpcId=seen[name("network")].id,
        )
        group = wanted[name("firewall", "worker")]
        await side.make(group, seen)  # ours by tags: adopted
        ours = [{"Key": "holdfast:cluster"}]
        side.stranger().delete_tags(Resources=[seen[group.name].id], Tags=ours)
        with pytest.raises(errors.Conflict, match="the place is taken"):
            await side.make(group, seen)

    asyncio.run(story())


@fault("F05", "W")
def test_eventual_consistency_after_create(side: Side) -> None:
    """A network that is not visible yet is no error of ours and makes no second machine."""

    async def story() -> None:
        wanted, seen = await side.build_network()
        missing = Fault(
            Kind.ERROR,
            action="RunInstances",
            code="InvalidSubnetID.NotFound",
            message="The subnet ID does not exist",
            status=400,
            count=1,
        )
        side.fault(missing)
        with pytest.raises(errors.Unavailable):
            await side.make(wanted[machine_name(0)], seen)
        await side.make(wanted[machine_name(0)], seen)
        assert side.count("instance") == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    "settings", [EmulatorSettings(profile_delay=timedelta(hours=1))], ids=["slow-profiles"]
)
def test_h28_a_new_instance_profile_that_is_not_known_yet_means_later(
    side: Side, settings: EmulatorSettings
) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        with pytest.raises(errors.Unavailable, match="Invalid IAM Instance Profile"):
            await side.make(wanted[machine_name(0)], seen)

    asyncio.run(story())


@fault("F04", "W")
def test_not_found_taken_as_gone(side: Side) -> None:
    """A listing older than the things in it never turns a part into a changed one."""

    async def story() -> None:
        wanted, seen = await side.build_network()
        for machine in (0, 1):
            await side.make(wanted[machine_name(machine)], seen)
        side.settle()
        await side.things()  # the last listing before the address is bound
        hidden = ["DescribeInternetGateways", "DescribeInstances", "DescribeSecurityGroups"]
        after = await side.build(wanted)
        for action in hidden:
            side.fault(Fault(Kind.VISIBILITY, action=action, value=3600))
        found = await side.see()
        changed = {
            one.resource.name: one.resource
            for one in found
            if not isinstance(one, Blind) and hasattr(one, "resource")
        }
        assert {n: wanted[n] for n in changed} == changed
        blind = {kind for one in found if isinstance(one, Blind) for kind in one.kinds}
        assert {"Route", "AddressBinding", "FirewallRule"} <= blind
        assert len(after) == len(wanted)

    asyncio.run(story())


@fault("F13", "W")
@pytest.mark.parametrize(
    "settings", [EmulatorSettings(profile_delay=AT_ONCE, page=5)], ids=["small-pages"]
)
def test_half_the_vms_survive_delete(side: Side, settings: EmulatorSettings) -> None:
    """Pages of five: all are read, and a failing second page leaves nothing but blindness."""

    async def story() -> None:
        wanted = side.wanted(workers=7)
        assert (await side.build(wanted)).keys() == wanted.keys()
        listing = side.emulator.record.counts["ec2:DescribeInstances"]
        await side.things()
        assert side.emulator.record.counts["ec2:DescribeInstances"] == listing + 2
        later = Fault(Kind.ERROR, action="DescribeInstances", code="InternalError", subject="*")
        token = side.fault(later)
        assert "VirtualMachine" in await side.blind()
        side.emulator.faults.remove(token)
        assert await side.tear_down() == []
        assert side.living() == []

    asyncio.run(story())


@fault("F60", "W")
@pytest.mark.parametrize(
    ("action", "kinds"),
    [
        ("DescribeVpcs", {"Network"}),
        ("DescribeSubnets", {"Subnet", "RouteAssociation"}),
        ("DescribeInternetGateways", {"Gateway", "GatewayAttachment", "Route"}),
        ("DescribeRouteTables", {"RouteTable", "Route", "RouteAssociation"}),
        ("DescribeSecurityGroups", {"FirewallGroup", "FirewallRule"}),
        ("DescribeSecurityGroupRules", {"FirewallRule"}),
        ("DescribeAddresses", {"Address", "AddressBinding"}),
        ("DescribeInstances", {"VirtualMachine", "AddressBinding"}),
        ("GetInstanceProfile", {"MachineRole"}),
        ("DescribeNetworkInterfaces", {"Foreign"}),
    ],
)
def test_partial_region_outage(side: Side, action: str, kinds: set[str]) -> None:
    """One listing fails alone; the others still tell what they see, unchanged."""

    async def story() -> None:
        wanted = side.wanted()
        await side.build(wanted)
        side.fault(Fault(Kind.OUTAGE, action=action))
        found = await side.see()
        seen = [one for one in found if hasattr(one, "resource")]
        assert all(wanted[one.resource.name] == one.resource for one in seen)
        assert seen
        assert kinds <= (await side.blind()).keys()

    asyncio.run(story())


@fault("F21", "W")
def test_throttling_is_account_wide(side: Side) -> None:
    side.fault(Fault(Kind.THROTTLE, action="DescribeVpcs", count=1))

    async def story() -> None:
        assert await side.blind() == {"Network": "Throttled"}
        assert await side.blind() == {}  # the bucket was closed for a second, then open

    asyncio.run(story())


@fault("F22", "W")
@fault("F23", "W")
@fault("F24", "W")
@fault("F25", "W")
@pytest.mark.parametrize(
    ("weather", "found", "code"),
    [
        (Fault(Kind.CAPACITY), errors.CapacityUnavailable, "InsufficientInstanceCapacity"),
        (Fault(Kind.QUOTA, type="L-1216C47A", value=1), errors.QuotaExceeded, "VcpuLimitExceeded"),
        (
            Fault(Kind.ERROR, action="RunInstances", code="InsufficientFreeAddressesInSubnet"),
            errors.CapacityUnavailable,
            "InsufficientFreeAddressesInSubnet",
        ),
        (
            Fault(Kind.ERROR, action="RunInstances", code="MaxSpotInstanceCountExceeded"),
            errors.QuotaExceeded,
            "MaxSpotInstanceCountExceeded",
        ),
    ],
)
def test_what_cannot_be_had_says_why(
    side: Side, weather: Fault, found: type[errors.ProviderError], code: str
) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        side.fault(weather)
        with pytest.raises(found) as refusal:
            await side.make(wanted[machine_name(0)], seen)
        assert refusal.value.code == code
        assert refusal.value.attempted == f"create {machine_name(0)}"

    asyncio.run(story())


@fault("F20", "W")
def test_user_data_too_big(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        side.payload = b"x" * (16 * 1024 + 1)
        with pytest.raises(errors.RequestRejected, match="16385 bytes"):
            await side.make(wanted[machine_name(0)], seen)
        assert side.emulator.record.counts["ec2:RunInstances"] == 0

    asyncio.run(story())


def test_a_missing_permission_is_named_by_check_and_by_the_call(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        side.fault(Fault(Kind.DENY, action="iam:PassRole"))
        side.fault(Fault(Kind.DENY, action="ec2:ReleaseAddress"))
        account = await side.provider.check(REGION)
        assert account.missing == ("ec2:ReleaseAddress", "iam:PassRole")
        with pytest.raises(errors.CredentialsRejected) as refusal:
            await side.make(wanted[machine_name(0)], seen)
        assert refusal.value.permission == "iam:PassRole"
        assert "Encoded" not in str(refusal.value)

    asyncio.run(story())


def test_without_the_right_to_simulate_dry_runs_find_what_is_missing(side: Side) -> None:
    side.fault(Fault(Kind.DENY, action="iam:SimulatePrincipalPolicy"))
    side.fault(Fault(Kind.DENY, action="ec2:CreateVpc"))
    side.fault(Fault(Kind.DENY, action="ec2:DescribeSubnets"))
    account = asyncio.run(side.provider.check(REGION))
    assert account.missing == (
        "ec2:CreateVpc",
        "ec2:DescribeSubnets",
        "iam:SimulatePrincipalPolicy",
    )
    assert side.living() == []


def _revoked(side: Side) -> None:
    side.emulator.revoke(side.keys.access_key)


def _expired(side: Side) -> None:
    side.emulator.expire(side.keys.access_key)


@fault("F41", "W")
@pytest.mark.parametrize("end", [_revoked, _expired])
def test_a_refused_key_is_blindness_and_never_absence(
    side: Side, end: Callable[[Side], None]
) -> None:
    async def story() -> None:
        await side.build(side.wanted())
        end(side)
        found = await side.see()
        assert all(isinstance(one, Blind) for one in found)
        assert {one.error for one in found if isinstance(one, Blind)} == {"CredentialsRejected"}
        with pytest.raises(errors.CredentialsRejected):
            await side.provider.check(REGION)

    asyncio.run(story())


@fault("F43", "W")
def test_clock_skew(side: Side) -> None:
    side.fault(Fault(Kind.CLOCK, value=1800))
    with pytest.raises(errors.CredentialsRejected, match=r"clock is 1(799|80[0-9]) s behind"):
        asyncio.run(side.provider.check(REGION))


@fault("F58", "W")
def test_a_region_that_is_not_enabled_is_told_by_the_list_of_regions(side: Side) -> None:
    account = asyncio.run(side.provider.check("af-south-1"))
    assert "af-south-1" not in account.regions
    assert account.missing == ()


@fault("F58", "W")
def test_a_key_of_another_account_shows_another_identity(side: Side) -> None:
    other = side.emulator.add_account("210987654321")
    secret = {"accessKeyId": other.access_key, "secretAccessKey": other.secret_key}
    account = asyncio.run(side.connections.provider(side.cloud, secret).check(REGION))
    assert account.id == "210987654321"


@fault("F62", "W")
def test_error_as_success(side: Side) -> None:
    """A 200 whose body is no listing must not be read as an empty one."""

    async def story() -> None:
        await side.build(side.wanted())
        side.fault(
            Fault(Kind.ERROR, action="DescribeInstances", code="Odd", message="odd", status=200)
        )
        assert (await side.blind())["VirtualMachine"] == "Unavailable"

    asyncio.run(story())


def test_a_failed_boot_ends_with_its_reason(side: Side) -> None:
    async def story() -> None:
        wanted, seen = await side.build_network()
        side.machines.fails = lambda vm: "no root disk"
        await side.make(wanted[machine_name(0)], seen)
        side.settle()
        (gone,) = [one for one in await side.see() if getattr(one, "life", None) is Life.GONE]
        assert "no root disk" in gone.evidence  # type: ignore[union-attr]

    asyncio.run(story())
