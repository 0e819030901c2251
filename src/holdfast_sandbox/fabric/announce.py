"""Tells a network which MAC an address has now, for neighbours that remember another."""

import socket
import struct

from holdfast_sandbox.fabric.names import BRIDGE
from holdfast_sandbox.ports import Nic

ARP = 0x0806
BROADCAST = b"\xff" * 6


def announcement(nic: Nic, sender: bytes) -> bytes:
    """A gratuitous ARP request (RFC 5227, section 2.3) in a frame from MAC `sender`."""
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    arp = head + mac + nic.address.packed + bytes(6) + nic.address.packed
    return BROADCAST + sender + struct.pack("!H", ARP) + arp


def announce(nic: Nic) -> None:
    """Send it from the bridge of the calling thread's namespace to all machines.

    The machine itself can't: its port of the bridge forwards some milliseconds after the link is
    up, and what it says of itself by then is lost.
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as bridge:
        bridge.bind((BRIDGE, 0))
        own: bytes = bridge.getsockname()[4]
        bridge.send(announcement(nic, own))
