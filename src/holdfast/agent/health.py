"""How the machine is: disk, memory, clock, kubelet, and the API server on a control plane."""

import http.client
import os
import shutil
import ssl
from pathlib import Path
from typing import Any

SECONDS = 1.0
KUBELET_PORT, API_PORT = 10248, 6443

_LOOPBACK = "127.0.0.1"


def look(*, is_control_plane: bool, skew: float) -> dict[str, Any]:
    """The `health` of a heartbeat.

    skew  seconds that this clock is ahead of the platform's
    """
    disk = shutil.disk_usage("/")
    health: dict[str, Any] = {
        "diskFreeRatio": round(disk.free / disk.total, 3),
        "memoryAvailableMib": _memory_available(),
        "load": round(os.getloadavg()[0], 2),
        "clockSkewSeconds": round(skew, 1),
        "kubelet": _kubelet(),
    }
    if is_control_plane:
        health["api"] = _api()
    return health


def _memory_available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(next(found, "0")) // 1024


def _kubelet() -> bool:
    return _is_ok(http.client.HTTPConnection(_LOOPBACK, KUBELET_PORT, timeout=SECONDS), "/healthz")


def _api() -> bool:
    # Only the state of the own API server is asked, nothing is believed or sent: no certificate
    # has to be checked for it.
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    server = http.client.HTTPSConnection(_LOOPBACK, API_PORT, timeout=SECONDS, context=tls)
    return _is_ok(server, "/livez")


def _is_ok(connection: http.client.HTTPConnection, path: str) -> bool:
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
