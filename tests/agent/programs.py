"""Stand-ins for the programmes that the agent starts, and a machine's directory for it."""

import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from holdfast.identity import platform_ca

MACHINE = "6f9619ff-8b86-4011-b42d-00c04fc964ff"

Answer = tuple[int, Mapping[str, str], bytes]


class Programs:
    """Shell scripts first in PATH; each call is a line of its log."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory / "bin"
        self.directory.mkdir()
        self._log = directory / "calls"
        monkeypatch.setenv("PATH", f"{self.directory}:{os.environ['PATH']}")

    def add(self, name: str, script: str = "") -> None:
        path = self.directory / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._log}\n{script}\n')
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


def a_directory(path: Path, platform: str = "https://127.0.0.1:1") -> Path:
    """What user data leaves behind."""
    directory = path / "agent"
    directory.mkdir(exist_ok=True)
    settings = {"platform": platform, "machine": MACHINE, "nonce": "n" * 43}
    (directory / "settings.json").write_text(json.dumps(settings))
    return directory


class Web:
    """A server on loopback that answers as it is told and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, str, Mapping[str, str], bytes], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                super().handle_one_request()

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                web.asked.append((self.command, self.path, headers, body))
                status, extra, content = web.answer(self.command, self.path, headers, body)
                if status == 0:  # the answer is lost
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PUT = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @contextmanager
    def serving(self, directory: Path | None = None) -> Iterator[str]:
        """Its URL; with a directory over TLS, the CA left there as `ca.pem`."""
        if directory is not None:
            now = datetime.now(UTC)
            ca = platform_ca.new(now)
            pair = platform_ca.server_certificate(ca, ["127.0.0.1"], now)
            (directory / "ca.pem").write_text(ca.certificate)
            (directory / "server.pem").write_text(pair.certificate + pair.key)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(directory / "server.pem")
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http{'s' if directory is not None else ''}://127.0.0.1:{self.port}"
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()
