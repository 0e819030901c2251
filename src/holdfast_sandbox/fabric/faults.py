"""Faults of one machine's link, as commands that bring the link into the wanted state. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast_sandbox.fabric.names import port_link


@dataclass(frozen=True, slots=True)
class LinkFault:
    """What is wrong with a link; the default is a healthy one.

    down       no frame passes
    isolated   reaches neither other isolated machine of its network, but all else
    loss       percent of the packets towards the machine that vanish, 0 to 100
    kbit       bandwidth towards the machine in kbit/s, None for no limit
    """

    down: bool = False
    isolated: bool = False
    loss: int = 0
    kbit: int | None = None


HEALTHY = LinkFault()


def link_lines(machine: str, fault: LinkFault) -> list[str]:
    """Lines of `ip` for what the link itself can do."""
    link = port_link(machine)
    return [
        f"link set {link} type bridge_slave isolated {'on' if fault.isolated else 'off'}",
        f"link set {link} {'down' if fault.down else 'up'}",
    ]


def shaping(machine: str, before: LinkFault, after: LinkFault) -> list[list[str]]:
    """Commands of `tc` for the bandwidth: none when nothing changes."""
    on_link = ["dev", port_link(machine), "root"]
    if before.kbit == after.kbit:
        return []
    if after.kbit is None:
        return [["tc", "qdisc", "del", *on_link]]
    # The bucket holds two full segments at least; 50 ms of queue, as measured with 10 Mbit/s.
    limit = ["tbf", "rate", f"{after.kbit}kbit", "burst", "32kbit", "latency", "50ms"]
    return [["tc", "qdisc", "replace", *on_link, *limit]]


def loss_rules(faults: Mapping[str, LinkFault]) -> str:
    """The nft script of all lossy links. ARP is spared: it would turn 30 % into nearly all."""
    lines = [
        f'    oifname "{port_link(machine)}" ether type ip {_chance(fault.loss)}drop\n'
        for machine, fault in sorted(faults.items())
        if fault.loss
    ]
    return f"""\
table bridge faults {{
  chain loss {{ type filter hook postrouting priority filter; policy accept; }}
}}
flush table bridge faults
table bridge faults {{
  chain loss {{
{"".join(lines)}\
  }}
}}
"""


def _chance(percent: int) -> str:
    # `mod 100 < 100` is refused as always true.
    return "" if percent == 100 else f"numgen random mod 100 < {percent} "
