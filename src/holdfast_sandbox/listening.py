"""Choosing the loopback ports that the sandbox listens on."""

import socket
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


class PortInUse(Exception):
    """A port that was asked for by name is taken; the message names port and flag."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port as the command line gave it: `port` 0 means any, by preference `before`."""

    flag: str
    port: int
    before: int = 0


@dataclass(frozen=True, slots=True)
class Ports:
    """The port of each server; 0 leaves the choice to the system."""

    aws: int
    control: int
    proxy: int


def choose(wanted: Wanted) -> int:
    """The port to listen on; 0 leaves the choice to the system.

    A port of the last run is used again if it is free, so that what was configured with it still
    works. Raises PortInUse, ValueError for a number that is no port.
    """
    if not 0 <= wanted.port <= 65535:
        raise ValueError(f"{wanted.flag} {wanted.port} is not a port (1 to 65535, 0 for any)")
    if wanted.port:
        if not is_free(wanted.port):
            raise PortInUse(f"port {wanted.port} ({wanted.flag}) is in use on {LOOPBACK}")
        return wanted.port
    return wanted.before if wanted.before and is_free(wanted.before) else 0


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def answers(address: tuple[str, int], seconds: float = 1.0) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(address, seconds).close()
    except OSError:
        return False
    return True
