"""Runs inside a machine: speaks with the platform as the agent does, or as a forger would.

    python3 speaker.py GIVEN      GIVEN: a JSON list of messages; prints a JSON list of answers

A message: {"machine": whose path, "counter", "body", "key": "own" or "fresh",
"tampered": another body that is sent under the signature}.
"""

import base64
import hashlib
import json
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

AGENT = Path("/var/lib/holdfast-agent")


def sign(text: bytes, key: str) -> str:
    """Base64 of the signature, by the openssl program."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "given"), Path(folder, "made")
        given.write_bytes(text)
        command = ["openssl", "pkeyutl", "-rawin", "-sign", "-inkey", key]
        subprocess.run([*command, "-in", str(given), "-out", str(made)], check=True)
        return base64.b64encode(made.read_bytes()).decode()


def fresh_key() -> str:
    """The path of a new key that nobody knows."""
    path = tempfile.mkdtemp() + "/key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    return path


def post(platform: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """One request and its answer."""
    request = urllib.request.Request(platform + path, body, headers, method="POST")
    tls = ssl.create_default_context(cafile=str(AGENT / "ca.pem"))
    try:
        with urllib.request.urlopen(request, context=tls, timeout=10) as answer:
            return {"status": answer.status, "text": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "text": error.read().decode()}


def call_back(platform: str, own: str, message: dict[str, Any]) -> dict[str, Any]:
    """Send one signed message."""
    path = f"/v1/agent/machines/{message.get('machine', own)}/call-backs"
    body = json.dumps({"at": message["counter"], **message["body"]}).encode()
    digest = hashlib.sha256(body).hexdigest()
    key = fresh_key() if message.get("key") == "fresh" else str(AGENT / "key.pem")
    signature = sign(f"POST\n{path}\n{message['counter']}\n{digest}".encode(), key)
    headers = {
        "Content-Type": "application/json",
        "Holdfast-Counter": str(message["counter"]),
        "Holdfast-Signature": signature,
    }
    sent = message.get("tampered")
    return post(platform, path, body if sent is None else json.dumps(sent).encode(), headers)


def first_contact(platform: str, own: str, message: dict[str, Any]) -> dict[str, Any]:
    """A first contact with this machine's nonce or a stolen one, and a key of its own."""
    settings = json.loads((AGENT / "settings.json").read_text())
    public = subprocess.run(
        ["openssl", "pkey", "-in", fresh_key(), "-pubout"], check=True, capture_output=True
    ).stdout.decode()
    sys.path.insert(0, str(AGENT / "agent.pyz"))
    from holdfast.agent.metadata import Metadata  # noqa: PLC0415

    body = {
        "nonce": message.get("nonce", settings["nonce"]),
        "publicKey": public,
        "cloud": "aws",
        "proof": Metadata().proof(),
        "bootId": "a forger's",
        "at": int(time.time() * 1000),
    }
    path = f"/v1/agent/machines/{message.get('machine', own)}/first-contact"
    return post(platform, path, json.dumps(body).encode(), {"Content-Type": "application/json"})


def main() -> None:
    """Send all, in order."""
    settings = json.loads((AGENT / "settings.json").read_text())
    answers = []
    for message in json.loads(sys.argv[1]):
        send = first_contact if message.get("kind") == "first-contact" else call_back
        answers.append(send(settings["platform"], settings["machine"], message))
    sys.stdout.write(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()
