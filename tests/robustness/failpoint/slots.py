"""Servers whose connection slots are all in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.robustness.release import Pod, Release

FULL_SECONDS = 60.0
STOP = "/tmp/stop-occupying"
OCCUPY = f"""rm -f {STOP}
for number in {{1..%d}}; do
  until [[ -e {STOP} ]]; do psql -h %s -qAtXc 'SELECT pg_sleep(10)' || sleep 0.3; done &
done
wait"""
BEGIN = 'setsid bash -c "$0" >/dev/null 2>&1 </dev/null &'
LEAVE = f"touch {STOP}"
FULL = ("too many clients already", "remaining connection slots are reserved")


@contextmanager
def occupied(release: Release, pods: list[Pod], sessions: int) -> Iterator[None]:
    """While the context lasts, sessions take every slot of these servers, and again whenever one becomes free. sessions: number of
    sessions that try, per server.
    """
    clients = release.clients[: len(pods)]
    try:
        for client, pod in zip(clients, pods, strict=True):
            client.namespace.kubectl(*client.command("bash", "-c", BEGIN, OCCUPY % (sessions, pod.ip)))
            release.wait(
                f"{pod.name} is full",
                lambda client=client, pod=pod: any(text in client.try_psql("SELECT 1", host=pod.ip).err for text in FULL),  # type: ignore[misc]
                FULL_SECONDS,
            )
        yield
    finally:
        for client in clients:
            client.namespace.try_kubectl(*client.command("bash", "-c", LEAVE))
