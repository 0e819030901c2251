"""Whether this host can carry the fabric: yes, or one sentence that says what is in the way."""

import os
import shutil
import sys

from holdfast_sandbox.fabric.commands import ip, nft
from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.namespace import Keeper, Namespace, write_sysctl

PROGRAMS = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}

# Everything but the rules themselves: each kind of table, hook and expression that they use.
_TRIAL_RULES = """\
table bridge probe {
  map marks { type ifname : mark; }
  chain guard { type filter hook prerouting priority dstnat;
    iifname . ether saddr . ip saddr { "v" . 02:00:00:00:00:01 . 10.0.0.1 } \
meta mark set iifname map @marks accept
  }
}
table ip probe {
  map nat { type ipv4_addr : ipv4_addr; }
  chain prerouting { type nat hook prerouting priority dstnat; dnat to ip daddr map @nat
  }
  chain forward { type filter hook forward priority filter; ct state established,related accept
  }
}
"""


def missing() -> str | None:
    """None when the fabric can run here. Leaves nothing behind."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root"
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            return f"needs the program {program} (package {package})"
    keeper = Keeper()
    try:
        return _trial(keeper)
    finally:
        keeper.close()


def _trial(keeper: Keeper) -> str | None:
    try:
        space = Namespace("probe", keeper)
    except FabricError as error:
        return str(error)
    try:
        space.run(_build)
    except (FabricError, OSError) as error:
        return f"the kernel lacks a part of the fabric: {error}"
    finally:
        space.close()
    return None


def _build() -> None:
    ip("link add br0 type bridge", "link add v0 type veth peer name v1", "link set v0 master br0")
    if not write_sysctl("bridge/bridge-nf-call-iptables", "1"):
        raise FabricError("br_netfilter is not loaded (modprobe br_netfilter)")
    nft(_TRIAL_RULES)
