"""May this key speak for that machine? The nonce from user data and the cloud's word must agree.

Outside every refusal looks the same; `reason` is for our own records. Identity is bound to the
cloud's id of the machine and never read from tags, which others may change.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from holdfast.identity import proofs, signatures
from holdfast.identity.cms import LEEWAY
from holdfast.identity.proofs import Trust
from holdfast.model.machine import Machine
from holdfast.model.resource import CHALLENGED


@dataclass(frozen=True, slots=True)
class Claim:
    """What a machine says. `proof` is the cloud's word; `at` is its own clock."""

    nonce: str
    public_key: str
    cloud: str
    proof: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What the platform knows before it answers.

    machine        None when there is no machine of that id
    trust          what the cloud's word is checked with
    bound_key      the key that is bound already, None before first contact
    has_called     True once that key made a call-back: from then on no first contact is repeated
    """

    machine: Machine | None
    trust: Trust
    bound_key: str | None
    has_called: bool


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
    if machine.offering.cloud in CHALLENGED and not claim.proof:
        return NotYet("the challenge is not answered yet")
    refusal = proofs.refusal(claim.proof, claim.nonce, machine, known.trust, now)
    if refusal is not None:
        return Refused(refusal)
    if machine.provider_id is None:
        return NotYet("the platform has not seen this machine at the cloud yet")
    return Accepted(is_repeat=known.bound_key is not None)


def skew_refusal(at: datetime, now: datetime) -> str | None:
    """Why a machine of that clock is refused, None when its clock is near enough."""
    skew = at - now
    if abs(skew) <= LEEWAY:
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
    if claim.cloud != machine.offering.cloud:
        return f"a machine of {machine.offering.cloud.value} does not come from {claim.cloud!r}"
    return None
