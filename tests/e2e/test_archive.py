"""WAL archiving to a shared volume, as in values-examples/archived.yaml, and a server restored from
the archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import chosen, storage
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import REPOSITORY
from tests.e2e import printed
from tests.robustness import client, programs
from tests.robustness.release import CHART, NAME, Release

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.timeout(300)]

VALUES = REPOSITORY / "values-examples" / "archived.yaml"
CLAIM = f"{NAME}-archive"
SEGMENTS_UNTIL_LOSS = 3
ARCHIVE_SECONDS = 60.0
BACK_UP = "pg_basebackup --checkpoint fast -D /data/pgdata"
SOCKET = "/var/run/postgresql"
"""Where a server listens that is started without the release's settings."""
SETTINGS = "-c restore_command='cp /archive/%f %p' -c hot_standby=off -c listen_addresses= -c unix_socket_directories=/data"
RESTORE = f'cd /data && touch pgdata/recovery.signal && pg_ctl start -D pgdata --wait --log log -o "{SETTINGS}"'


@dataclass(frozen=True)
class Archived:
    """A release with an archive, and the archive's folder on this machine."""

    release: Release
    folder: Path

    def holds(self) -> set[str]:
        """The names of the complete files in the archive."""
        return {path.name for path in self.folder.iterdir() if path.is_file() and not path.name.startswith(".")}

    def switch(self) -> str:
        """Make the primary start a new segment; return the name of the finished one."""
        return self.release.client.sql("SELECT pg_walfile_name(pg_switch_wal())")[0][0]


@pytest.fixture(scope="module")
def archived(cluster: Cluster) -> Iterator[Archived]:
    """A release with hot standbys and an archive, at full strength."""
    if not chosen.is_local():
        pytest.skip("a shared volume needs the local cluster")
    with programs.namespace("e2e-archive") as namespace, storage.shared(namespace.name, CLAIM, "shared", 100 * 1024) as folder:
        release = Release(namespace)
        release.install(CHART, "--values", str(VALUES), "--set", "standbyMode=hot")
        release.settle()
        yield Archived(release, folder)
        release.uninstall()


def beside(release: Release, name: str, socket: str) -> client.Client:
    """Start a pod for another server, which has its own volume and read access to the archive, and wait for it.

    socket: the directory of the server's socket.
    """
    node, namespace = release.client.node, release.namespace
    pod: dict[str, Any] = client.manifest(name, node, release.name, namespace.name, release.image("postgres"))
    archive = {"name": "archive", "persistentVolumeClaim": {"claimName": CLAIM, "readOnly": True}}
    pod["spec"]["volumes"] = [archive, {"name": "data", "emptyDir": {}}, {"name": "socket", "emptyDir": {}}]
    pod["spec"]["securityContext"]["fsGroup"] = 999
    mounts = [{"name": "archive", "mountPath": "/archive"}, {"name": "data", "mountPath": "/data"}]
    mounts += [{"name": "socket", "mountPath": SOCKET}]
    pod["spec"]["containers"][0]["volumeMounts"] = mounts
    namespace.apply(pod)
    namespace.kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"pod/{name}")
    return client.Client(namespace, name, node, socket)


def test_a_server_is_restored_from_the_archive_after_a_failover(archived: Archived) -> None:
    """The primary is lost with unarchived segments, which its standbys have archived."""
    release, namespace = archived.release, archived.release.namespace
    sql = release.client.sql
    other = beside(release, "restored", "/data")
    sql("CREATE TABLE kept (number int)")
    namespace.kubectl(*other.command("bash", "-c", BACK_UP))

    old = release.primary()
    [[archiver]] = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'archiver'")
    release.inside(old.name, "bash", "-c", f"kill -STOP {archiver}")
    for number in range(SEGMENTS_UNTIL_LOSS):
        sql(f"INSERT INTO kept VALUES ({number})")
        of_the_first = archived.switch()
    release.wait("the standbys have archived it", lambda: of_the_first in archived.holds(), ARCHIVE_SECONDS)
    release.fail_over("--grace-period=0", "--force")
    sql(f"INSERT INTO kept VALUES ({SEGMENTS_UNTIL_LOSS})")
    last = archived.switch()

    timeline, number = int(last[:8], 16), int(last[8:16], 16) << 8 | int(last[16:], 16)
    assert timeline > int(of_the_first[:8], 16)
    release.wait("the last is archived", lambda: last in archived.holds(), ARCHIVE_SECONDS)
    found = archived.holds()
    assert f"{timeline:08X}.history" in found
    segments = {int(name[8:16], 16) << 8 | int(name[16:], 16) for name in found if len(name) == len(last)}
    assert segments >= set(range(1, number + 1)), sorted(found)
    for pod in release.pods():
        assert sql("SELECT failed_count, last_failed_wal FROM pg_stat_archiver", host=pod.ip) == [["0", ""]], pod.name

    namespace.kubectl(*other.command("bash", "-c", RESTORE))
    release.wait("the archive is replayed", lambda: other.try_psql("SELECT 1").code == 0, ARCHIVE_SECONDS)
    assert other.sql("SELECT pg_is_in_recovery(), max(number), count(*) FROM kept") == [
        ["f", str(SEGMENTS_UNTIL_LOSS), str(SEGMENTS_UNTIL_LOSS + 1)]
    ]


@pytest.mark.pages
@pytest.mark.thorough
def test_the_commands_of_the_page_restore_a_server_to_a_time(archived: Archived) -> None:
    signal, start = printed.commands("### An archive command of your own")
    release, namespace, sql = archived.release, archived.release.namespace, archived.release.client.sql
    other = beside(release, "timely", SOCKET)
    namespace.kubectl(*other.command("bash", "-c", BACK_UP))
    sql("CREATE TABLE precious AS SELECT 1 AS number")
    [[moment]] = sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")
    sql("DROP TABLE precious")
    last = archived.switch()
    release.wait("it is archived", lambda: last in archived.holds(), ARCHIVE_SECONDS)
    start = printed.in_other_words(start, {"2026-11-24 10:00:00+00": moment})
    namespace.kubectl(*other.command("bash", "-c", f"cd /data && {signal} && {start} >log 2>&1 || (cat log; exit 1)"))
    release.wait("the archive is replayed up to then", lambda: other.try_psql("SELECT 1").code == 0, ARCHIVE_SECONDS)
    assert other.sql("SELECT pg_is_in_recovery(), number FROM precious") == [["f", "1"]]


def test_what_is_archived_is_the_pods_alone(archived: Archived) -> None:
    """The archive contains the data, so nobody else may read it."""
    assert {path.stat().st_mode & 0o077 for path in archived.folder.rglob("*") if path.is_file()} == {0}
