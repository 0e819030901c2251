"""Runs inside a machine: asks the API server over and over through the node's own forwarder.

    python3 api_probe.py NODE RESULT STOP

Reads the Node object and writes an annotation of it with the kubelet's certificate, every 0.3 s,
until the file STOP is there; RESULT then holds the counts as JSON. A request that fails is tried
once more at once; `failed` counts those whose second try failed too.
"""

import http.client
import json
import ssl
import sys
import time
from pathlib import Path

CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"
CA = "/etc/kubernetes/pki/ca.crt"
TIMEOUT = 10.0
PAUSE = 0.3


def ask(tls: ssl.SSLContext, method: str, path: str, body: str | None) -> bool:
    """One try on a connection of its own."""
    connection = http.client.HTTPSConnection("127.0.0.1", 7443, timeout=TIMEOUT, context=tls)
    headers = {"Content-Type": "application/merge-patch+json"} if body else {}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return answer.status == 200


def main() -> None:
    """Until STOP is there."""
    node, result, stop = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    tls = ssl.create_default_context(cafile=CA)
    tls.load_cert_chain(CERTIFICATE)
    path = f"/api/v1/nodes/{node}"
    counts = {"requests": 0, "attempts_failed": 0, "failed": 0, "slowest": 0.0}
    while not stop.exists():
        note = json.dumps({"metadata": {"annotations": {"probe": str(counts["requests"])}}})
        for method, body in (("GET", None), ("PATCH", note)):
            counts["requests"] += 1
            began = time.monotonic()
            if not ask(tls, method, path, body):
                counts["attempts_failed"] += 1
                if not ask(tls, method, path, body):
                    counts["attempts_failed"] += 1
                    counts["failed"] += 1
            counts["slowest"] = round(max(counts["slowest"], time.monotonic() - began), 2)
        time.sleep(PAUSE)
    result.write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
