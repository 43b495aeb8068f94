"""A TCP proxy whose network can be spoilt while connections are open."""

import asyncio
import contextlib
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

_CHUNK_BYTES: Final = 16_384


class Mode(StrEnum):
    """How the network is."""

    PASS = "pass"  # noqa: S105 - not a password
    STALL = "stall"
    """Connections open and stay open, and not a byte gets through."""
    RESET = "reset"
    """Every connection is reset, old and new."""
    TRUNCATE = "truncate"
    """Some more bytes get back to the client, then its connection is reset."""


class Proxy:
    """Forwards one port of the loopback interface to another, as well as its mode allows.

    Args:
        port: Where to forward to.
    """

    def __init__(self, port: int) -> None:
        self._target_port = port
        self._server: asyncio.Server | None = None
        self._mode = Mode.PASS
        self._passing = asyncio.Event()
        self._passing.set()
        self._bytes_left = 0
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening and reset what is open."""
        assert self._server is not None
        self._server.close()
        self._reset()
        for pipe in list(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def switch(self, mode: Mode, *, after_bytes: int = 0) -> None:
        """Change how the network is, for open connections and new ones.

        Args:
            mode: From now on.
            after_bytes: For `Mode.TRUNCATE`: how many more bytes get back to clients, all together.
        """
        self._mode = mode
        self._bytes_left = after_bytes
        if mode is Mode.STALL:
            self._passing.clear()
        else:
            self._passing.set()
        if mode is Mode.RESET:
            self._reset()

    def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.RESET:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, there[1])
        self._writers.update(pair)
        pipes = [
            asyncio.create_task(self._pipe(reader, there[1], pair, allow=lambda _: True)),
            asyncio.create_task(self._pipe(there[0], writer, pair, allow=self._allow)),
        ]
        self._pipes.update(pipes)
        try:
            await asyncio.gather(*pipes, return_exceptions=True)
        finally:
            self._pipes.difference_update(pipes)
            self._writers.difference_update(pair)

    def _allow(self, size_bytes: int) -> bool:
        if self._mode is not Mode.TRUNCATE:
            return True
        self._bytes_left -= size_bytes
        return self._bytes_left >= 0

    async def _pipe(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        *,
        allow: Callable[[int], bool],
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(_CHUNK_BYTES):
                await self._passing.wait()
                left = self._bytes_left
                if not allow(len(chunk)):
                    sink.write(chunk[: max(0, left)])
                    # Without a turn of the loop, abort() would drop these bytes, too.
                    await asyncio.sleep(0)
                    break
                sink.write(chunk)
                await sink.drain()
        for writer in pair:
            writer.transport.abort()
