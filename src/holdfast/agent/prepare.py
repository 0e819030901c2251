"""Gets a machine ready for kubeadm: nothing to do but a link on a prepared image, else packages.

    prepared image    /opt/kube/VERSION/{kubeadm,kubelet,kubectl}; /opt/kube/current leads there
    Debian, Ubuntu    containerd, CNI plug-ins and the Kubernetes packages of that very version

The second way has not been run against the real package repositories; its commands are tested.
"""

import logging
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from holdfast.agent import commands, files

KUBE = Path("/opt/kube")
CNI_TEMPLATE = "/etc/containerd/cni.conflist.tmpl"
KEYRING = "/etc/apt/keyrings/kubernetes.asc"
MTU = 1450  # of pods: Ethernet's 1500 less VXLAN's 50

APT_SECONDS, COMMAND_SECONDS = 600.0, 60.0
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-y", "--no-install-recommends")
_APT_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """Files to write, then commands to run, in order."""

    files: dict[str, str]
    commands: tuple[tuple[str, ...], ...]


def prepare(version: str, packages: str) -> str:
    """Make kubeadm, kubelet and kubectl of that version the machine's; returns how.

    version   "1.37.2"
    packages  URL of the apt repository of its minor version, ends in a slash

    Raises CommandFailed, OSError.
    """
    if (KUBE / version / "kubeadm").exists():
        link(KUBE, version)
        return "prepared image"
    if not shutil.which("apt-get"):
        raise OSError("neither a prepared image nor a system with apt-get")
    with urllib.request.urlopen(f"{packages}Release.key", timeout=30) as answer:
        files.write(Path(KEYRING), answer.read(), 0o644)
    preparation = from_packages(version, packages)
    for path, content in preparation.files.items():
        files.write(Path(path), content, 0o644)
    for command in preparation.commands:
        seconds = APT_SECONDS if command[0] == "apt-get" else COMMAND_SECONDS
        commands.need(command, seconds, _APT_ENVIRONMENT)
    return "packages"


def link(kube: Path, version: str) -> None:
    """Have `current` lead to a version, in one step."""
    current, fresh = kube / "current", kube / ".current.new"
    if current.is_symlink() and current.readlink() == Path(version):
        return
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(version)
    fresh.replace(current)


def from_packages(version: str, packages: str) -> Preparation:
    """What a plain Debian or Ubuntu needs. Kernel modules may be built in: their load may fail."""
    kubernetes = [f"{name}={version}-*" for name in ("kubeadm", "kubelet", "kubectl")]
    return Preparation(
        files={
            "/etc/apt/sources.list.d/kubernetes.list": f"deb [signed-by={KEYRING}] {packages} /\n",
            "/etc/modules-load.d/holdfast.conf": "overlay\nbr_netfilter\n",
            "/etc/sysctl.d/90-holdfast.conf": (
                "net.ipv4.ip_forward = 1\n"
                "net.bridge.bridge-nf-call-iptables = 1\n"
                "fs.inotify.max_user_instances = 4096\n"
            ),
            "/etc/containerd/config.toml": containerd_configuration(),
            CNI_TEMPLATE: cni_template(),
        },
        commands=(
            (*_APT, "update"),
            (*_APT, "install", *_NEEDED),
            # --allow-change-held-packages: an image may hold another version of them.
            (*_APT, "install", "--allow-change-held-packages", *kubernetes),
            ("apt-mark", "hold", "kubeadm", "kubelet", "kubectl"),
            ("sh", "-c", "modprobe -a overlay br_netfilter || true"),
            ("sysctl", "--quiet", "--load=/etc/sysctl.d/90-holdfast.conf"),
            ("swapoff", "-a"),
            ("systemctl", "enable", "containerd.service", "kubelet.service"),
            ("systemctl", "restart", "containerd.service"),
        ),
    )


def containerd_configuration() -> str:
    """Version 2 of its configuration: read by containerd 1.6, 1.7 and 2."""
    return f"""version = 2
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
  conf_template = "{CNI_TEMPLATE}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true
"""


def cni_template() -> str:
    """Rendered by containerd once the kubelet knows the node's PodCIDR."""
    return f"""{{"cniVersion":"0.4.0","name":"holdfast","plugins":[
{{"type":"bridge","bridge":"cni0","mtu":{MTU},"isGateway":true,"ipMasq":false,"hairpinMode":true,
 "ipam":{{"type":"host-local","ranges":[[{{"subnet":"{{{{.PodCIDR}}}}"}}]],\
"routes":[{{"dst":"0.0.0.0/0"}}]}}}},
{{"type":"portmap","capabilities":{{"portMappings":true}}}}]}}
"""


_NEEDED = (
    "containerd",
    "containernetworking-plugins",
    "conntrack",
    "ethtool",
    "iptables",
    "ipset",
    "socat",
)
