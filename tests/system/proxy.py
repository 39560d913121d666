"""A network that fails on demand: a proxy between a program and its PostgreSQL.

    with Proxy(target) as proxy:              # target: a path of a socket, or a port of 127.0.0.1
        server.database = proxy.url("postgres")
        with proxy.failing(Slow(2000)): …     # what is broken stays broken; what comes next is well

What a fault does to bytes is in its class: each piece that comes along passes through `carry`, and each new connection
through `arrive`. "up" is towards PostgreSQL, "down" back to the program. `tls` ends the program's TLS here, so that
records are as large as TLS allows, which PostgreSQL itself never sends.
"""
import asyncio
import contextlib
import socket
import ssl
import struct
import threading

PIECE = 64 << 10
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class Broken(Exception):
    """The connection ends here; `reset`: without a word."""

    def __init__(self, reset):
        super().__init__("cut")
        self.reset = reset


class Fault:
    """Nothing is wrong."""

    refuses = False  # the port is closed
    breaks_open = False  # what is connected already is reset

    async def arrive(self):
        pass

    async def carry(self, way, data):
        return data

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items() if k[0] != '_')})"


class Delay(Fault):
    def __init__(self, seconds):
        self.seconds = seconds

    async def carry(self, way, data):
        await asyncio.sleep(self.seconds)
        return data


class Slow(Fault):
    """So many bytes per second and direction, of each connection."""

    def __init__(self, rate):
        self.rate = rate

    async def carry(self, way, data):
        await asyncio.sleep(len(data) / self.rate)
        return data


class Cut(Fault):
    """Each connection that carries anything ends behind its n-th byte from now on in that direction."""

    def __init__(self, way, n, reset):
        self.way, self.n, self.reset, self._left = way, n, reset, {}

    async def carry(self, way, data):
        if way != self.way:
            return data
        task = asyncio.current_task()
        left = self._left.setdefault(task, self.n)
        self._left[task] -= len(data)
        if left < len(data):
            raise CutAt(data[:left], self.reset)
        return data


class CutAt(Broken):
    """The last bytes arrive."""

    def __init__(self, last, reset):
        super().__init__(reset)
        self.last = last


class HalfOpen(Fault):
    """Bytes are taken and vanish, for good: whoever was there never hears from the other side again."""

    async def arrive(self):
        await asyncio.Event().wait()

    async def carry(self, way, data):
        await asyncio.Event().wait()


class Silent(Fault):
    """What is connected goes on; who connects now is accepted and never answered."""

    async def arrive(self):
        await asyncio.Event().wait()


class Refused(Fault):
    refuses = breaks_open = True


class Reset(Fault):
    """Accepted and reset at once."""

    breaks_open = True

    async def arrive(self):
        raise Broken(True)


class Proxy:
    def __init__(self, target, tls=None):
        self.target, self.tls, self.fault, self.open = target, tls, Fault(), set()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def url(self, database, **settings):
        query = "&".join(f"{k}={v}" for k, v in {"sslmode": "disable", **settings}.items())
        return f"postgres://pando@127.0.0.1:{self.port}/{database}?{query}"

    # --- connections, all on the proxy's own thread ---

    async def _dial(self):
        if isinstance(self.target, int):
            return await asyncio.open_connection("127.0.0.1", self.target)
        return await asyncio.open_unix_connection(str(self.target))

    async def _end_tls(self, reader, writer):
        """Returns what has to be passed on: a request to cancel comes without TLS."""
        first = await reader.readexactly(len(SSL_REQUEST))
        if first != SSL_REQUEST:
            return first
        writer.write(b"S")
        await writer.start_tls(self.tls)
        return b""

    async def _pump(self, way, reader, writer):
        while data := await reader.read(PIECE):
            try:
                data = await self.fault.carry(way, data)
            except CutAt as cut:
                writer.write(cut.last)
                raise
            if self.tls and way == "down":
                data += await self._more(reader)
            writer.write(data)
            await writer.drain()

    @staticmethod
    async def _more(reader):
        """What comes right behind it: one write makes records as large as they may be."""
        more = b""
        with contextlib.suppress(asyncio.TimeoutError):
            while len(more) < PIECE and (piece := await asyncio.wait_for(reader.read(PIECE), 0.005)):
                more += piece
        return more

    async def _serve(self, reader, writer):
        self.open.add(asyncio.current_task())
        ends, reset = [writer], False
        try:
            await self.fault.arrive()
            first = await self._end_tls(reader, writer) if self.tls else b""
            there_reader, there_writer = await self._dial()
            there_writer.write(first)
            ends.append(there_writer)
            pumps = [asyncio.ensure_future(self._pump("up", reader, there_writer)),
                     asyncio.ensure_future(self._pump("down", there_reader, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for p in pumps:
                    p.cancel()
                for result in await asyncio.gather(*pumps, return_exceptions=True):
                    reset |= isinstance(result, Broken) and result.reset
        except Broken as e:
            reset = e.reset
        except asyncio.CancelledError:
            reset = True
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(asyncio.current_task())
            for end in ends:
                self._end(end, reset)

    @staticmethod
    def _end(writer, reset):
        sock = writer.get_extra_info("socket")
        if reset and sock and sock.family == socket.AF_INET:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort() if reset else writer.close()

    async def _listen(self):
        self.listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512, reuse_address=True)

    async def _set(self, fault):
        was, self.fault = self.fault, fault
        if fault.breaks_open:
            for task in list(self.open):
                task.cancel()
        if fault.refuses and not was.refuses:
            self.listener.close()
        elif was.refuses and not fault.refuses:
            await self._listen()

    async def _end_all(self):
        self.listener.close()
        while self.open:
            for task in self.open:
                task.cancel()
            await asyncio.wait(self.open)

    # --- from the test's thread ---

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    @contextlib.contextmanager
    def failing(self, fault):
        self._do(self._set(fault))
        try:
            yield
        finally:
            self._do(self._set(Fault()))

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_):
        self._do(self._end_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


def ends_tls(certificate, key):
    """For Proxy's `tls`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
