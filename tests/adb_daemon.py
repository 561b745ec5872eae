"""A device for tests: adb's protocol over TCP, commands run here in a sandbox folder.

`Daemon` satisfies the real `adb` client (`connect`, `shell`, `push`, `pull`, `install`) and can be
told to fail. Protocol: Android's `packages/modules/adb/protocol.txt`, `SYNC.TXT` and
`shell_protocol.h`. What a device has below `/sys`, `/proc` and `/data/local/tmp` lies in the
sandbox: these names are replaced in every command.
"""

import asyncio
import contextlib
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

VERSION, MAX_BYTES = 0x01000001, 1 << 20
CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = struct.unpack("<6I", b"CNXNAUTHOPENOKAYWRTECLSE")
AUTH_TOKEN, AUTH_SIGNATURE = 1, 2
STDIN, STDOUT, EXIT, CLOSE_STDIN = 0, 1, 3, 3
BANNER = b"device::ro.product.name=test;features=shell_v2,cmd,stat_v2,fixed_push_mkdir"
ROOTS = ("/sys/", "/proc/", "/data/local/tmp")


class DeathError(Exception):
    """Raised by a hook: the device goes away in the middle of the command."""


class _Stream:
    """One service that the client opened: bytes in, bytes out, each write acknowledged."""

    def __init__(self, link: "_Link", remote: int, local: int) -> None:
        self.link, self.remote, self.local = link, remote, local
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.acknowledged = asyncio.Event()
        self.closed = False
        self._rest = b""

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), self.link.max_bytes):
            if self.closed:
                raise EOFError
            self.acknowledged.clear()
            part = data[start : start + self.link.max_bytes]
            self.link.send(WRTE, self.local, self.remote, part)
            await self.acknowledged.wait()

    async def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._rest += await self._next()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    async def some(self) -> bytes:
        if self._rest:
            found, self._rest = self._rest, b""
            return found
        return await self._next()

    async def _next(self) -> bytes:
        if not (data := await self.received.get()):
            raise EOFError
        return data

    def close(self) -> None:
        self.closed = True
        self.received.put_nowait(b"")
        self.acknowledged.set()


