"""What the other clouds say of a machine: tokens of Google, documents of Azure, challenges."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from tests.core.identity.cloud import NONCE, NOW, Signer

from holdfast.identity import azure, first_contact, gcp, proofs
from holdfast.identity.first_contact import Accepted, Claim, Known, NotYet, Refused
from holdfast.identity.proofs import Trust
from holdfast.model.ids import ProviderId
from holdfast.model.machine import Machine
from holdfast.model.offering import Cloud

OWNER = "project-or-subscription"
MADE = int((NOW - timedelta(seconds=20)).timestamp())
ENGINE = {
    "project_id": OWNER,
    "zone": "z-1",
    "instance_id": "7",
    "instance_name": "shop-7",
    "instance_creation_timestamp": MADE,
}
CLAIMS = {
    "iss": "https://accounts.google.com",
    "aud": gcp.audience(NONCE),
    "iat": MADE,
    "exp": MADE + 3600,
    "google": {"compute_engine": ENGINE},
}
ATTESTED = {
    "nonce": azure.nonce_digits(NONCE),
    "subscriptionId": OWNER,
    "vmId": "7",
    "timeStamp": {"createdOn": "03/01/26 11:59:50 -0000", "expiresOn": "03/01/26 17:59:50 -0000"},
}


def token(signer: Signer, claims: Any, header: Any = None) -> dict[str, str]:
    parts = [header or {"alg": "RS256", "typ": "JWT"}, claims]
    head = ".".join(_url(json.dumps(part).encode()) for part in parts)
    signature = signer.key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
    return {"token": f"{head}.{_url(signature)}"}


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def engine(**changes: Any) -> Any:
    return {**CLAIMS, "google": {"compute_engine": {**ENGINE, **changes}}}


def attested(signer: Signer, **changes: Any) -> dict[str, str]:
    return {"signature": signer.cms(json.dumps({**ATTESTED, **changes}).encode())}


@dataclass
class Case:
    """A machine somewhere, and what the platform knows of it."""

    machine: Machine
    key: str
    pem: bytes

    def verdict(self, proof: dict[str, str], now: datetime = NOW, **known: Any) -> Any:
        claim = Claim(NONCE, self.key, self.machine.offering.cloud.value, proof, now)
        trust = Trust(OWNER, self.pem, known.pop("challenge", "the word"))
        return first_contact.verify(claim, Known(self.machine, trust, None, False), now)

    def refusal(self, proof: dict[str, str], now: datetime = NOW, **known: Any) -> str:
        verdict = self.verdict(proof, now, **known)
        assert isinstance(verdict, Refused), verdict
        return verdict.reason


@pytest.fixture
def on(machine: Machine, public_key: str, region: Signer) -> Callable[[Cloud], Case]:
    def build(cloud: Cloud) -> Case:
        offering = replace(machine.offering, cloud=cloud, zone="z-1")
        there = replace(machine, offering=offering, provider_id=ProviderId("7"), name="shop-7")
        return Case(there, public_key, region.pem)

    return build


On = Callable[[Cloud], Case]


def test_genuine_machines_of_every_cloud_are_accepted(on: On, region: Signer) -> None:
    assert on(Cloud.GCP).verdict(token(region, CLAIMS)) == Accepted()
    assert on(Cloud.AZURE).verdict(attested(region)) == Accepted()
    assert on(Cloud.DO).verdict({"challenge": "the word"}) == Accepted()


@pytest.mark.parametrize(
    ("claims", "named"),
    [
        (engine(project_id="another"), "project"),
        (engine(zone="z-2"), "zone"),
        (engine(instance_id="8"), "instance"),
        (engine(instance_name="shop-8"), "name"),
        (engine(instance_creation_timestamp=MADE - 7200), "older than the machine"),
        (engine(instance_creation_timestamp="soon"), "lacks a claim"),
        ({**CLAIMS, "aud": gcp.audience("m" * 43)}, "made for somebody else"),
        ({**CLAIMS, "iss": "https://accounts.example.com"}, "not of Google's"),
        ({**CLAIMS, "iat": MADE - 7200, "exp": MADE - 3600}, "is valid from"),
        ({**CLAIMS, "google": {}}, "lacks a claim"),
    ],
)
@pytest.mark.fault("F56", "P")
def test_a_token_of_another_machine_is_refused(
    on: On, region: Signer, claims: Any, named: str
) -> None:
    assert named in on(Cloud.GCP).refusal(token(region, claims))


@pytest.mark.fault("F56", "P")
def test_a_token_that_google_did_not_sign_is_refused(
    on: On, region: Signer, other_region: Signer
) -> None:
    case = on(Cloud.GCP)
    assert "no configured certificate" in case.refusal(token(other_region, CLAIMS))
    unsigned = token(region, CLAIMS, {"alg": "none"})
    assert "RS256" in case.refusal(unsigned)
    head, claims, signature = token(region, CLAIMS)["token"].split(".")
    changed = _url(json.dumps(engine(zone="z-1", x=1)).encode())
    assert claims != changed
    assert "no configured" in case.refusal({"token": f"{head}.{changed}.{signature}"})
    for broken in ("", "a.b", "a.b.c", f"{head}.{claims}.!"):
        assert case.refusal({"token": broken}).startswith("identity document: the token")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"subscriptionId": "another"}, "subscription"),
        ({"vmId": "8"}, "instance"),
        ({"nonce": "0123456789"}, "made for somebody else"),
        ({"timeStamp": {"createdOn": "yesterday", "expiresOn": "x"}}, "lacks a field"),
        (
            {
                "timeStamp": {
                    "createdOn": "03/01/26 01:59:50 -0000",
                    "expiresOn": "03/01/26 07:59:50 -0000",
                }
            },
            "is valid from",
        ),
    ],
)
@pytest.mark.fault("F56", "P")
def test_an_attested_document_of_another_machine_is_refused(
    on: On, region: Signer, changes: dict[str, Any], named: str
) -> None:
    assert named in on(Cloud.AZURE).refusal(attested(region, **changes))


@pytest.mark.fault("F56", "P")
def test_a_document_that_azure_did_not_sign_is_refused(on: On, other_region: Signer) -> None:
    assert "not a configured one" in on(Cloud.AZURE).refusal(attested(other_region))
    assert "not base64" in on(Cloud.AZURE).refusal({"signature": "!"})


@pytest.mark.fault("F56", "P")
def test_a_challenge_must_be_answered_with_the_very_word(on: On) -> None:
    case = on(Cloud.DO)
    assert isinstance(case.verdict({}), NotYet)  # its metadata does not show it yet
    assert "not answered" in case.refusal({"challenge": "another word"})
    assert "no challenge" in case.refusal({"challenge": ""}, challenge="")


def test_each_machine_has_a_challenge_of_its_own(machine: Machine) -> None:
    mine = proofs.challenge("key", machine.id)
    assert mine == proofs.challenge("key", machine.id)
    assert mine != proofs.challenge("key", type(machine.id)("another"))
    assert mine != proofs.challenge("another key", machine.id)
