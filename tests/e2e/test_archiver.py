"""Archive, backup and restore with pgBackRest and an S3 server: the archive under writes and over
failovers, backups by a Job and by `hapg backup now`, new releases restored to the end and to a point
in time, wrong credentials. The tests depend on each other, in order.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.e2e import operators, printed
from tests.robustness import object_store, programs
from tests.robustness.certificates import Authority
from tests.robustness.failpoint import acts, processes
from tests.robustness.object_store import ObjectStore
from tests.robustness.programs import HAPG, Done, Namespace
from tests.robustness.release import CHART, FAILOVER_SECONDS, VALUES, Release
from tests.robustness.traffic.writers import TABLE, Log, Writer
from tests.robustness.validate import writes
from tests.robustness.validate.rows import present_ids

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

CREDENTIALS, CIPHER = "s3-credentials", "archive-cipher"
FOLDER = "/tests"
RESTORED, BESIDE = "restored", "restored-beside"
RESTORED_REPLICAS = 2

ARCHIVED_SECONDS = 120.0
BACKUP_SECONDS = 240.0
RESTORE_SECONDS = 400.0
PROJECTION_SECONDS = 150.0
EVENT_SECONDS = 60.0
ROWS_SECONDS = 60.0
LONGEST_PAUSE = 5.0
"""In seconds, without a failover: writes must not notice what happens to the archive."""

QUERY = "SELECT count(*) > 0 FROM appends"
METRIC = """import re, urllib.request
text = urllib.request.urlopen("http://127.0.0.1:8011/metrics", timeout=10).read().decode()
print(re.search(r"^ha_postgres_{}(?:{{.*}})? (\\S+)$", text, re.MULTILINE)[1])"""
MARKER = "/var/lib/postgresql/data/volume"
KEEPS_LITTLE = ("max_slot_wal_keep_size = '16MB'", "wal_keep_size = 0")
SEGMENTS_AWAY = 12
COMMAND_LINES = "for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <\"$file\" 2>/dev/null; echo; done; true"
CHECKSUM = "SELECT count(*), md5(string_agg(number || ' ' || word, ',' ORDER BY number)) FROM precious"


@dataclass
class Archived:
    """A release that archives to an S3 server, and what its tests share.

    logs: the writers' so far; moment: a time at which the table `precious` had this `checksum`; lines: command lines of the pods'
    processes that were seen.
    """

    release: Release
    store: ObjectStore
    authority: Authority
    folder: Path
    cipher_pass: str
    logs: list[Log] = field(default_factory=list)
    moment: str = ""
    checksum: list[list[str]] = field(default_factory=list)
    lines: set[str] = field(default_factory=set)

    @property
    def hidden(self) -> tuple[str, ...]:
        """What must be seen nowhere, plain and as a Secret has it."""
        keys = (self.store.secret_key, self.cipher_pass)
        return (*keys, *(base64.b64encode(key.encode()).decode() for key in keys))

    def secrets(self, namespace: Namespace, secret_key: str = "") -> None:
        """Create or replace the archiver's Secrets. secret_key: instead of the server's own, for one that it refuses."""
        cipher = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CIPHER}, "stringData": {"CIPHER_PASS": self.cipher_pass}}
        namespace.apply(self.store.credentials(CREDENTIALS, self.authority.certificate, secret_key=secret_key), cipher)

    def values(self) -> dict[str, Any]:
        """The values of the release: the archiver is the page's, and a backup is due once a year only, so that the tests decide when one is
        taken.
        """
        archiver = printed.values("## Archive", {"minio.storage:9000": self.store.endpoint})["archiver"] | {"path": FOLDER}
        return {"archiver": archiver, "backup": {"schedules": {"full": "0 0 1 1 *"}, "verify": {"schedule": "0 0 1 1 *", "query": QUERY}}}


def backup(release: Release, verb: str, *options: str) -> Done:
    """Run `hapg backup` for a release; return the result."""
    command = ("backup", verb, release.name, "--namespace", release.namespace.name, *options)
    return programs.attempt(str(HAPG), *command, limit=BACKUP_SECONDS)


def listed(release: Release) -> dict[str, Any]:
    """What `hapg backup list` says of a release's archive."""
    done = backup(release, "list", "--output", "json")
    if done.code:
        raise programs.ProgramError(done.text)
    found: dict[str, Any] = json.loads(done.out)
    return found


