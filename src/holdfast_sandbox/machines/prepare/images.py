"""Which container images a cluster needs and what is in each.

Programmes from Debian bring their libraries along: the closure of `ldd`, run in the base system,
over the programmes *and* the plug-ins that they load (libxt_statistic needs libm; without it
services with two endpoints fail).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast_sandbox.machines.prepare import commands
from holdfast_sandbox.machines.prepare.errors import PrepareError
from holdfast_sandbox.machines.prepare.oci import Image
from holdfast_sandbox.machines.prepare.recipe import FLANNEL, SERVER_PROGRAMS

CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
NET_PROGRAMS = (
    "usr/sbin/xtables-nft-multi",
    "usr/sbin/nft",
    "usr/sbin/conntrack",
    "usr/sbin/ipset",
)
PLUGINS = "xtables"
TABLES = [
    f"{family}{action}"
    for family in ("iptables", "ip6tables", "iptables-nft", "ip6tables-nft")
    for action in ("", "-save", "-restore")
]
WEB_NAME = "holdfast.dev/web:1"
WEB_PAGE = "<!doctype html><title>Holdfast</title><h1>It works</h1>\n"
FLANNEL_NAME = f"docker.io/flannel/flannel:v{FLANNEL}"
COREDNS_PREFIX = "registry.k8s.io/coredns/coredns:"
ETCD_PREFIX = "registry.k8s.io/etcd:"
PAUSE_PREFIX = "registry.k8s.io/pause:"


@dataclass(frozen=True, slots=True)
class Sources:
    """Directories of the finished parts. `kubernetes` and `etcd` are by Kubernetes version."""

    base: Path
    kubernetes: Mapping[str, Path]
    etcd: Mapping[str, Path]
    coredns: Path
    flannel: Path
    pause: Path


def wanted_names(kubeadm: Path, version: str) -> list[str]:
    """The image names that kubeadm asks for, as it says itself."""
    argv = [str(kubeadm), "config", "images", "list", "--kubernetes-version", f"v{version}"]
    lines = commands.run(argv).splitlines()
    return [line for line in lines if line.startswith("registry.k8s.io/")]


def all_images(sources: Sources) -> list[Image]:
    """Every image of every version, and the demo's web server."""
    names = {
        version: wanted_names(directory / "kubeadm", version)
        for version, directory in sources.kubernetes.items()
    }
    every = sorted({name for some in names.values() for name in some})
    tools = network_tools(sources.base)
    servers = _servers(sources, names, tools)
    return [*_shared(sources, every), *servers, _flannel(sources, tools), _web(sources)]


def network_tools(base: Path) -> tuple[Mapping[str, Path], Mapping[str, str]]:
    """Files and links by which a container writes packet filter rules."""
    plugins = [
        str(path.relative_to(base)) for path in sorted(base.glob(f"usr/lib/*/{PLUGINS}/*.so"))
    ]
    if not plugins:
        raise PrepareError(f"the base system {base} has no xtables plug-ins")
    wanted = [*NET_PROGRAMS, *plugins]
    names = {*wanted, *libraries(base, wanted)}
    links = {f"usr/sbin/{table}": "xtables-nft-multi" for table in TABLES}
    return {name: inside(base, name) for name in sorted(names)}, links


def libraries(base: Path, names: Sequence[str]) -> set[str]:
    """All shared libraries that the programmes need, and the loader; paths below `base`."""
    output = commands.run(["chroot", str(base), "ldd", *(f"/{name}" for name in names)])
    return parse_ldd(output.splitlines())


def parse_ldd(lines: Iterable[str]) -> set[str]:
    """Paths in the output of ldd, without their leading slash."""
    found = set()
    for line in lines:
        words = line.split("=>")[-1].split()
        if words and words[0].startswith("/") and not words[0].endswith(":"):
            found.add(words[0].lstrip("/"))
    return found


def inside(base: Path, name: str) -> Path:
    """The file `name` of a root file system, links followed within it.

    Raises PrepareError for a link that leads round in a circle or to nothing.
    """
    path = base
    rest = list(Path(name).parts)
    for _ in range(200):
        if not rest:
            return path
        element = rest.pop(0)
        path = path.parent if element == ".." else path / element
        if path.is_symlink():
            target = path.readlink()
            path = base if target.is_absolute() else path.parent
            rest = [part for part in target.parts if part != "/"] + rest
    raise PrepareError(f"{name} can not be followed in {base}")


def _servers(
    sources: Sources,
    names: Mapping[str, Sequence[str]],
    tools: tuple[Mapping[str, Path], Mapping[str, str]],
) -> list[Image]:
    made = []
    for version, directory in sources.kubernetes.items():
        for program in SERVER_PROGRAMS:
            files, links = tools if program == "kube-proxy" else ({}, {})
            made.append(
                Image(
                    names=[_only(names[version], f"registry.k8s.io/{program}:")],
                    files={
                        **files,
                        f"usr/local/bin/{program}": directory / program,
                        CERTIFICATES: inside(sources.base, CERTIFICATES),
                    },
                    links=links,
                    entrypoint=[f"/usr/local/bin/{program}"],
                )
            )
    return made


def _shared(sources: Sources, every: Sequence[str]) -> list[Image]:
    """etcd of each version; CoreDNS and pause, one programme under each name asked for."""
    made = []
    for name in (name for name in every if name.startswith(ETCD_PREFIX)):
        directory = _etcd_for(name, sources)
        files = {f"usr/local/bin/{tool}": directory / tool for tool in ("etcd", "etcdctl")}
        made.append(Image([name], files, entrypoint=["/usr/local/bin/etcd"]))
    coredns = {
        "coredns": sources.coredns / "coredns",
        CERTIFICATES: inside(sources.base, CERTIFICATES),
    }
    names = [name for name in every if name.startswith(COREDNS_PREFIX)]
    made.append(Image(names, coredns, entrypoint=["/coredns"]))
    names = [name for name in every if name.startswith(PAUSE_PREFIX)]
    made.append(Image(names, {"pause": sources.pause / "pause"}, entrypoint=["/pause"]))
    return made


def _etcd_for(name: str, sources: Sources) -> Path:
    """The etcd whose minor version the image name asks for."""
    minor = name.removeprefix(ETCD_PREFIX).rsplit(".", 1)[0]
    for directory in sources.etcd.values():
        if directory.name.startswith(f"etcd-{minor}."):
            return directory
    raise PrepareError(f"no etcd was built for the image {name}")


def _flannel(sources: Sources, tools: tuple[Mapping[str, Path], Mapping[str, str]]) -> Image:
    files, links = tools
    return Image(
        names=[FLANNEL_NAME],
        files={
            **files,
            "opt/bin/flanneld": sources.flannel / "flanneld",
            "bin/busybox": inside(sources.base, "bin/busybox"),
            CERTIFICATES: inside(sources.base, CERTIFICATES),
        },
        links={**links, "bin/sh": "busybox", "usr/sbin/ip": "/bin/busybox"},
        entrypoint=["/opt/bin/flanneld"],
    )


def _web(sources: Sources) -> Image:
    return Image(
        names=[WEB_NAME],
        files={"bin/busybox": inside(sources.base, "bin/busybox"), "www/index.html": WEB_PAGE},
        links={"bin/sh": "busybox", "bin/wget": "busybox"},
        entrypoint=["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"],
    )


def _only(names: Sequence[str], prefix: str) -> str:
    found = [name for name in names if name.startswith(prefix)]
    if len(found) != 1:
        raise PrepareError(f"kubeadm names {found or 'no image'} for {prefix}")
    return found[0]
