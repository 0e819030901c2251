"""Sockets as the fabric wants them: IPv4, non-blocking, not inherited by children."""

import socket

_FLAGS = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


def bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """A socket of the calling thread's namespace, bound but not listening yet. Raises OSError."""
    made = socket.socket(socket.AF_INET, kind | _FLAGS)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


def outgoing() -> socket.socket:
    """A TCP socket of the calling thread's namespace, to connect from."""
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM | _FLAGS)
