"""Kubernetes as a Go build: the go.mod that its published module needs, and the flags. Pure."""

import re

from holdfast_sandbox.machines.prepare.recipe import (
    NODE_PROGRAMS,
    SERVER_PROGRAMS,
    STRIP,
    GoProgram,
)

STAGED = re.compile(r"(k8s\.io/[a-z0-9-]+) => \./staging")
VERSION_PACKAGE = "k8s.io/component-base/version"


def plain(name: str) -> str:
    """The go.mod of a build that needs nothing special."""
    return f"module holdfast.invalid/{name}\n\ngo 1.26.0\n"


def kubernetes_header(version: str, published: str) -> str:
    """The go.mod to build Kubernetes `version` from its module.

    The module's own go.mod, `published`, points to directories of its source tree for about 33
    parts. These parts are published too, as v0.<minor>.<patch>: each gets a replacement.
    Raises ValueError if there is no such part, which means that the text is something else.
    """
    parts = sorted(set(STAGED.findall(published)))
    if not parts:
        raise ValueError(f"the go.mod of Kubernetes {version} names no staged module")
    staged = "0." + version.removeprefix("1.")
    lines = [
        "module holdfast.invalid/kubernetes",
        "",
        "go 1.26.0",
        "",
        "godebug default=go1.26",
        "",
        *(f"replace {part} => {part} v{staged}" for part in parts),
    ]
    return "\n".join(lines) + "\n"


def ldflags(version: str) -> str:
    """Linker flags that give the programmes their version."""
    minor = version.split(".")[1]
    values = {
        "gitVersion": f"v{version}",
        "gitMajor": "1",
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    sets = " ".join(f"-X {VERSION_PACKAGE}.{name}={value}" for name, value in values.items())
    return f"{STRIP} {sets}"


def kubernetes(version: str) -> GoProgram:
    """All programmes of Kubernetes. Its `header` follows from the downloaded module."""
    packages = {f"k8s.io/kubernetes/cmd/{n}": n for n in (*SERVER_PROGRAMS, *NODE_PROGRAMS)}
    return GoProgram(
        name=f"kubernetes-{version}",
        title=f"Kubernetes {version}",
        version=version,
        binaries=packages,
        tools=tuple(f"{package}@v{version}" for package in packages),
        ldflags=ldflags(version),
        size_mib=650,
    )
