"""The identity document's signatures hold for openssl, and for nothing that was changed."""

import base64
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from holdfast_sandbox.metadata.identity import signer

DOCUMENT = b'{\n  "accountId" : "123456789012",\n  "instanceId" : "i-1"\n}'
NOW = 1_700_000_000


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, timeout=30)


def verified(tmp_path: Path, message: bytes, certificate: Path) -> bytes | None:
    """What openssl takes out of a signed message, None when it refuses it."""
    (tmp_path / "message").write_bytes(message)
    arguments: list[str | Path] = ["-inform", "DER", "-in", tmp_path / "message"]
    arguments += ["-certfile", certificate]
    ran = openssl("cms", "-verify", *arguments, "-noverify", "-binary")
    return ran.stdout if ran.returncode == 0 else None


def test_openssl_takes_the_document_out_of_the_signed_message(tmp_path: Path) -> None:
    message = base64.b64decode(signer(tmp_path, NOW).signed_message(DOCUMENT))
    assert verified(tmp_path, message, tmp_path / "identity.pem") == DOCUMENT


def test_a_changed_document_and_another_region_are_refused(tmp_path: Path) -> None:
    message = base64.b64decode(signer(tmp_path, NOW).signed_message(DOCUMENT))
    changed = message.replace(b"i-1", b"i-2")
    assert changed != message
    assert verified(tmp_path, changed, tmp_path / "identity.pem") is None
    other = tmp_path / "other"
    other.mkdir()
    signer(other, NOW)
    assert verified(tmp_path, message, other / "identity.pem") is None


def test_the_signature_holds_for_openssl(tmp_path: Path) -> None:
    text = signer(tmp_path, NOW).signature(DOCUMENT)
    assert max(map(len, text.split("\n"))) == 64
    (tmp_path / "signature").write_bytes(base64.b64decode(text))
    (tmp_path / "document").write_bytes(DOCUMENT)
    public = openssl("x509", "-in", tmp_path / "identity.pem", "-pubkey", "-noout").stdout
    (tmp_path / "public.pem").write_bytes(public)
    check: list[str | Path] = ["-verify", tmp_path / "public.pem"]
    check += ["-signature", tmp_path / "signature"]
    assert openssl("dgst", "-sha256", *check, tmp_path / "document").returncode == 0
    (tmp_path / "document").write_bytes(DOCUMENT + b" ")
    assert openssl("dgst", "-sha256", *check, tmp_path / "document").returncode != 0


def test_the_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    signer(tmp_path, NOW)
    first = (tmp_path / "identity.pem").read_bytes()
    signer(tmp_path, NOW + 1000)
    assert (tmp_path / "identity.pem").read_bytes() == first
    assert (tmp_path / "identity.key").stat().st_mode & 0o777 == 0o600
    key = x509.load_pem_x509_certificate(first).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