def last_archived(release: Release) -> str:
    """The last archived segment: of the newest timeline in the repository, or what the primary has archived since."""
    found = listed(release)
    return max(found["archiving"]["lastArchived"] or "", (found["archive"] or {}).get("last") or "")


def switch(release: Release) -> str:
    """Make the primary finish its WAL segment; return the segment's name."""
    [[name]] = release.ask("SELECT pg_walfile_name(pg_switch_wal())")
    return name


def wait_archived(release: Release, segment: str) -> None:
    """Wait until a segment, and so everything before it, is archived."""
    release.wait(f"{segment} is archived", lambda: last_archived(release) >= segment, ARCHIVED_SECONDS)


def run_job(release: Release, kind: str, name: str, seconds: float) -> bool:
    """Run a Job of a CronJob of the release now, and wait for its end; return whether it succeeded."""
    namespace = release.namespace
    namespace.kubectl("create", "job", name, f"--from=cronjob/{release.name}-backup-{kind}")

    def ended() -> str:
        conditions = namespace.get("job", name)["status"].get("conditions") or ()
        return next((each["type"] for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"), "")

    return release.wait(f"the end of the Job {name}", ended, seconds) == "Complete"


def logs(release: Release, job: str) -> str:
    """What the container `postgres` of a Job's pods has written."""
    return release.namespace.kubectl("logs", "--selector", f"job-name={job}", "--container", "postgres", "--tail=-1")


def metric(release: Release, name: str) -> float:
    """A metric of the primary's container `backup`."""
    return float(release.inside(release.primary().name, "python3", "-c", METRIC.format(name), container="backup"))


def archive_of(release: Release) -> dict[str, Any]:
    """What `hapg status` says of the archive; nothing during a failover."""
    found: dict[str, Any] = release.try_status()[1].get("archive") or {}
    return found


def check(release: Release) -> None:
    """Have the current WAL archived and look for missing WAL; a hole is a failure."""
    done = backup(release, "check")
    assert done.code == 0, done.text


def wait_rows(release: Release, writer: Writer, more: int) -> None:
    """Wait until a writer has got this many more rows acknowledged."""
    wanted = writer.rows + more
    release.wait(f"{more} more rows", lambda: writer.rows >= wanted, ROWS_SECONDS)


@pytest.fixture(scope="module")
def store(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ObjectStore, Authority]]:
    """An S3 server with a certificate of an authority of our own."""
    if not chosen.is_local():
        pytest.skip("the image of the S3 server can be loaded into the local cluster only")
    with object_store.running("e2e-store", tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture(scope="module")
def archived(store: tuple[ObjectStore, Authority], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    """A release of three servers that archives to the S3 server, at full strength, with the writers' table."""
    server, authority = store
    folder = tmp_path_factory.mktemp("archiver")
    with programs.namespace("e2e-archiver") as namespace:
        made = Archived(Release(namespace), server, authority, folder, follow_archive(namespace, server, authority, folder))
        (folder / "values.yaml").write_text(yaml.safe_dump(made.values()))
        made.release.install(CHART, "--values", str(VALUES), "--values", str(folder / "values.yaml"))
        made.release.settle()
        made.release.client.sql(TABLE)
        yield made


def follow_archive(namespace: Namespace, store: ObjectStore, authority: Authority, folder: Path) -> str:
    """Create the archiver's Secrets by the commands of the page; return the pass that they have made."""
    (folder / "ca.crt").write_text(authority.certificate)
    keys = {"AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key}
    names = {"NS": namespace.name, "ca.crt": str(folder / "ca.crt"), **{f"{name}=…": f"{name}={key}" for name, key in keys.items()}}
    for line in printed.commands("## Archive"):
        printed.run(line, names)
    return base64.b64decode(namespace.get("secret", CIPHER)["data"]["CIPHER_PASS"]).decode()


@contextmanager
def restored(archived: Archived, *target: str) -> Iterator[Release]:
    """A new release in a namespace of its own, with the values that `hapg restore` writes, at full strength."""
    release = archived.release
    with programs.namespace("e2e-restored") as namespace:
        file = archived.folder / f"{namespace.name}.yaml"
        options = ("--namespace", release.namespace.name, "--as", RESTORED, "--output", str(file))
        programs.run(str(HAPG), "restore", release.name, *options, *target)
        archived.secrets(namespace)
        made = Release(namespace, name=RESTORED, replicas=RESTORED_REPLICAS)
        made.install(CHART, "--values", str(file), "--set", f"replicas={RESTORED_REPLICAS}")
        made.wait_serving(RESTORE_SECONDS)
        made.settle()
        yield made


# --- archive and backup ---


def test_wal_is_archived_while_rows_are_written(archived: Archived) -> None:
    release = archived.release
    with Writer(release.client, "archive", per_second=50) as writer:
        wait_rows(release, writer, 100)
        segment = switch(release)
        wait_archived(release, segment)
        wait_rows(release, writer, 20)
        archived.logs.append(writer.stop())
    found = listed(release)
    uid = release.namespace.get("lease", release.name)["metadata"]["uid"]
    assert found["stanza"] == f"{release.name}-{uid[:8]}"
    assert found["role"] == "primary"
    assert found["problem"] == ""
    assert found["archiving"]["failing"] == ""
    assert found["backups"] == []
    assert archived.logs[-1].gap < LONGEST_PAUSE


def test_without_a_backup_a_restore_is_refused(archived: Archived) -> None:
    release = archived.release
    done = programs.attempt(str(HAPG), "restore", release.name, "--namespace", release.namespace.name, "--as", RESTORED)
    assert (done.code, done.out) == (1, "")
    assert "there is no backup, so nothing can be restored" in done.err


def test_a_backup_by_a_job_of_the_cron_job(archived: Archived) -> None:
    release, namespace = archived.release, archived.release.namespace
    namespace.kubectl("create", "job", "first", f"--from=cronjob/{release.name}-backup-full")
    namespace.kubectl("wait", "--for=condition=complete", f"--timeout={BACKUP_SECONDS:.0f}s", "job/first", limit=BACKUP_SECONDS + 10)
    [made] = listed(release)["backups"]
    assert (made["type"], made["error"]) == ("full", False)


def test_a_backup_now_under_writes_and_nobody_sees_a_credential(archived: Archived) -> None:
    """While it runs, the command lines of all processes of the primary's containers are collected."""
    release = archived.release
    primary = release.primary()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.2):
            for container in ("backup", "postgres"):
                shown = release.try_inside(primary.name, "sh", "-c", COMMAND_LINES, container=container)
                archived.lines.update(line.strip() for line in shown.out.splitlines() if line.strip())

    with Writer(release.client, "backup", per_second=50) as writer:
        wait_rows(release, writer, 20)
        looking = threading.Thread(target=look)
        looking.start()
        try:
            result = backup(release, "now", "--type", "full")
        finally:
            done.set()
            looking.join(60)
        wait_rows(release, writer, 20)
        archived.logs.append(writer.stop())
    assert result.code == 0, result.text
    backups = listed(release)["backups"]
    assert result.out == f"backup {backups[-1]['label']} is done\n"
    assert [each["type"] for each in backups] == ["full", "full"]
    assert archived.logs[-1].gap < LONGEST_PAUSE
    assert [line for line in archived.lines if "pgbackrest" in line], "no process of pgBackRest was seen"


def test_the_documented_rights_are_enough_for_backup_and_restore(archived: Archived, tmp_path: Path) -> None:
    release = archived.release
    access = f"--kubeconfig={operators.kubeconfig(release, tmp_path / 'kubeconfig', backups=True)}"
    done = backup(release, "list", access)
    assert done.code == 0, done.text
    options = ("--namespace", release.namespace.name, "--as", RESTORED, access)
    assert yaml.safe_load(programs.run(str(HAPG), "restore", release.name, *options))["restore"]["enabled"] is True


@pytest.mark.pages
@pytest.mark.thorough
def test_the_commands_of_the_page_do_what_they_say(archived: Archived) -> None:
    release, namespace = archived.release, archived.release.namespace
    for line in printed.commands("## Backup"):
        printed.run(line, printed.names(release))
    namespace.kubectl("wait", "--for=condition=complete", f"--timeout={BACKUP_SECONDS:.0f}s", "job/once", limit=BACKUP_SECONDS + 10)


@pytest.mark.thorough
def test_an_incremental_backup_holds_less(archived: Archived) -> None:
    result = backup(archived.release, "now")
    assert result.code == 0, result.text
    *_, full, incremental = listed(archived.release)["backups"]
    assert incremental["type"] == "incr"
    assert incremental["repositoryBytes"] < full["repositoryBytes"]


@pytest.mark.thorough
def test_a_second_backup_at_a_time_is_told_to_wait(archived: Archived) -> None:
    """Two at once: one is done, the other is done after it or says that it may be tried again."""
    results: list[Done] = []
    both = [threading.Thread(target=lambda: results.append(backup(archived.release, "now"))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(BACKUP_SECONDS)
    assert len(results) == 2
    assert [each for each in results if each.code == 0], [each.text for each in results]
    for each in results:
        assert each.code == 0 or "not possible now" in each.err, each.text
    check(archived.release)


# --- failover, and a restore to the end ---


def test_the_archive_has_no_hole_after_two_failovers_under_writes(archived: Archived) -> None:
    """The primary's pod is deleted; then the next primary's postmaster is killed. Each time there is a new timeline."""
    release = archived.release

    def timeline() -> int:
        return release.client.timeline(release.primary().ip)

    with Writer(release.client, "failover", per_second=50) as writer:
        wait_rows(release, writer, 50)
        release.fail_over()
        wait_rows(release, writer, 50)
        switch(release)
        before = timeline()
        processes.kill_postmaster(release, release.primary())
        release.wait("a primary on a new timeline", lambda: timeline() > before and release.at_full_strength(), FAILOVER_SECONDS)
        wait_rows(release, writer, 50)
        archived.logs.append(writer.stop())
    wait_archived(release, switch(release))
    check(release)
    assert listed(release)["continuity"]["holes"] == []


# --- verified restores ---


def test_a_verified_restore_of_the_backup_by_a_job_is_known_to_status_and_metrics(archived: Archived) -> None:
    """The archive has three timelines by now. The Job's pod has no token, and its volume is gone with it."""
    release = archived.release
    assert archive_of(release)["verifiedRestore"] is None
    wait_archived(release, switch(release))
    assert run_job(release, "verify", "verified", RESTORE_SECONDS), logs(release, "verified")
    found = release.wait("`hapg status` knows it", lambda: archive_of(release)["verifiedRestore"], EVENT_SECONDS)
    known = listed(release)
    assert found["backup"] == known["backups"][-1]["label"]
    verified = known["verification"]["verified"]
    assert verified["checks"] == ["checksums", "pg_amcheck", "query"]
    assert metric(release, "backup_verified_timestamp_seconds") == pytest.approx(verified["endedAt"], abs=1)
    assert metric(release, "backup_verified_restore_seconds") > 0
    assert metric(release, "archive_last_archived_timestamp_seconds") > 0
    assert f"\nverified  restore of {found['backup']} " in release.hapg("status")
    namespace = release.namespace
    namespace.kubectl("delete", "job", "verified")
    release.wait(
        "the scratch volume is gone",
        lambda: not [each for each in namespace.get("persistentvolumeclaims") if each["metadata"]["name"].endswith("-scratch")],
        EVENT_SECONDS,
    )


@pytest.mark.thorough
def test_a_restore_that_is_not_verified_is_told_by_an_event_and_survives_a_failover(archived: Archived) -> None:
    release = archived.release
    before = archive_of(release)["verifiedRestore"]
    assert before, "the test before this one has failed"
    reason = "is not verified: the query returned f instead of true"
    release.upgrade("--set-string", "backup.verify.query=SELECT false")
    assert not run_job(release, "verify", "not-verified", RESTORE_SECONDS)
    told = release.wait("Event BackupNotVerified", lambda: release.latest("BackupNotVerified"), EVENT_SECONDS)
    assert reason in told[release.primary().name]
    release.wait("a warning", lambda: [text for text in release.status()["warnings"] if reason in text], EVENT_SECONDS)
    release.fail_over()

    def is_known() -> bool:
        found = archive_of(release)
        return bool(found.get("failedRestore")) and found["verifiedRestore"] == before and found["lastBackupAt"]["full"] is not None

    release.wait("the next primary knows both", is_known, ARCHIVED_SECONDS)
    assert metric(release, "backup_verification_failed") == 1
    release.upgrade("--set-string", f"backup.verify.query={QUERY}")
    assert run_job(release, "verify", "verified-again", RESTORE_SECONDS), logs(release, "verified-again")
    release.wait("Event BackupVerified", lambda: release.latest("BackupVerified"), EVENT_SECONDS)
    release.wait("no failure is left", lambda: archive_of(release)["failedRestore"] is None, EVENT_SECONDS)
    assert not [text for text in release.status()["warnings"] if "verified" in text]


# --- restores into new releases ---


def test_a_release_restored_to_the_end_has_every_acknowledged_row(archived: Archived) -> None:
    release = archived.release
    wait_archived(release, switch(release))
    wanted = {log.writer: sorted(present_ids(release, log.writer)) for log in archived.logs}
    for log in archived.logs:
        assert writes.lost(log, wanted[log.writer]) == [], f"{log.writer}: lost before the restore"
    source = listed(release)
    with restored(archived) as copy:
        assert {name: sorted(present_ids(copy, name)) for name in wanted} == wanted
        for log in archived.logs:
            assert writes.lost(log, present_ids(copy, log.writer)) == []
            assert writes.unexplained(log, present_ids(copy, log.writer)) == []
        assert [event.about for event in copy.events("reason=Restored")], "no Event Restored"
        assert copy.client.sql("SELECT count(*) > 0 FROM appends") == [["t"]], "with the password of the new release"
        wait_archived(copy, switch(copy))
        own = listed(copy)
        assert own["stanza"].startswith(f"{RESTORED}-")
        assert own["backups"] == []
        with Writer(copy.client, "after", per_second=50) as writer:
            wait_rows(copy, writer, 20)
            copy.fail_over()
            wait_rows(copy, writer, 20)
            log = writer.stop()
        assert writes.lost(log, present_ids(copy, "after")) == []
    after = listed(release)
    assert after["stanza"] == source["stanza"]
    assert after["archive"]["timeline"] == source["archive"]["timeline"], "the restored release has written to its source's archive"
    check(release)


# --- a point in time ---


def test_a_table_is_dropped_at_a_known_time(archived: Archived) -> None:
    sql = archived.release.ask
    sql("CREATE TABLE precious AS SELECT number, md5(number::text) AS word FROM generate_series(1, 1000) AS number")
    archived.checksum = sql(CHECKSUM)
    assert archived.checksum[0][0] == "1000"
    [[archived.moment]] = sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")
    sql("SELECT pg_sleep(1)")
    sql("DROP TABLE precious")
    sql("INSERT INTO appends VALUES ('later', 1)")
    wait_archived(archived.release, switch(archived.release))


def test_a_release_restored_to_just_before_has_the_table(archived: Archived) -> None:
    assert archived.moment, "the test before this one has failed"
    with restored(archived, "--time", archived.moment) as copy:
        assert copy.ask(CHECKSUM) == archived.checksum
        assert copy.ask("SELECT count(*) FROM appends WHERE writer = 'later'") == [["0"]]


@pytest.mark.pages
@pytest.mark.thorough
def test_the_commands_of_the_page_restore_into_a_release_beside_it(archived: Archived) -> None:
    """my-values.yaml is the source's, with its name. Uninstalled, the copy keeps its data, and its name is refused until it is wiped."""
    assert archived.moment, "an earlier test has failed"
    restore, install = printed.commands("## Restore")
    release, new = archived.release, archived.folder / "new.yaml"
    copy = Release(release.namespace, name=BESIDE, replicas=RESTORED_REPLICAS)
    values = printed.my_values(archived.folder, replicas=copy.replicas)
    files = {"new.yaml": str(new), "my-values.yaml": str(values)}
    names = printed.names(release) | files | {"NEW": copy.name, "2026-12-01 10:00:00+00": archived.moment}
    printed.run(restore, names)
    printed.run(install, names)
    try:
        copy.wait_serving(RESTORE_SECONDS)
        assert [copy.ask_inside(CHECKSUM).split("|")] == archived.checksum
    finally:
        copy.uninstall()
    where = ("--namespace", release.namespace.name)
    again = (str(HAPG), "restore", release.name, *where, "--as", copy.name)
    refused = programs.attempt(*again)
    assert (refused.code, refused.out) == (1, "")
    assert f"there is a release of that name in namespace {release.namespace.name}, installed or dormant" in refused.err
    programs.run(str(HAPG), "wipe", copy.name, *where, "--yes", copy.name)
    assert programs.attempt(*again).code == 0


@pytest.mark.thorough
def test_a_restore_from_a_stanza_that_does_not_exist_creates_nothing_until_it_is_corrected(archived: Archived) -> None:
    """No database is made by initdb instead."""
    release = archived.release
    with programs.namespace("e2e-restored") as namespace:
        file = archived.folder / "wrong.yaml"
        options = ("--namespace", release.namespace.name, "--as", RESTORED, "--output", str(file))
        programs.run(str(HAPG), "restore", release.name, *options)
        right = yaml.safe_load(file.read_text())["restore"]["stanza"]
        archived.secrets(namespace)
        copy = Release(namespace, name=RESTORED, replicas=1)
        wrong = ("--set-string", "restore.stanza=nothing-00000000")
        copy.install(CHART, "--values", str(file), "--set", "replicas=1", *wrong)
        told = copy.wait("Event RestoreFailed", lambda: copy.latest("RestoreFailed"), RESTORE_SECONDS)
        assert told[f"{RESTORED}-0"]
        assert not [pod for pod in copy.pods() if pod.role == "primary"]
        assert copy.inside(f"{RESTORED}-0", "sh", "-c", "ls /var/lib/postgresql/data | grep -x pgdata || true").strip() == ""
        copy.upgrade("--set-string", f"restore.stanza={right}")
        copy.look_again()
        copy.wait_serving(RESTORE_SECONDS)
        copy.settle()
        assert present_ids(copy, "archive")


# --- trouble ---


@pytest.mark.thorough
def test_with_wrong_credentials_an_event_says_so_and_writes_go_on(archived: Archived) -> None:
    release, namespace = archived.release, archived.release.namespace
    wrong = secrets.token_hex(16)

    def has(key: str) -> bool:
        shown = [
            release.try_inside(pod.name, "cat", "/etc/hapg/repository/AWS_SECRET_ACCESS_KEY", container="backup") for pod in release.pods()
        ]
        return all(each.out.strip() == key for each in shown)

    with Writer(release.client, "wrong", per_second=50) as writer:
        archived.secrets(namespace, wrong)
        release.look_again()
        release.wait("the wrong key has reached the pods", lambda: has(wrong), PROJECTION_SECONDS)
        segment = switch(release)
        told = release.wait("Event ArchivingFailed", lambda: release.latest("ArchivingFailed"), EVENT_SECONDS)
        assert release.primary().name in told
        assert not [key for key in (*archived.hidden, wrong) if key in " ".join(told.values())]
        shown = backup(release, "list")
        assert shown.code == 0, shown.text
        assert "warning: archiving fails: " in shown.out
        assert "restore   unknown, because the repository can't be read" in shown.out
        done = backup(release, "now")
        assert done.code == 1, "a backup cannot succeed without the repository"
        assert not [key for key in (*archived.hidden, wrong) if key in shown.text + done.text]
        wait_rows(release, writer, 50)

        archived.secrets(namespace)
        release.look_again()
        release.wait("the right key has reached the pods", lambda: has(archived.store.secret_key), PROJECTION_SECONDS)
        wait_archived(release, segment)
        release.wait("Event ArchivingResumed", lambda: release.latest("ArchivingResumed"), EVENT_SECONDS)
        wait_rows(release, writer, 50)
        log = writer.stop()
    assert log.gap < LONGEST_PAUSE
    assert writes.lost(log, present_ids(release, "wrong")) == []
    assert release.at_full_strength()
    check(release)


@pytest.mark.thorough
def test_a_failover_while_the_archive_cannot_be_reached_leaves_no_hole(archived: Archived) -> None:
    """The S3 server is away: standbys keep the WAL that the lost primary had not archived."""
    release, server = archived.release, archived.store.namespace
    service = server.get("service", "object-store")
    selector = service["spec"]["selector"]
    with Writer(release.client, "away", per_second=50) as writer:
        server.kubectl("patch", "service", "object-store", "--patch", json.dumps({"spec": {"selector": {"app": "nobody"}}}))
        try:
            wait_rows(release, writer, 50)
            segments = [switch(release)]
            wait_rows(release, writer, 20)
            release.fail_over()
            wait_rows(release, writer, 20)
            segments.append(switch(release))
        finally:
            server.kubectl("patch", "service", "object-store", "--patch", json.dumps({"spec": {"selector": selector}}))
        wait_archived(release, segments[-1])
        log = writer.stop()
    archived.logs.append(log)
    assert writes.lost(log, present_ids(release, "away")) == []
    check(release)
    assert listed(release)["continuity"]["holes"] == []


@pytest.mark.thorough
def test_a_replica_that_lost_its_wal_catches_up_from_the_archive(archived: Archived) -> None:
    """Its pod is away while the primary writes, archives and removes WAL. It isn't cloned: its volume keeps its UUID."""
    release, namespace = archived.release, archived.release.namespace
    primary = release.primary()
    replica = max((pod for pod in release.pods() if pod.name != primary.name), key=lambda pod: pod.name)
    before = release.inside(replica.name, "cat", MARKER)
    for setting in KEEPS_LITTLE:
        release.ask(f"ALTER SYSTEM SET {setting}")
    release.ask("SELECT pg_reload_conf()")
    [[lacking]] = release.ask("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
    with acts.cordoned(release, replica.node):
        namespace.kubectl("delete", "pod", replica.name)
        release.ask("CREATE TABLE away (number int)")
        for number in range(SEGMENTS_AWAY):
            release.ask(f"INSERT INTO away SELECT {number} FROM generate_series(1, 1000)")
            last = switch(release)
        wait_archived(release, last)

        def is_removed() -> bool:
            release.ask("CHECKPOINT")
            return release.ask(f"SELECT count(*) FROM pg_ls_waldir() WHERE name = '{lacking}'") == [["0"]]

        release.wait(f"the primary has removed {lacking}", is_removed, ROWS_SECONDS)
    release.wait_full_strength()
    assert release.inside(replica.name, "cat", MARKER) == before
    for reason in ("CatchingUp", "CaughtUp"):
        release.wait(f"Event {reason}", lambda reason=reason: release.events(f"reason={reason}"), EVENT_SECONDS)  # type: ignore[misc]
    for setting in KEEPS_LITTLE:
        release.ask(f"ALTER SYSTEM RESET {setting.split()[0]}")
    release.ask("SELECT pg_reload_conf()")
    check(release)


def test_no_credential_of_the_archive_is_in_a_log_an_event_a_process_list_or_the_chart(archived: Archived) -> None:
    release, namespace = archived.release, archived.release.namespace
    seen = {"process list": "\n".join(archived.lines)}
    for pod in release.pods():
        for container in ("backup", "failover", "postgres"):
            seen[f"log of {pod.name}, {container}"] = namespace.kubectl("logs", pod.name, "--container", container, "--tail=-1")
            previous = namespace.try_kubectl("logs", pod.name, "--container", container, "--tail=-1", "--previous")
            seen[f"log of {pod.name}, {container}, before its restart"] = previous.out
        for container in ("backup", "postgres"):
            seen[f"processes of {pod.name}, {container}"] = release.inside(pod.name, "sh", "-c", COMMAND_LINES, container=container)
    jobs = namespace.kubectl("logs", "--selector", "app.kubernetes.io/component=backup", "--tail=-1")
    seen["logs of the backup Jobs"] = jobs
    seen["Events"] = namespace.kubectl("get", "events", "--output", "json")
    seen["pods"] = namespace.kubectl("get", "pods,jobs,cronjobs,configmaps,leases,statefulsets", "--output", "yaml")
    seen["chart"] = namespace.helm("get", "manifest", release.name) + namespace.helm("get", "values", release.name)
    assert jobs.strip(), "the logs of the backup Jobs are empty"
    found = [where for where, text in seen.items() if any(key in text for key in archived.hidden)]
    assert found == []


def test_neither_the_server_nor_the_archiver_has_a_token(archived: Archived) -> None:
    release = archived.release
    for pod in release.pods():
        for container in ("backup", "postgres"):
            assert release.try_inside(pod.name, "ls", "/var/run/secrets/kubernetes.io/serviceaccount", container=container).code != 0
