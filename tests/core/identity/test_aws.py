"""An identity document counts only when a configured certificate signed exactly it."""

import base64
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from holdfast.identity import aws, cms
from holdfast.identity.cms import NotVerified

NOW_TEXT = "2026-03-01T11:59:40Z"


def refused(proof: dict[str, str], pem: bytes, now: Any) -> str:
    with pytest.raises(NotVerified) as error:
        aws.verify_document(proof, pem, now)
    return str(error.value)


def test_a_cms_signed_document_is_read(region: Any, machine: Any) -> None:
    found = aws.verify_document(region.proof(), region.pem, machine.chosen_at)
    assert found.account == "123456789012"
    assert found.instance == "i-0abc"
    assert f"{found.pending_time:%FT%TZ}" == NOW_TEXT


def test_a_plainly_signed_document_is_read(region: Any, machine: Any) -> None:
    found = aws.verify_document(region.plain_proof(), region.pem, machine.chosen_at)
    assert found.private_ip == "10.10.0.4"


def test_the_right_one_of_several_certificates_is_found(
    region: Any, other_region: Any, machine: Any
) -> None:
    pem = other_region.pem + region.pem
    assert aws.verify_document(region.proof(), pem, machine.chosen_at).region == "eu-central-1"


@pytest.mark.parametrize("kind", ["proof", "plain_proof"])
def test_a_document_signed_by_another_is_refused(
    kind: str, region: Any, other_region: Any, machine: Any
) -> None:
    refused(getattr(other_region, kind)(), region.pem, machine.chosen_at)


def test_only_the_signed_document_counts(region: Any, machine: Any) -> None:
    other = region.proof(instanceId="i-0other")["document"]
    beside = aws.verify_document(
        {**region.proof(), "document": other}, region.pem, machine.chosen_at
    )
    assert beside.instance == "i-0abc"
    plain = {**region.plain_proof(), "document": other}
    assert "no configured certificate" in refused(plain, region.pem, machine.chosen_at)


def test_a_changed_document_inside_the_message_is_refused(region: Any, machine: Any) -> None:
    proof = region.proof()
    raw = base64.b64decode(proof["rsa2048"])
    forged = base64.b64encode(raw.replace(b"i-0abc", b"i-0xyz")).decode()
    document = base64.b64decode(proof["document"]).replace(b"i-0abc", b"i-0xyz")
    changed = {"document": base64.b64encode(document).decode(), "rsa2048": forged}
    assert "another document" in refused(changed, region.pem, machine.chosen_at)


def test_a_message_that_carries_its_own_certificate_gains_nothing_by_it(
    region: Any, other_region: Any, machine: Any
) -> None:
    document = base64.b64decode(region.proof()["document"])
    own = other_region.cms(document, pkcs7.PKCS7Options.Binary)
    proof = {"document": base64.b64encode(document).decode(), "rsa2048": own}
    assert "not a configured one" in refused(proof, region.pem, machine.chosen_at)


def test_an_unsigned_document_is_refused(region: Any, machine: Any) -> None:
    document = {"document": region.proof()["document"]}
    assert "not signed" in refused(document, region.pem, machine.chosen_at)


def test_the_dsa_signature_is_not_accepted(region: Any, machine: Any) -> None:
    proof = {"document": region.proof()["document"], "pkcs7": region.proof()["rsa2048"]}
    assert "not signed" in refused(proof, region.pem, machine.chosen_at)


def test_an_expired_certificate_signs_nothing(region: Any, machine: Any) -> None:
    late = machine.chosen_at + timedelta(days=3)
    assert "expired" in refused(region.proof(), region.pem, late)


def test_a_short_key_signs_nothing(machine: Any, region: Any) -> None:
    weak = type(region)(bits=1024)
    refused(weak.plain_proof(), weak.pem, machine.chosen_at)


def test_no_certificates_are_a_named_reason(region: Any, machine: Any) -> None:
    assert "no identity certificates" in refused(region.proof(), b"", machine.chosen_at)


@pytest.mark.parametrize("missing", ["accountId", "instanceId", "pendingTime"])
def test_a_document_without_a_field_is_refused(missing: str, region: Any, machine: Any) -> None:
    proof = region.plain_proof(**{missing: None})
    if missing == "pendingTime":
        assert "lacks a field" in refused(proof, region.pem, machine.chosen_at)
    else:
        read = aws.verify_document(proof, region.pem, machine.chosen_at)
        assert "None" in {read.account, read.instance}


def test_every_cut_and_every_changed_byte_is_refused_without_another_error(region: Any) -> None:
    raw = base64.b64decode(region.proof()["rsa2048"])
    for at in range(0, len(raw), 7):
        for changed in (raw[:at], raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :]):
            try:
                document = cms.content(changed, [region.certificate])
            except NotVerified:
                continue
            # A byte outside of what is signed, as in the list of digests, changes nothing.
            assert document == base64.b64decode(region.proof()["document"])


def openssl(*arguments: object) -> bytes:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, check=False, timeout=20
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_openssl_agrees(region: Any, tmp_path: Path) -> None:
    message = tmp_path / "message.der"
    message.write_bytes(base64.b64decode(region.proof()["rsa2048"]))
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(region.pem)
    arguments = ("-inform", "DER", "-in", message, "-certfile", certificate, "-noverify")
    found = openssl("cms", "-verify", *arguments)
    assert found == cms.content(message.read_bytes(), [region.certificate])


def test_a_message_of_indefinite_length_is_read_as_ec2_sends_it(
    region: Any, machine: Any, tmp_path: Path
) -> None:
    (tmp_path / "certificate").write_bytes(region.pem)
    key = region.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key").write_bytes(key)
    (tmp_path / "document").write_bytes(base64.b64decode(region.proof()["document"]))
    signer = ("-signer", tmp_path / "certificate", "-inkey", tmp_path / "key", "-md", "sha256")
    form = ("-nodetach", "-binary", "-nocerts", "-stream", "-outform", "DER")
    message = openssl("cms", "-sign", *form, *signer, "-in", tmp_path / "document")
    assert base64.b64encode(message).startswith(b"MIAG")
    proof = {"rsa2048": base64.b64encode(message).decode()}
    assert aws.verify_document(proof, region.pem, machine.chosen_at).instance == "i-0abc"
    for at in range(0, len(message), 5):
        with pytest.raises(NotVerified):
            cms.content(message[:at], [region.certificate])


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(NotVerified, match="deep"):
        cms.content(b"\x30\x80" * 5000, [])
