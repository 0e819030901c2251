"""The resolver at 169.254.169.254:53: knows a few names, and denies all others at once.

Without it a machine waits for time-outs: cloud-init alone lost 15 s on three probes.
Format: RFC 1035, section 4.
"""

import asyncio
import struct
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

HEADER = struct.Struct("!6H")
QUESTION_TAIL = struct.Struct("!2H")
TYPE_A, TYPE_ANY, CLASS_IN = 1, 255, 1
TTL = 5  # seconds; names follow what the sandbox's owner changes
NOERROR, FORMERR, NXDOMAIN, NOTIMP = 0, 1, 3, 4
QR, OPCODE, AA, RD, RA = 0x8000, 0x7800, 0x0400, 0x0100, 0x0080
PATIENCE = 10.0

Names = Mapping[str, IPv4Address]


def answer(query: bytes, names: Names) -> bytes | None:
    """The response to one message; None to what is no question at all. Never SERVFAIL."""
    if len(query) < HEADER.size:
        return None
    ident, flags, questions, *_ = HEADER.unpack_from(query)
    if flags & QR:
        return None
    asked = _question(query) if questions == 1 else None
    if flags & OPCODE or asked is None:
        return _message(ident, flags, NOTIMP if flags & OPCODE else FORMERR)
    name, kind, end = asked
    question = query[HEADER.size : end]
    address = names.get(name)
    if address is None:
        return _message(ident, flags, NXDOMAIN, question)
    record = b""
    if kind in {TYPE_A, TYPE_ANY}:
        # The record's name is a pointer to the question's, at offset 12.
        record = struct.pack("!3HIH", 0xC00C, TYPE_A, CLASS_IN, TTL, 4) + address.packed
    return _message(ident, flags, NOERROR, question, record)


def _question(query: bytes) -> tuple[str, int, int] | None:
    """Name in lower case, record type and where the question ends."""
    labels: list[str] = []
    place = HEADER.size
    while place < len(query) and (length := query[place]):
        if length > 63 or place + 1 + length > len(query):
            return None
        labels.append(query[place + 1 : place + 1 + length].decode("latin-1").lower())
        place += 1 + length
    end = place + 1 + QUESTION_TAIL.size
    if end > len(query):
        return None
    kind, _ = QUESTION_TAIL.unpack_from(query, place + 1)
    return ".".join(labels), kind, end


def _message(
    ident: int, flags: int, code: int, question: bytes = b"", record: bytes = b""
) -> bytes:
    sent = QR | AA | RA | (flags & RD) | code
    return HEADER.pack(ident, sent, bool(question), bool(record), 0, 0) + question + record


class DnsOverUdp(asyncio.DatagramProtocol):
    """Answers datagrams on the socket that it is given."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer at once."""
        reply = answer(data, self._names)
        if reply is not None:
            self._transport.sendto(reply, addr)


class DnsOverTcp:
    """Answers messages with a length before each."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; one that stays silent ends after PATIENCE."""
        while True:
            async with asyncio.timeout(PATIENCE):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                reply = answer(await reader.readexactly(length), self._names)
            if reply is None:
                return
            writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
