"""What goes into the machine image: versions, packages, flags. Pure values."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast_sandbox.machines.prepare.errors import PrepareError

# Kubernetes version -> version of etcd that its kubeadm asks for, or the nearest that is served.
RELEASES = {"1.37.2": "3.7.3", "1.36.3": "3.6.8"}
DEFAULT_VERSION = "1.37.2"
CONTAINERD = "2.4.2"
COREDNS = "1.15.0"
FLANNEL = "0.26.7"
GO_MINOR = (1, 26)
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"

PACKAGES = (
    *("systemd-sysv", "dbus", "cloud-init", "locales", "mount", "procps", "kmod"),
    *("iproute2", "iptables", "nftables", "ipset", "conntrack", "ethtool", "socat"),
    *("iputils-ping", "curl", "ca-certificates", "openssl", "python3", "busybox-static"),
    *("runc", "containernetworking-plugins", "wireguard-tools", "wireguard-go"),
)
UNWANTED_PATHS = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")

STRIP = "-s -w"
NODE_PROGRAMS = ("kubeadm", "kubelet", "kubectl")
SERVER_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")


@dataclass(frozen=True, slots=True)
class GoProgram:
    """Programmes that one Go build makes.

    `header` is the beginning of its go.mod, `tools` are `package@version` to resolve, `binaries`
    maps a package to the name of its programme. `copied` is a module that is built from a changed
    copy of its source, `dropped` the text whose lines are left out of its main.go.
    """

    name: str
    title: str
    version: str
    binaries: Mapping[str, str]
    tools: tuple[str, ...] = ()
    header: str = ""
    tags: str = ""
    ldflags: str = STRIP
    sources: Mapping[str, str] = field(default_factory=dict)
    copied: str = ""
    dropped: str = ""
    size_mib: int = 100


def etcd_version(kubernetes: str) -> str:
    """The etcd for a Kubernetes version. Raises PrepareError for a version not known here."""
    if kubernetes not in RELEASES:
        known = ", ".join(RELEASES)
        raise PrepareError(f"Kubernetes {kubernetes} is unknown here, there are: {known}")
    return RELEASES[kubernetes]


def architecture() -> str:
    """This machine's architecture in Go's words."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def etcd(version: str) -> GoProgram:
    """Server and tools of etcd."""
    names = {"server": "etcd", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
    packages = {f"go.etcd.io/etcd/{package}/v3": name for package, name in names.items()}
    return GoProgram(
        name=f"etcd-{version}",
        title=f"etcd {version}",
        version=version,
        binaries=packages,
        tools=tuple(f"{package}@v{version}" for package in packages),
    )


def containerd() -> GoProgram:
    """The container runtime, its shim and its command line."""
    root = "github.com/containerd/containerd/v2"
    names = ("containerd", "ctr", "containerd-shim-runc-v2")
    return GoProgram(
        name="containerd",
        title=f"containerd {CONTAINERD}",
        version=CONTAINERD,
        binaries={f"{root}/cmd/{name}": name for name in names},
        tools=tuple(f"{root}/cmd/{name}@v{CONTAINERD}" for name in names),
        tags="no_btrfs no_devmapper no_zfs no_aufs",
        ldflags=f"{STRIP} -X {root}/version.Version={CONTAINERD}",
    )


def coredns(main: str) -> GoProgram:
    """CoreDNS from our own `main`, with few plug-ins."""
    return GoProgram(
        name="coredns",
        title=f"CoreDNS {COREDNS}",
        version=COREDNS,
        binaries={".": "coredns"},
        tools=(f"github.com/coredns/coredns@v{COREDNS}",),
        sources={"main.go": main},
    )


def pause(main: str) -> GoProgram:
    """The process that holds a pod's namespaces."""
    return GoProgram(
        name="pause",
        title="pause",
        version="3.10.2",
        binaries={".": "pause"},
        sources={"main.go": main},
        size_mib=5,
    )


def flannel() -> GoProgram:
    """The pod network daemon, without its UDP back end: that alone would need a C compiler."""
    module = "github.com/flannel-io/flannel"
    return GoProgram(
        name="flannel",
        title=f"flannel {FLANNEL}",
        version=FLANNEL,
        binaries={".": "flanneld"},
        copied=f"{module}@v{FLANNEL}",
        dropped='backend/udp"',
        ldflags=f"{STRIP} -X {module}/pkg/version.Version=v{FLANNEL}",
    )
