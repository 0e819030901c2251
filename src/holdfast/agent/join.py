"""From instructions to a node: writes the files, runs kubeadm, then what must follow it.

    init  files, kubeadm init, roles and flannel, configuration, kube-proxy, CoreDNS
    join  files, forwarder, kubeadm join

The order after init matters. A client that dials a service address before kube-proxy has
programmed its node hangs for 30 s: so flannel uses the forwarder, and CoreDNS starts when
kube-proxy is ready and before any other machine joins. Skipping CoreDNS in init writes
`dns.disabled` into the cluster's configuration, which the step after the network puts right.

Every step may be repeated. kubeadm that was cut off is undone by `kubeadm reset` and started again.
"""

import http.client
import json
import logging
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from holdfast.agent import commands, files, forward
from holdfast.agent.report import Reports
from holdfast.agent.state import Stage, State

CONFIGURATION = Path("/etc/holdfast/kubeadm.yaml")
IMAGE_FACTS = Path("/etc/holdfast-image.json")
DISCOVERY = Path("/etc/kubernetes/discovery.conf")
ADMIN = "/etc/kubernetes/admin.conf"
FORWARD_UNIT = "holdfast-forward.service"  # installed by user data
KUBE_PROXY_PORT = 10256

KUBEADM_SECONDS, PHASE_SECONDS, APPLY_SECONDS, WAIT_SECONDS = 300.0, 90.0, 60.0, 120.0
_LOOK = 0.1

log = logging.getLogger(__name__)

Instructions = dict[str, Any]


class StepFailed(Exception):
    """A step did not succeed; `output` is what it wrote last."""

    def __init__(self, step: str, message: str, output: str = "") -> None:
        super().__init__(message)
        self.step = step
        self.output = output


def become(instructions: Instructions, state: State, reports: Reports) -> None:
    """Do all steps that are not done yet; the machine is a node then. Raises StepFailed."""
    started = time.monotonic()
    if state.stage is Stage.CHANGING:
        log.warning("kubeadm was cut off: starting over")
        reset()
    if state.stage in (Stage.INSTRUCTED, Stage.CHANGING):
        with reports.step("files"):
            _lay_out(instructions)
        with reports.step(f"kubeadm-{instructions['mode']}"):
            _kubeadm(instructions, state)
    if instructions["mode"] == "init":
        _after_init(instructions, reports)
    shutil.rmtree("/etc/holdfast/manifests", ignore_errors=True)
    # Kept until the platform was told: neither its restart nor ours may lose it.
    seconds = round(time.monotonic() - started, 2)
    state.note(untold={"seconds": seconds, "nodeName": instructions["hostname"]})
    state.stage = Stage.JOINED
    state.drop_instructions()


def reset() -> None:
    """Undo what kubeadm did, so that it can start anew."""
    done = commands.run(["kubeadm", "reset", "--force"], PHASE_SECONDS)
    if not done.ok:
        log.warning("kubeadm reset: %s", done.output[-commands.TAIL :])


def _lay_out(instructions: Instructions) -> None:
    for file in instructions["files"]:
        files.write(Path(file["path"]), file["content"], file["mode"])
    for manifest in instructions["manifests"]:
        files.write(Path(manifest["path"]), json.dumps(manifest["content"]), 0o644)
    files.write(CONFIGURATION, configuration(instructions["kubeadmConfig"], _image_facts()))
    forward.write_backends(instructions["backends"])
    start_forwarder()


def configuration(documents: list[dict[str, Any]], image: dict[str, Any]) -> str:
    """kubeadm's configuration file: what the platform wants, plus what this image cannot pass.

    image  facts that a prepared image tells of itself: "ignorePreflightErrors"
    """
    merged = (_tolerant(d, image) if "nodeRegistration" in d else d for d in documents)
    return "\n---\n".join(json.dumps(document, indent=1) for document in merged) + "\n"


def _tolerant(document: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    registration = document["nodeRegistration"]
    key = "ignorePreflightErrors"
    ignored = sorted({*registration.get(key, []), *image.get(key, [])})
    return {**document, "nodeRegistration": {**registration, key: ignored}}


def _image_facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files.read(IMAGE_FACTS) or "{}")
    return found


def start_forwarder() -> None:
    """Have systemd start it; does not wait, kubeadm needs it only seconds later."""
    done = commands.run(["systemctl", "start", "--no-block", FORWARD_UNIT], APPLY_SECONDS)
    if not done.ok:
        raise StepFailed("forwarder", "systemctl start", done.output)


def _wait_for_forwarder() -> None:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection((forward.ADDRESS, forward.PORT), 1.0).close()
        except OSError:
            time.sleep(_LOOK)
        else:
            return
    raise StepFailed("forwarder", f"the forwarder does not listen after {WAIT_SECONDS:.0f} s")


def _kubeadm(instructions: Instructions, state: State) -> None:
    mode = instructions["mode"]
    arguments = ["kubeadm", mode, "--config", str(CONFIGURATION)]
    if instructions["skipPhases"]:
        arguments.append(f"--skip-phases={','.join(instructions['skipPhases'])}")
    if mode == "join":
        _wait_for_forwarder()
    state.stage = Stage.CHANGING
    done = commands.run(arguments, KUBEADM_SECONDS)
    DISCOVERY.unlink(missing_ok=True)
    if not done.ok:
        reset()
        raise StepFailed(f"kubeadm-{mode}", f"kubeadm {mode}: exit code {done.code}", done.output)
    state.stage = Stage.CHANGED


def _after_init(instructions: Instructions, reports: Reports) -> None:
    with reports.step("network", "roles and flannel"):
        _apply(instructions)
    with reports.step("configuration"):
        _phase("upload-config", "kubeadm")
    with reports.step("kube-proxy"):
        _wait_for_kube_proxy()
    with reports.step("coredns"):
        _phase("addon", "coredns")


def _apply(instructions: Instructions) -> None:
    manifests = [f"--filename={manifest['path']}" for manifest in instructions["manifests"]]
    arguments = ["kubectl", "apply", "--validate=false", *manifests]
    until = time.monotonic() + APPLY_SECONDS
    while True:
        done = commands.run(arguments, APPLY_SECONDS, {"KUBECONFIG": ADMIN})
        if done.ok:
            return
        if time.monotonic() > until:
            raise StepFailed("network", "kubectl apply", done.output)
        time.sleep(5 * _LOOK)


def _wait_for_kube_proxy() -> None:
    """Its health endpoint answers 200 once the rules of the node are written."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", KUBE_PROXY_PORT, timeout=1.0)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            log.debug("kube-proxy does not answer yet")
        finally:
            connection.close()
        time.sleep(_LOOK)
    raise StepFailed("kube-proxy", f"not ready after {WAIT_SECONDS:.0f} s")


def _phase(*phase: str) -> None:
    done = commands.run(
        ["kubeadm", "init", "phase", *phase, "--config", str(CONFIGURATION)], PHASE_SECONDS
    )
    if not done.ok:
        raise StepFailed(phase[-1], f"kubeadm init phase {' '.join(phase)}", done.output)
