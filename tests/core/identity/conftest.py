"""Builders for identity's tests: a cloud, a machine, and a claim of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.identity.cloud import NONCE, NOW, Signer

from holdfast.identity import first_contact, signatures
from holdfast.identity.first_contact import Claim, Known
from holdfast.identity.proofs import Trust
from holdfast.model.ids import ClusterId, MachineId, ProviderId, RequestId
from holdfast.model.machine import Machine
from holdfast.model.offering import CapacityType, Cloud, OfferingKey
from holdfast.model.resource import Role


@pytest.fixture(scope="session")
def region() -> Signer:
    return Signer()


@pytest.fixture(scope="session")
def other_region() -> Signer:
    return Signer()


@pytest.fixture(scope="session")
def public_key() -> str:
    return signatures.public_key(signatures.new_key())


@pytest.fixture
def machine() -> Machine:
    return Machine(
        id=MachineId("6f9619ff-8b86-4011-b42d-00c04fc964ff"),
        cluster=ClusterId("c" * 8),
        request=RequestId("r" * 8),
        name="shop-cccccccc-aws-6f96",
        role=Role.WORKER,
        offering=OfferingKey(
            Cloud.AWS, "eu-central-1", "eu-central-1a", "t3.large", CapacityType.ON_DEMAND
        ),
        image="ami-1",
        disk_gib=20,
        kubernetes_version="1.37.2",
        attempt=1,
        token="hf-1",
        nonce_hash=first_contact.nonce_hash(NONCE),
        chosen_at=NOW - timedelta(seconds=30),
        provider_id=ProviderId("i-0abc"),
        private_ip="10.10.0.4",
    )


@pytest.fixture
def a_claim(region: Signer, public_key: str) -> Callable[..., Claim]:
    def build(**changes: Any) -> Claim:
        claim = Claim(NONCE, public_key, "aws", region.proof(), NOW)
        return replace(claim, **changes)

    return build


@pytest.fixture
def a_known(region: Signer, machine: Machine) -> Callable[..., Known]:
    def build(**changes: Any) -> Known:
        known = Known(machine, Trust("123456789012", region.pem), None, False)
        return replace(known, **changes)

    return build
