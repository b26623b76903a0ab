"""An API server that answers one pod slowly: a proxy on the pod's node that delays each request.

Run as ``python -m tests.cluster.slow_api LISTEN_ADDRESS PORT SECONDS``, it forwards what it receives. The first bytes of a connection,
the client's part of the TLS handshake, are not delayed; so a call takes exactly this many seconds longer, on a new connection and on an
old one.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.cluster import nodes, supervise
from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.paths import REPOSITORY
from tests.cluster.topology import API_SERVICE, HOST_ADDRESS
from tests.cluster.topology import node as find_node

_API_PORT = 6443
_SERVICE_PORT = 443
_CHUNK_BYTES = 65536
_FIRST_PORT = 19000
_START_SECONDS = 10.0


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Forward received data this many seconds later, in order; the first chunk at once."""
    pending: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def send() -> None:
        while True:
            due, chunk = await pending.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not chunk:
                writer.close()
                return
            writer.write(chunk)
            await writer.drain()

    sender = asyncio.create_task(send())
    delay = 0.0
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            pending.put_nowait((loop.time() + delay, chunk))
            delay = seconds
    except OSError:
        pass
    pending.put_nowait((loop.time(), b""))
    await asyncio.gather(sender, return_exceptions=True)


async def _serve(address: str, port: int, seconds: float) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            api_reader, api_writer = await asyncio.open_connection(HOST_ADDRESS, _API_PORT)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, api_writer, seconds), _pass_on(api_reader, writer, 0.0))

    server = await asyncio.start_server(accept, address, port)
    await server.serve_forever()


@contextmanager
def slow(namespace: str, pod: str, seconds: float) -> Iterator[None]:
    """While the context lasts, the API server answers a pod this many seconds later, also on open connections."""
    address, name = nodes.address(namespace, pod)
    node, inside = find_node(name), supervise.inside(name)
    port = _FIRST_PORT + int(address.rpartition(".")[2])
    rule = ["PREROUTING", "-s", address, "-d", API_SERVICE, "-p", "tcp", "--dport", str(_SERVICE_PORT)]
    rule += ["-j", "DNAT", "--to-destination", f"{node.address}:{port}"]
    forget = [*inside, "conntrack", "-D", "-s", address, "-d", API_SERVICE]
    argv = [*inside, sys.executable, "-m", "tests.cluster.slow_api", node.address, str(port), str(seconds)]
    with subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdin=subprocess.DEVNULL) as proxy:
        try:
            limit = time.monotonic() + _START_SECONDS
            while not succeeds([*inside, "bash", "-c", f"</dev/tcp/{node.address}/{port}"]):
                if time.monotonic() > limit or proxy.poll() is not None:
                    raise ClusterError(f"the slow API server of {namespace}/{pod} doesn't start")
                time.sleep(0.1)
            run([*inside, "iptables", "-w", "-t", "nat", "-I", *rule])
            succeeds(forget)
            yield
        finally:
            succeeds([*inside, "iptables", "-w", "-t", "nat", "-D", *rule])
            proxy.kill()
            succeeds(forget)


@contextmanager
def slow_for(namespace: str, pods: list[str], seconds: float) -> Iterator[None]:
    """Like `slow`, for several pods."""
    with ExitStack() as stack:
        for pod in pods:
            stack.enter_context(slow(namespace, pod, seconds))
        yield


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