class _Link:
    """One client's connection."""

    def __init__(
        self, daemon: "Daemon", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.daemon, self.reader, self.writer = daemon, reader, writer
        self.streams: dict[int, _Stream] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.max_bytes, self._opened = 4096, 0

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        head = struct.pack(
            "<6I", command, first, second, len(data), sum(data) & 0xFFFFFFFF, command ^ 0xFFFFFFFF
        )
        self.writer.write(head + data)

    async def run(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await self.reader.readexactly(24)
                command, first, second, size, _, _ = struct.unpack("<6I", head)
                self._handle(command, first, second, await self.reader.readexactly(size))
        for stream in self.streams.values():
            stream.close()
        self.writer.close()

    def _handle(self, command: int, first: int, second: int, data: bytes) -> None:
        if command == CNXN and self.daemon.state == "unauthorized":
            self.send(AUTH, AUTH_TOKEN, 0, bytes(20))
        elif command == AUTH and first == AUTH_SIGNATURE:
            self.send(AUTH, AUTH_TOKEN, 0, bytes(20))  # refused: the client sends its key and waits
        elif command == CNXN and self.daemon.state == "device":
            self.max_bytes = min(second, MAX_BYTES)
            self.send(CNXN, VERSION, MAX_BYTES, BANNER)
        elif command == OPEN:
            self._open(first, data.rstrip(b"\0").decode())
        elif second in self.streams:
            self._continue(self.streams[second], command, data)

    def _continue(self, stream: _Stream, command: int, data: bytes) -> None:
        if command == OKAY:
            stream.acknowledged.set()
        elif command == WRTE:
            stream.received.put_nowait(data)
            self.send(OKAY, stream.local, stream.remote)
        elif command == CLSE:
            stream.close()

    def _open(self, remote: int, service: str) -> None:
        self._opened += 1
        stream = self.streams[self._opened] = _Stream(self, remote, self._opened)
        self.tasks.add(asyncio.create_task(self._serve(stream, service)))

    async def _serve(self, stream: _Stream, service: str) -> None:
        name, _, argument = service.partition(":")
        self.send(OKAY, stream.local, stream.remote)
        try:
            if name.startswith(("shell", "exec")):
                await self._shell(stream, argument, ",v2" in name)
            elif name == "sync":
                await _Sync(self.daemon, stream).run()
        except EOFError:
            pass
        except DeathError:
            self.writer.transport.abort()
            self.daemon.stop_listening()
        self.send(CLSE, stream.local, stream.remote)

    async def _shell(self, stream: _Stream, command: str, framed: bool) -> None:
        def frame(kind: int, data: bytes) -> bytes:
            return struct.pack("<BI", kind, len(data)) + data if framed else data

        try:
            self.daemon.hook(command)
        except DeathError:
            await stream.write(frame(STDOUT, b"begun\n"))
            raise
        process = await self.daemon.start(command)
        feeding = asyncio.create_task(_feed(process, stream, framed))
        assert process.stdout
        while data := await process.stdout.read(65536):
            await stream.write(frame(STDOUT, data))
        code = await process.wait()
        feeding.cancel()
        if framed:
            await stream.write(frame(EXIT, bytes([code & 255])))


async def _feed(process: asyncio.subprocess.Process, stream: _Stream, framed: bool) -> None:
    """The client's stdin into the command, until it ends."""
    pipe = process.stdin
    assert pipe
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            kind, size = struct.unpack("<BI", await stream.read(5)) if framed else (STDIN, 0)
            data = await stream.read(size) if framed else await stream.some()
            if kind == CLOSE_STDIN:
                break
            pipe.write(data)
    pipe.close()


class _Sync:
    """The service behind `push` and `pull`."""

    def __init__(self, daemon: "Daemon", stream: _Stream) -> None:
        self.daemon, self.stream = daemon, stream

    async def run(self) -> None:
        while True:
            kind, size = struct.unpack("<4sI", await self.stream.read(8))
            if kind == b"QUIT":
                return
            name = (await self.stream.read(size)).decode()
            match kind:
                case b"STA2" | b"LST2":
                    await self._stat(kind, name)
                case b"SEND":
                    await self._send(name)
                case b"RECV":
                    await self._receive(name)

    async def _stat(self, kind: bytes, name: str) -> None:
        path = self.daemon.path(name)
        facts = path.stat() if path.exists() else None
        numbers = [0] * 11
        if facts:
            numbers[3:8] = facts.st_mode, 1, 0, 0, facts.st_size
        else:
            numbers[0] = 2  # ENOENT
        await self.stream.write(kind + struct.pack("<IQQIIIIQqqq", *numbers))

    async def _send(self, argument: str) -> None:
        name, _, mode = argument.rpartition(",")
        path, content = self.daemon.path(name), bytearray()
        while True:
            part, size = struct.unpack("<4sI", await self.stream.read(8))
            if part == b"DONE":
                break
            content += await self.stream.read(size)
        if self.daemon.full:
            await self._fail(b"couldn't write: No space left on device")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(int(mode) & 0o777)
        await self.stream.write(b"OKAY" + bytes(4))

    async def _receive(self, name: str) -> None:
        path = self.daemon.path(name)
        if not path.is_file():
            await self._fail(b"No such file or directory")
            return
        content = path.read_bytes()
        for start in range(0, len(content), 65536):
            part = content[start : start + 65536]
            await self.stream.write(b"DATA" + struct.pack("<I", len(part)) + part)
        await self.stream.write(b"DONE" + bytes(4))

    async def _fail(self, message: bytes) -> None:
        await self.stream.write(b"FAIL" + struct.pack("<I", len(message)) + message)


class Daemon:
    """A device on a port of this machine while the `with` block lasts; commands run in `root`.

    Attributes:
        state: what `adb devices` shows, "device" or "unauthorized"; after `DeathError` "offline".
        port: that it listens on; 0 for a free one.
        full: every push fails for want of space.
        hook: called with each shell command before it runs; may raise `DeathError`.
    """

    def __init__(self, root: Path, state: str = "device", port: int = 0) -> None:
        self.root, self.state, self.full = root, state, False
        self.hook: Callable[[str], None] = lambda _: None
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._links: list[_Link] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self.stop_listening()
        for link in self._links:
            link.writer.transport.abort()
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.append(_Link(self, reader, writer))
        await self._links[-1].run()

    def stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    async def start(self, command: str) -> asyncio.subprocess.Process:
        for name in ROOTS:
            command = command.replace(name, f"{self.root}{name}")
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command, cwd=self.root, stdin=pipe, stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PATH": f"{self.root}/system/bin:{os.environ['PATH']}"},
        )  # fmt: skip
