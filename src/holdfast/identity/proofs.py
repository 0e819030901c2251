"""What each cloud's word says of a machine, and whether that is the machine we know.

aws    signed instance identity document: account, region, instance, type, image, address
gcp    signed token for an audience with the nonce: project, zone, instance, name
azure  attested document with a nonce: subscription, instance
do     no signed word: a one-time tag that only the machine itself reads from its metadata
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.identity import aws, azure, gcp
from holdfast.identity.cms import LEEWAY, NotVerified
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.offering import Cloud

FRESH = timedelta(hours=1)  # far above the join deadline, after which a machine is replaced


@dataclass(frozen=True, slots=True)
class Trust:
    """What a proof is checked with.

    account       the cloud account's id that the cluster's credentials belong to
    certificates  PEM of those that may sign the cloud's documents
    challenge     what the platform wrote to the machine where the cloud signs nothing
    """

    account: str | None
    certificates: bytes
    challenge: str = ""


def challenge(signing_key_pem: str, machine: MachineId) -> str:
    """The one-time word for a machine; derived, so that a repeated create writes the same."""
    key = hashlib.sha256(signing_key_pem.encode()).digest()
    return hmac.new(key, f"challenge/{machine}".encode(), hashlib.sha256).hexdigest()


Fact = tuple[str, str | None, str | None]  # what, found, expected


def refusal(
    proof: Mapping[str, str], nonce: str, machine: Machine, trust: Trust, now: datetime
) -> str | None:
    """Why the cloud's word does not speak for the machine; None when it does."""
    try:
        facts, since = _facts(proof, nonce, machine, trust, now)
    except NotVerified as error:
        return f"identity document: {error}"
    for what, found, expected in facts:
        if found != expected:
            return f"{what} of the document is {found}, the machine's is {expected}"
    return None if since is None else _untimely(since, machine, now)


def _facts(
    proof: Mapping[str, str], nonce: str, machine: Machine, trust: Trust, now: datetime
) -> tuple[Sequence[Fact], datetime | None]:
    match machine.offering.cloud:
        case Cloud.AWS:
            return _aws(proof, machine, trust, now)
        case Cloud.GCP:
            return _gcp(proof, nonce, machine, trust, now)
        case Cloud.AZURE:
            return _azure(proof, nonce, machine, trust, now)
        case Cloud.DO:
            if not hmac.compare_digest(proof.get("challenge", "").encode(), _expected(trust)):
                raise NotVerified("the challenge was not answered")
            return (), None


def _expected(trust: Trust) -> bytes:
    if not trust.challenge:
        raise NotVerified("the platform has no challenge for this machine")
    return trust.challenge.encode()


def _aws(
    proof: Mapping[str, str], machine: Machine, trust: Trust, now: datetime
) -> tuple[Sequence[Fact], datetime]:
    document, offering = aws.verify_document(proof, trust.certificates, now), machine.offering
    return (
        ("account", document.account, trust.account),
        ("region", document.region, offering.region),
        ("instance type", document.instance_type, offering.instance_type),
        ("image", document.image, machine.image),
        ("instance", document.instance, machine.provider_id or document.instance),
        ("private address", document.private_ip, machine.private_ip or document.private_ip),
    ), document.pending_time


def _gcp(
    proof: Mapping[str, str], nonce: str, machine: Machine, trust: Trust, now: datetime
) -> tuple[Sequence[Fact], datetime]:
    token = gcp.verify_token(proof, trust.certificates, now)
    if not hmac.compare_digest(token.audience.encode(), gcp.audience(nonce).encode()):
        raise NotVerified("the token was made for somebody else")
    return (
        ("project", token.project, trust.account),
        ("zone", token.zone, machine.offering.zone),
        ("name", token.hostname, machine.name),
        ("instance", token.instance, machine.provider_id or token.instance),
    ), token.created_at


def _azure(
    proof: Mapping[str, str], nonce: str, machine: Machine, trust: Trust, now: datetime
) -> tuple[Sequence[Fact], datetime]:
    attested = azure.verify_attested(proof, trust.certificates, now)
    if not hmac.compare_digest(attested.nonce.encode(), azure.nonce_digits(nonce).encode()):
        raise NotVerified("the document was made for somebody else")
    return (
        ("subscription", attested.subscription, trust.account),
        ("instance", attested.instance, machine.provider_id or attested.instance),
    ), attested.created_at


def _untimely(since: datetime, machine: Machine, now: datetime) -> str | None:
    if since < machine.chosen_at - LEEWAY:
        return f"document of {since:%FT%TZ}, older than the machine"
    if since > now + LEEWAY:
        return f"document of {since:%FT%TZ}, which is yet to come"
    if since < now - FRESH:
        return f"document of {since:%FT%TZ}, no longer fresh"
    return None
