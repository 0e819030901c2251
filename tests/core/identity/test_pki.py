"""The cluster's authorities and what is signed with them, checked by openssl where it counts."""

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.identity import certificates, kubeconfig, pki, platform_ca
from holdfast.identity.pki import ClusterPki

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def keys() -> ClusterPki:
    return pki.new_cluster_pki(NOW)


def test_the_eight_files_are_there_as_ecdsa_p256_in_pkcs8(keys: ClusterPki) -> None:
    assert set(keys.files) == {
        *("ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key"),
        *("etcd/ca.crt", "etcd/ca.key", "sa.key", "sa.pub"),
    }
    for name in ("ca.key", "front-proxy-ca.key", "etcd/ca.key", "sa.key"):
        assert keys.files[name].startswith("-----BEGIN PRIVATE KEY-----")
        key = serialization.load_pem_private_key(keys.files[name].encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.curve.name == "secp256r1"


def test_an_authority_is_backdated_and_may_sign(keys: ClusterPki) -> None:
    certificate = x509.load_pem_x509_certificate(keys.files["ca.crt"].encode())
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.subject.rfc4514_string() == "CN=kubernetes"


def test_it_survives_the_store_and_refuses_what_is_incomplete(keys: ClusterPki) -> None:
    assert ClusterPki.from_json(keys.to_json()) == keys
    with pytest.raises(ValueError, match="front-proxy-ca"):
        ClusterPki.from_json(b'{"ca.crt": ""}')
    with pytest.raises(ValueError, match="PKI"):
        ClusterPki.from_json(b"[]")


def test_it_does_not_show_its_keys(keys: ClusterPki) -> None:
    assert "PRIVATE" not in repr(keys)


def test_a_client_is_a_user_in_groups(keys: ClusterPki) -> None:
    pem, _ = pki.client_certificate(keys, "system:node:n", ["system:nodes", "other"], NOW, DAY)
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [
        "system:node:n"
    ]
    groups = [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert groups == ["system:nodes", "other"]


@pytest.mark.parametrize("purpose", ["sslclient", "sslserver"])
def test_openssl_accepts_the_chain_for_its_purpose_only(
    purpose: str, keys: ClusterPki, tmp_path: Path
) -> None:
    leaf = (
        pki.client_certificate(keys, "u", ["g"], NOW, DAY)[0]
        if purpose == "sslclient"
        else certificates.server(keys.ca, ["a.example"], NOW, DAY).certificate
    )
    (tmp_path / "ca").write_text(keys.files["ca.crt"])
    (tmp_path / "leaf").write_text(leaf)
    for asked in ("sslclient", "sslserver"):
        done = subprocess.run(
            [
                *("openssl", "verify", "-x509_strict", "-purpose", asked),
                *("-attime", str(int(NOW.timestamp())), "-CAfile", tmp_path / "ca"),
                tmp_path / "leaf",
            ],
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert (done.returncode == 0) == (asked == purpose), done.stdout + done.stderr


@pytest.mark.fault("F43", "P")
def test_certificates_are_backdated_and_end(keys: ClusterPki) -> None:
    pem, _ = pki.client_certificate(keys, "u", [], NOW, DAY)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert certificates.expires_at(pem) == NOW + DAY


@pytest.mark.fault("F42", "P")
def test_a_certificate_is_due_after_two_thirds_of_its_life(keys: ClusterPki) -> None:
    pem, _ = pki.client_certificate(keys, "u", [], NOW, timedelta(days=30))
    assert not certificates.is_due(pem, NOW + timedelta(days=19))
    assert certificates.is_due(pem, NOW + timedelta(days=21))
    assert certificates.is_due(pem, NOW + timedelta(days=400))


def test_a_kubeconfig_has_one_of_each_under_one_name(keys: ClusterPki) -> None:
    text = kubeconfig.mint(
        keys,
        cluster_name_context="shop-c1",
        server_url="https://198.51.100.7:6443",
        proxy_url="http://127.0.0.1:3128",
        user="me",
        groups=["holdfast:admins"],
        now=NOW,
        valid_for=DAY,
    )
    found = yaml.safe_load(text)
    for kind in ("clusters", "contexts", "users"):
        assert [one["name"] for one in found[kind]] == ["shop-c1"]
    assert found["current-context"] == "shop-c1"
    assert found["contexts"][0]["context"] == {"cluster": "shop-c1", "user": "shop-c1"}
    cluster = found["clusters"][0]["cluster"]
    assert cluster["proxy-url"] == "http://127.0.0.1:3128"
    ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
    assert ca == keys.files["ca.crt"]


def test_without_a_proxy_none_is_named(keys: ClusterPki) -> None:
    text = kubeconfig.mint(
        keys,
        cluster_name_context="n",
        server_url="https://a",
        proxy_url=None,
        user="u",
        groups=[],
        now=NOW,
        valid_for=DAY,
    )
    assert "proxy-url" not in text


def test_the_platform_names_its_hosts_and_addresses() -> None:
    ca = platform_ca.new(NOW)
    pair = platform_ca.server_certificate(ca, ["localhost", "198.18.0.2", "::1"], NOW)
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["198.18.0.2", "::1"]
    with pytest.raises(ValueError, match="at least one"):
        platform_ca.server_certificate(ca, [], NOW)
