"""The platform's own authority and server certificate, made at the first start."""

import ipaddress
import json
import os
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from holdfast.clock import Clock
from holdfast.identity import platform_ca
from holdfast.identity.certificates import KeyPair
from holdfast.settings import Settings
from holdfast.store.store import Store

KEPT = "platform-ca"


async def authority(store: Store, clock: Clock) -> KeyPair:
    """The installation's authority; made once and kept sealed in the database."""
    async with store.writing() as tx:
        kept = await store.installation.kept(tx, KEPT)
        if kept is not None:
            return KeyPair(**json.loads(kept))
        made = platform_ca.new(clock.now())
        await store.installation.keep(tx, KEPT, json.dumps(asdict(made)).encode())
    return made


def write_server_files(ca: KeyPair, settings: Settings, clock: Clock) -> Path:
    """Write CA and server certificate with key to the data directory; returns the latter's path."""
    server = platform_ca.server_certificate(ca, hosts(settings), clock.now())
    ca_file, server_file = settings.data_dir / "ca.pem", settings.data_dir / "server.pem"
    write_private(ca_file, ca.certificate, mode=0o644)
    write_private(server_file, server.certificate + ca.certificate + server.key)
    return server_file


def hosts(settings: Settings) -> list[str]:
    """Every name under which the platform is called: by people here, by machines from afar."""
    names = ["localhost", "127.0.0.1", settings.listen_host]
    public = urlsplit(settings.public_url).hostname
    wanted = [*names, public] if public else names
    return [name for name in dict.fromkeys(wanted) if not _is_wildcard(name)]


def _is_wildcard(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return False


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file as a whole; nobody else can read it at any moment unless `mode` says so."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.chmod(mode)
    fresh.replace(path)
