"""The real kubectl, and a small web workload to see a cluster at work."""

import http.client
import json
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from holdfast_sandbox.machines.image import default_store

NODE_PORT = 30080

WEB = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {
                        "terminationGracePeriodSeconds": 1,
                        "topologySpreadConstraints": [
                            {
                                "maxSkew": 1,
                                "topologyKey": "kubernetes.io/hostname",
                                "whenUnsatisfiable": "ScheduleAnyway",
                                "labelSelector": {"matchLabels": {"app": "web"}},
                            }
                        ],
                        "containers": [
                            {
                                "name": "web",
                                "image": "holdfast.dev/web:1",
                                "imagePullPolicy": "Never",
                                "ports": [{"containerPort": 8080}],
                                "readinessProbe": {
                                    "httpGet": {"path": "/", "port": 8080},
                                    "periodSeconds": 1,
                                },
                            }
                        ],
                    },
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {
                "type": "NodePort",
                "selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": 8080, "nodePort": NODE_PORT}],
            },
        },
    ],
}


class KubectlError(Exception):
    """kubectl failed; the message is what it printed."""


class Kubectl:
    """kubectl of one version with one kubeconfig."""

    def __init__(self, kubeconfig: Path, version: str) -> None:
        self._command = [str(binary(version)), "--kubeconfig", str(kubeconfig)]

    def run(self, *arguments: str, given: str | None = None, timeout: float = 30) -> str:
        """Run a command; returns what it printed. Raises KubectlError."""
        done = subprocess.run(
            [*self._command, *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command with `-o json`."""
        return json.loads(self.run(*arguments, "-o", "json"))

    def deploy_web(self) -> None:
        """Apply the workload and wait until all of it is there."""
        self.run("apply", "-f", "-", given=json.dumps(WEB))
        self.run("rollout", "status", "deployment/web", "--timeout=60s", timeout=70)


def binary(version: str) -> Path:
    """The kubectl that the preparation built. Raises KubectlError when there is none."""
    found = sorted((default_store() / "parts").glob(f"kubernetes-{version}-*/**/kubectl"))
    if not found:
        raise KubectlError(f"no kubectl {version} in {default_store()}")
    return found[0]


def read_page(address: str, port: int, proxy: str, timeout: float = 2.0) -> str:
    """A page of a public sandbox address, through the CONNECT proxy. Raises OSError."""
    way = urlsplit(proxy)
    connection = http.client.HTTPConnection(way.hostname or "", way.port, timeout=timeout)
    connection.set_tunnel(address, port)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


@dataclass(slots=True)
class Probe:
    """Reads a page over and over in a thread of its own, and counts what failed.

    A request that fails is tried once more at once, as a browser or a sidecar would do;
    `attempts_failed` counts tries, `failed` requests whose second try failed too.
    """

    address: str
    proxy: str
    requests: int = 0
    attempts_failed: int = 0
    failed: int = 0
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the last request."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            self.requests += 1
            if not self._ask():
                self.attempts_failed += 1
                if not self._ask():
                    self.attempts_failed += 1
                    self.failed += 1
            self._done.wait(0.2)

    def _ask(self) -> bool:
        try:
            return bool(read_page(self.address, NODE_PORT, self.proxy))
        except OSError:
            return False
