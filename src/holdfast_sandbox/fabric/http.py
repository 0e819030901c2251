"""Just enough of HTTP/1.1 for the metadata service and the proxy: heads, bodies, answers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

MOST_HEADERS = 64
BIGGEST_BODY = 64 * 1024


class BadRequest(Exception):
    """The request can't be read; the message says why and `status` is the answer's."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers; header names are lower-case, the last of a name counts."""

    method: str
    target: str
    headers: Mapping[str, str]
    version: str

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants to send another request on this connection."""
        wish = self.headers.get("connection", "").lower()
        return wish == "keep-alive" if self.version == "HTTP/1.0" else wish != "close"


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head, or None when the client has closed. Raises BadRequest."""
    first = await _line(reader)
    if not first:
        return None
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "not an HTTP/1.1 request line")
    headers: dict[str, str] = {}
    count = 0
    while line := (await _line(reader)):
        count += 1
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or count > MOST_HEADERS:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "malformed or too many headers")
        headers[name.lower()] = value.strip()
    return Head(words[0], words[1], headers, words[2])


async def read_body(head: Head, reader: asyncio.StreamReader) -> bytes:
    """The body that Content-Length announces. Raises BadRequest."""
    if "transfer-encoding" in head.headers:
        raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "a body needs Content-Length here")
    length = head.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "Content-Length is not a number")
    if int(length) > BIGGEST_BODY:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too big")
    return await reader.readexactly(int(length))


def response(
    status: int, body: bytes, headers: Mapping[str, str], *, close: bool, bodyless: bool = False
) -> bytes:
    """A whole response; Content-Length and Connection are set here, `bodyless` answers a HEAD."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    sent = {name: value for name, value in headers.items() if name.lower() not in _OURS}
    sent |= {"Content-Length": str(len(body)), "Connection": "close" if close else "keep-alive"}
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in sent.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if bodyless else body)


_OURS = {"content-length", "connection", "transfer-encoding"}


async def _line(reader: asyncio.StreamReader) -> str:
    """A line without its end; empty at the end of a head and at the end of the stream."""
    try:
        line = await reader.readline()
    except ValueError as error:  # longer than the reader's limit
        raise BadRequest(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "a line is too long"
        ) from error
    if line and not line.endswith(b"\n"):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the request ends inside a line")
    return line.decode("latin-1").rstrip("\r\n")
