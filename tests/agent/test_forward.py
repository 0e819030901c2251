"""The forwarder: a living API server for every connection, none that left the list."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.agent import forward
from holdfast.agent.forward import Forwarder

Story = Callable[["Net"], Awaitable[None]]


class Net:
    """Backends that say their name, and a forwarder before them."""

    def __init__(self, path: Path) -> None:
        self.path = path / "api-backends"
        self.port = 0
        self.servers: dict[str, asyncio.Server] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def backend(self, name: str) -> str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(name.encode())
            while data := await reader.read(1000):
                writer.write(data.upper())
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.servers[address] = server
        return address

    async def start(self, *backends: str) -> None:
        forward.write_backends(list(backends), self.path)
        forwarder = Forwarder(self.path, seed=random.Random(1))
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        self._tasks.append(asyncio.create_task(forwarder.serve("127.0.0.1", self.port)))

    async def ask(self) -> str:
        reader, writer = await self.dial()
        name = (await asyncio.wait_for(reader.read(100), 5)).decode()
        writer.close()
        return name

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(500):
            try:
                streams = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                self._writers.append(streams[1])
                return streams
        raise AssertionError("the forwarder does not listen")

    async def stop(self) -> None:
        for writer in self._writers:
            writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self.servers.values():
            server.close()


async def ends(reader: asyncio.StreamReader) -> bool:
    """Whether the connection is closed within seconds, with a reset or without."""
    with contextlib.suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(1), 5) == b""
    return True


def play(story: Story, path: Path) -> None:
    async def whole() -> None:
        net = Net(path)
        try:
            await story(net)
        finally:
            await net.stop()

    asyncio.run(whole())


def test_connections_are_spread_over_all(tmp_path: Path) -> None:
    async def story(net: Net) -> None:
        await net.start(*[await net.backend(name) for name in "abc"])
        assert {await net.ask() for _ in range(30)} == {"a", "b", "c"}

    play(story, tmp_path)


def test_bytes_go_both_ways_and_the_end_is_passed_on(tmp_path: Path) -> None:
    async def story(net: Net) -> None:
        await net.start(await net.backend("a"))
        reader, writer = await net.dial()
        writer.write(b"x" * 300_000)
        writer.write_eof()
        everything = await asyncio.wait_for(reader.read(-1), 10)
        assert everything == b"a" + b"X" * 300_000

    play(story, tmp_path)


def test_a_dead_one_is_passed_over(tmp_path: Path) -> None:
    async def story(net: Net) -> None:
        dead, living = await net.backend("dead"), await net.backend("b")
        net.servers.pop(dead).close()
        await net.start(dead, living)
        assert {await net.ask() for _ in range(20)} == {"b"}

    play(story, tmp_path)


def test_one_that_does_not_answer_costs_a_second_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = asyncio.open_connection

    async def silent(host: str, port: int, **more: Any) -> Any:
        if port == 9:
            await asyncio.sleep(3600)
        return await real(host, port, **more)

    monkeypatch.setattr("holdfast.agent.forward.asyncio.open_connection", silent)
    monkeypatch.setattr("holdfast.agent.forward.CONNECT_SECONDS", 0.2)

    async def story(net: Net) -> None:
        await net.start("127.0.0.1:9", await net.backend("b"))
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert {await net.ask() for _ in range(20)} == {"b"}
        assert loop.time() - started < 2

    play(story, tmp_path)


def test_an_open_connection_to_one_that_left_the_list_is_closed(tmp_path: Path) -> None:
    async def story(net: Net) -> None:
        a, b = await net.backend("a"), await net.backend("b")
        await net.start(a, b)
        open_to: dict[str, asyncio.StreamReader] = {}
        while len(open_to) < 2:
            reader, _ = await net.dial()
            open_to[(await reader.read(1)).decode()] = reader
        forward.write_backends([b], net.path)
        assert await ends(open_to["a"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(open_to["b"].read(1), 0.3)
        assert {await net.ask() for _ in range(10)} == {"b"}

    play(story, tmp_path)


def test_no_backend_at_all_closes_the_connection(tmp_path: Path) -> None:
    async def story(net: Net) -> None:
        await net.start()
        reader, _ = await net.dial()
        assert await ends(reader)

    play(story, tmp_path)


def test_the_list_is_written_when_it_changed_and_never_emptied(tmp_path: Path) -> None:
    path = tmp_path / "list"
    assert forward.write_backends(["b:1", "a:1", "a:1"], path)
    assert path.read_text() == "a:1\nb:1\n"
    assert not forward.write_backends(["a:1", "b:1"], path)
    assert not forward.write_backends([], path)
    assert forward.read_backends(path) == {"a:1", "b:1"}
    assert path.stat().st_mode & 0o777 == 0o644


def test_lines_that_are_no_backends_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("\n# comment\n10.0.0.4:6443\n10.0.0.5\n")
    assert forward.read_backends(path) == {"10.0.0.4:6443"}
    assert forward.read_backends(tmp_path / "none") == frozenset()
