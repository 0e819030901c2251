"""May this key speak for that machine? The nonce from user data and the cloud's word must agree.

Outside every refusal looks the same; `reason` is for our own records. Identity is bound to the
cloud's id of the machine and never read from tags, which others may change.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.identity import aws, signatures
from holdfast.identity.cms import NotVerified
from holdfast.model.machine import Machine
from holdfast.model.offering import Cloud

SKEW = timedelta(minutes=5)  # Kubernetes itself breaks beyond it (faults F43)
FRESH = timedelta(hours=1)  # far above the join deadline, after which a machine is replaced


@dataclass(frozen=True, slots=True)
class Claim:
    """What a machine says. `proof` is the cloud's signed word, base64; `at` is its own clock."""

    nonce: str
    public_key: str
    cloud: str
    proof: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What the platform knows before it answers.

    machine        None when there is no machine of that id
    account        the cloud account's id that the cluster's credentials belong to
    bound_key      the key that is bound already, None before first contact
    has_called     True once that key made a call-back: from then on no first contact is repeated
    certificates   PEM of those that may sign the cloud's documents
    """

    machine: Machine | None
    account: str | None
    bound_key: str | None
    has_called: bool
    certificates: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The key is (or becomes) the machine's. `is_repeat`: it was bound already, answer again."""

    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not the machine. `reason` is for our records, never for the caller."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """All fits, but the platform has not seen the machine at the cloud."""

    reason: str


Verdict = Accepted | Refused | NotYet


def nonce_hash(nonce: str) -> str:
    """What is stored of a nonce: the hex SHA-256 of its text."""
    return hashlib.sha256(nonce.encode()).hexdigest()


def verify(claim: Claim, known: Known, now: datetime) -> Verdict:
    """Decides on a first contact."""
    machine = known.machine
    if machine is None:
        return Refused("no such machine")
    refusal = _claim_refusal(claim, known, machine) or _form_refusal(claim, machine, now)
    if refusal is not None:
        return Refused(refusal)
    try:
        document = aws.verify_document(claim.proof, known.certificates, now)
    except NotVerified as error:
        return Refused(f"identity document: {error}")
    refusal = _document_refusal(document, machine, known.account, now)
    if refusal is not None:
        return Refused(refusal)
    if machine.provider_id is None:
        return NotYet("the platform has not seen this machine at the cloud yet")
    return Accepted(is_repeat=known.bound_key is not None)


def skew_refusal(at: datetime, now: datetime) -> str | None:
    """Why a machine of that clock is refused, None when its clock is near enough."""
    skew = at - now
    if abs(skew) <= SKEW:
        return None
    return f"clock skew: its clock is {skew.total_seconds():+.0f} s off the platform's"


def _claim_refusal(claim: Claim, known: Known, machine: Machine) -> str | None:
    # The nonce is compared first and in constant time: nothing else is said to who lacks it.
    if not hmac.compare_digest(nonce_hash(claim.nonce), machine.nonce_hash):
        return "wrong nonce"
    if not machine.is_wanted:
        return f"written off: {machine.written_off_reason or 'gone'}"
    if known.bound_key is not None and (known.has_called or known.bound_key != claim.public_key):
        return "second first contact: a key is bound already"
    return None


def _form_refusal(claim: Claim, machine: Machine, now: datetime) -> str | None:
    if not signatures.is_public_key(claim.public_key):
        return "its public key is not an Ed25519 key"
    if (skew := skew_refusal(claim.at, now)) is not None:
        return skew
    if claim.cloud != Cloud.AWS or machine.offering.cloud is not Cloud.AWS:
        return f"no proof of identity is known for cloud {claim.cloud!r}"
    return None


def _document_refusal(
    document: aws.Document, machine: Machine, account: str | None, now: datetime
) -> str | None:
    offering = machine.offering
    wanted = (
        ("account", document.account, account),
        ("region", document.region, offering.region),
        ("instance type", document.instance_type, offering.instance_type),
        ("image", document.image, machine.image),
        ("instance", document.instance, machine.provider_id or document.instance),
        ("private address", document.private_ip, machine.private_ip or document.private_ip),
    )
    for what, found, expected in wanted:
        if found != expected:
            return f"{what} of the document is {found}, the machine's is {expected}"
    if document.pending_time < machine.chosen_at - SKEW:
        return f"document of {document.pending_time:%FT%TZ}, older than the machine"
    if document.pending_time > now + SKEW:
        return f"document of {document.pending_time:%FT%TZ}, which is yet to come"
    if document.pending_time < now - FRESH:
        return f"document of {document.pending_time:%FT%TZ}, no longer fresh"
    return None
