"""One thread that reads every machine's console and sees every machine's end."""

import contextlib
import errno
import os
import selectors
import threading
from collections.abc import Callable

CONSOLE_BYTES = 64 * 1024
READ_BYTES = 16 * 1024


class Console:
    """A pseudo-terminal whose last output is kept in memory.

    The machine's end is held open here too: without it the reader would see an error without end
    while the machine has its console closed. A getty hangs up its terminal, which takes the held
    end away: it is opened again then.
    """

    def __init__(self) -> None:
        self._reader, self._machine = os.openpty()
        self.device = os.ttyname(self._machine)
        os.set_blocking(self._reader, False)
        self._kept = bytearray()
        self._lock = threading.Lock()

    @property
    def machine_fd(self) -> int:
        """The machine's end, as output of its first process. `device` is its path."""
        return self._machine

    def open_again(self) -> None:
        """Take a fresh hold of the machine's end."""
        fresh = os.open(self.device, os.O_RDWR | os.O_NOCTTY)
        os.dup2(fresh, self._machine)
        os.close(fresh)

    def fileno(self) -> int:
        """The end that the watch reads."""
        return self._reader

    def read(self) -> None:
        """Take what there is now. Raises BlockingIOError when there is nothing."""
        try:
            data = os.read(self._reader, READ_BYTES)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.open_again()
            return
        with self._lock:
            self._kept += data
            del self._kept[:-CONSOLE_BYTES]

    def write(self, line: str) -> None:
        """Add a line of the runner's own."""
        with self._lock:
            self._kept += line.encode() + b"\n"

    def text(self) -> str:
        """The last 64 KiB, with plain line ends."""
        with self._lock:
            return self._kept.decode(errors="replace").replace("\r\n", "\n")

    def close(self) -> None:
        """Close both ends; the text stays."""
        os.close(self._reader)
        os.close(self._machine)


class Watch:
    """Calls back when a process ends, and keeps consoles read. Callbacks run in its thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._waker, self._wake = os.pipe()
        self._selector.register(self._waker, selectors.EVENT_READ, None)
        self._open = True
        self._thread = threading.Thread(target=self._run, name="machines-watch", daemon=True)
        self._thread.start()

    def console(self, console: Console) -> None:
        """Read a console from now on."""
        with self._lock:
            self._selector.register(console, selectors.EVENT_READ, console.read)
        self._poke()

    def forget(self, console: Console) -> None:
        """Read what is left of a console and close it."""
        with self._lock:
            with contextlib.suppress(KeyError):
                self._selector.unregister(console)
            with contextlib.suppress(BlockingIOError):
                while True:
                    console.read()
            console.close()

    def process(self, pid: int, ended: Callable[[], None]) -> None:
        """Call `ended` once when the child `pid` has ended. It must still be unreaped."""
        handle = os.pidfd_open(pid)

        def once() -> None:
            self._selector.unregister(handle)
            os.close(handle)
            ended()

        with self._lock:
            self._selector.register(handle, selectors.EVENT_READ, once)
        self._poke()

    def close(self) -> None:
        """Stop the thread."""
        self._open = False
        self._poke()
        self._thread.join()
        self._selector.close()
        os.close(self._waker)
        os.close(self._wake)

    def _poke(self) -> None:
        os.write(self._wake, b"w")

    def _run(self) -> None:
        while self._open:
            for key, _ in self._selector.select():
                with self._lock:
                    if key.data is None:
                        os.read(self._waker, 4096)
                    elif self._selector.get_map().get(key.fd) is key:
                        with contextlib.suppress(BlockingIOError):
                            key.data()
