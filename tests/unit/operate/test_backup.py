"""hapg backup and hapg restore: their output, what they ask of the pods, and their exit codes."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hapg.cli import main
from hapg.operate import arguments, backups
from hapg.operate.backups import Archive
from hapg.operate.release import OperateError
from hapg.operate.restoring import Target, check_target
from tests.unit.operate.conftest import HELD, REPOSITORY, FakeCluster, archiving, lease, pod

FULL = {
    "label": "20261201-010000F",
    "type": "full",
    "startedAt": 1796086800,
    "endedAt": 1796086808,
    "timeline": 1,
    "startLsn": "0/2000028",
    "stopLsn": "0/2000100",
    "startWal": "000000010000000000000002",
    "stopWal": "000000010000000000000002",
    "bytes": 171_000_000,
    "repositoryBytes": 9_500_000,
    "error": False,
    "reference": [],
}
DOCUMENT: dict[str, Any] = {
    "stanza": "pg-1a2b3c4d",
    "role": "primary",
    "problem": "",
    "archiving": {
        "lastArchived": "000000010000000000000007",
        "lastArchivedAt": 1796090400.0,
        "failing": "",
        "failingSince": None,
        "waiting": 0,
        "oldestWaitingSeconds": 0.0,
    },
    "backups": [FULL],
    "archive": {"timeline": 1, "first": "000000010000000000000001", "last": "000000010000000000000007"},
    "continuity": {"checkedAt": 1796090400.0, "from": "000000010000000000000001", "to": "000000010000000000000007", "holes": []},
}
STATEFUL_SET: dict[str, Any] = {
    "metadata": {"name": "pg", "labels": {"helm.sh/chart": "ha-postgres-15.0.0"}},
    "spec": {
        "template": {
            "spec": {
                "volumes": [
                    {"name": "config", "configMap": {"name": "pg-config"}},
                    {
                        "name": "repository-credentials",
                        "projected": {
                            "sources": [
                                {"secret": {"name": "s3-secret", "optional": True}},
                                {"secret": {"name": "cipher", "items": [{"key": "CIPHER_PASS", "path": "CIPHER_PASS"}]}},
                            ]
                        },
                    },
                ]
            }
        },
        "volumeClaimTemplates": [
            {"metadata": {"name": "data"}, "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "20Gi"}}}},
            {"metadata": {"name": "wal"}, "spec": {"resources": {"requests": {"storage": "4Gi"}}}},
        ],
    },
}


def document(**changes: Any) -> list[str]:
    return [json.dumps({**DOCUMENT, **changes})]


def archive(**changes: Any) -> Archive:
    return backups.read(document(**changes))


def archived(**changes: Any) -> Archive:
    return archive(archiving={**DOCUMENT["archiving"], **changes})


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    found = FakeCluster(config=archiving(), stateful_set=STATEFUL_SET, answers={"info": (0, document())})
    monkeypatch.setattr(arguments, "cluster", lambda options: found)
    monkeypatch.setattr("hapg.operate.waiting.look", lambda cluster, name: found.read())
    return found


def test_the_list_of_backups() -> None:
    assert backups.table(archive(), "pg-0", 1796090412.0).splitlines() == [
        "stanza    pg-1a2b3c4d, seen by pg-0 (primary)",
        "archived  000000010000000000000007, 12 s ago; 0 segments wait",
        "restore   any point from 2026-12-01 01:00:08+00 on",
        "verified  no restore yet",
        "",
        "LABEL             TYPE  STARTED                 SECONDS  SIZE    STORED  TIMELINE  END",
        "20261201-010000F  full  2026-12-01 01:00:00+00  8        171 MB  10 MB   1         0/2000100",
    ]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (archive(backups=[]), "there is no backup, so nothing can be restored; `hapg backup now` takes one"),
        (archive(backups=[{**FULL, "error": True}]), "there is no backup, so nothing can be restored; `hapg backup now` takes one"),
        (archived(failing="403 Forbidden"), "archiving fails: 403 Forbidden"),
        (archived(waiting=4, oldestWaitingSeconds=301.0), "4 segments wait to be archived, the oldest for 301 s"),
        (archive(problem="CIPHER_PASS is missing"), "CIPHER_PASS is missing"),
        (
            archive(verification={"verified": None, "failed": {"endedAt": 1796090400, "failure": "the query returned f instead of true"}}),
            "a restore was not verified, 2026-12-01 02:00:00+00: the query returned f instead of true",
        ),
        (
            archive(continuity={"holes": ["a to b"]}),
            "the archive has holes: a to b; take a full backup now, because no restore gets past them",
        ),
    ],
)
def test_trouble_of_an_archive_is_a_warning(found: Archive, sentence: str) -> None:
    assert backups.warnings(found) == [sentence]
    assert backups.table(found, "pg-0", 0.0).splitlines()[-1] == f"warning: {sentence}"


def test_after_a_major_upgrade_the_list_tells_the_backups_of_the_former_major() -> None:
    former = {**FULL, "version": "15"}
    found = archive(major="17", backups=[former])
    assert backups.table(found, "pg-0", 1796090412.0).splitlines()[6].split("  ")[1] == "full of PostgreSQL 15"
    assert backups.warnings(found) == ["there is no backup of PostgreSQL 17, so nothing can be restored; `hapg backup now` takes one"]
    both = archive(major="17", backups=[former, {**FULL, "version": "17", "endedAt": 1796090400}])
    assert "restore   any point from 2026-12-01 02:00:00+00 on" in backups.table(both, "pg-0", 1796090412.0)


def test_the_list_of_backups_names_the_last_verified_restore() -> None:
    verified = {
        "endedAt": 1796090400, "failure": "", "backup": "20261201-010000F", "timeline": 1, "lsn": "0/7000000", "bytes": 1,
        "restoreSeconds": 4.0, "replaySeconds": 7.0, "checkSeconds": 2.0, "bytesPerSecond": 1, "checks": ["checksums", "pg_amcheck"],
    }  # fmt: skip
    lines = backups.table(archive(verification={"verified": verified, "failed": None}), "pg-0", 0.0).splitlines()
    assert lines[3] == (
        "verified  restore of 20261201-010000F up to 0/7000000, 2026-12-01 02:00:00+00, in 11 s; checked: checksums, pg_amcheck"
    )


def test_what_an_archive_that_cannot_be_read_holds_is_unknown() -> None:
    found = archive(backups=None, archive=None, continuity=None, problem="the repository can't be read: 403 Forbidden")
    assert backups.warnings(found) == ["the repository can't be read: 403 Forbidden"]
    assert "restore   unknown, because the repository can't be read\n" in backups.table(found, "pg-0", 0.0)
    with pytest.raises(OperateError, match="pg-1a2b3c4d: the repository can't be read: 403 Forbidden, so nothing can be restored from it"):
        check_target(Target(), found)


def test_the_last_archived_segment_is_the_archives_if_the_container_has_archived_none() -> None:
    assert archived(lastArchived="").last == "000000010000000000000007"


def test_an_archive_without_anything_to_say_has_no_warnings() -> None:
    assert backups.warnings(archive()) == []


@pytest.mark.parametrize("lines", [[], ["Traceback"], ['{"stanza": "x"}']])
def test_an_answer_that_describes_no_archive_is_an_error(lines: list[str]) -> None:
    with pytest.raises(OperateError, match="gave no description of the archive"):
        backups.read(lines)


def test_backups_are_listed_by_the_primary(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "list", "pg"]) == 0
    assert capsys.readouterr().out.startswith("stanza    pg-1a2b3c4d, seen by pg-0 (primary)\n")
    assert main(["backup", "list", "pg", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == DOCUMENT
    assert cluster.executed == [("pg-0", "info")] * 2


def test_without_a_primary_another_pod_lists_the_backups(cluster: FakeCluster) -> None:
    cluster.lease, cluster.pods = lease(age=60.0), [pod(1, ready=False), pod(2)]
    assert main(["backup", "list", "pg"]) == 0
    assert cluster.executed == [("pg-2", "info")]


@pytest.mark.parametrize(("options", "type"), [((), "incr"), (("--type", "full"), "full")])
def test_a_backup_now_shows_its_progress(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], type: str
) -> None:
    cluster.answers[type] = (0, ["INFO: backup command begin", "INFO: new backup label = 20261201-010000F"])
    assert main(["backup", "now", "pg", *options]) == 0
    captured = capsys.readouterr()
    assert captured.out == "backup 20261201-010000F is done\n"
    assert captured.err == "asked pg-0\nINFO: backup command begin\nINFO: new backup label = 20261201-010000F\n"
    assert cluster.executed == [("pg-0", type), ("pg-0", "info")]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (75, "not possible now: busy; try again once the release has a primary and no other backup runs"),
        (78, "the archiver's configuration is wrong: busy; correct its values or its Secret"),
        (103, "failed with exit code 103: busy"),
    ],
)
def test_a_backup_that_fails_says_why(cluster: FakeCluster, capsys: pytest.CaptureFixture[str], code: int, sentence: str) -> None:
    cluster.answers["incr"] = (code, ["busy", ""])
    assert main(["backup", "now", "pg"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(f"error: incr on pg-0: {sentence}\n")


@pytest.mark.parametrize("verb", ["now", "check", "verify"])
def test_a_backup_needs_a_primary(cluster: FakeCluster, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    cluster.lease = lease(age=60.0)
    assert main(["backup", verb, "pg"]) == 1
    assert capsys.readouterr().err == "error: pg has no primary, which alone can do this; see `hapg status`\n"
    assert cluster.executed == []


@pytest.mark.parametrize("verb", ["check", "verify"])
def test_a_check_of_the_archive(cluster: FakeCluster, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    cluster.answers[verb] = (0, [])
    assert main(["backup", verb, "pg"]) == 0
    assert capsys.readouterr().out == "pg-1a2b3c4d: no WAL is missing, and the last archived segment is 000000010000000000000007\n"
    cluster.answers[verb] = (1, ["hole: a to b"])
    assert main(["backup", verb, "pg"]) == 1


@pytest.mark.parametrize("command", [["backup", "list", "pg"], ["backup", "now", "pg"], ["restore", "pg", "--as", "new"]])
def test_a_release_without_an_archive_is_refused(cluster: FakeCluster, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    cluster.config = archiving(None)
    assert main(command) == 1
    assert capsys.readouterr().err == "error: release pg has no archive; set the value archiver.type\n"
    assert cluster.executed == []


# --- restore ---


def test_a_restore_writes_the_values_of_a_new_release(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore", "pg", "--as", "new", "--time", "2026-12-01 02:00:00+00"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(
        "# Restores pg-1a2b3c4d to time 2026-12-01 02:00:00+00, into the new release new. Made by `hapg restore pg`.\n"
    )
    assert "chart ha-postgres-15.0.0;" in captured.out
    repository = {**REPOSITORY, "secretName": "s3-secret", "cipherSecretName": "cipher"}
    assert yaml.safe_load(captured.out) == {
        "fullnameOverride": "new",
        "restore": {
            "enabled": True,
            "stanza": "pg-1a2b3c4d",
            "source": repository,
            "target": {"type": "time", "value": "2026-12-01 02:00:00+00"},
        },
        "archiver": repository,
        "storage": {"storageClassName": "fast", "resources": {"requests": {"storage": "20Gi"}}},
        "walVolume": {"enabled": True, "size": "4Gi"},
    }


def test_a_restore_from_a_shared_volume(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.config = archiving({"type": "local", "path": "/repository/ha-postgres/demo", "encryption": False})
    volumes = [{"name": "repository", "persistentVolumeClaim": {"claimName": "archive"}}]
    cluster.stateful_set = {"metadata": {}, "spec": {"template": {"spec": {"volumes": volumes}}}}
    assert main(["restore", "pg", "--as", "new"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert found["archiver"] == found["restore"]["source"] == {"type": "posix", "claimName": "archive", "path": "/ha-postgres/demo"}
    assert found["restore"]["target"] == {"type": "latest"}


def test_a_restore_is_never_in_place(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore", "pg", "--as", "pg"]) == 2
    assert capsys.readouterr().err == (
        "error: --as pg: is the release itself; a restore makes a new release, never in place, so choose another name\n"
    )
    assert cluster.executed == []


def of_new(**changes: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """The Lease of a release `new` beside pg."""
    return {("lease", "new"): lease(replace(HELD, **changes))}


def test_a_second_restore_under_the_name_of_the_first_is_refused(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Uninstalled, the first one keeps its data, and would go on with that."""
    cluster.others = of_new()
    assert main(["restore", "pg", "--as", "new"]) == 1
    assert capsys.readouterr() == (
        "",
        "error: --as new: there is a release of that name in namespace demo, installed or dormant, and nothing is restored where there is "
        "data; choose another name, or uninstall it and delete its data first (`hapg wipe new`)\n",
    )
    cluster.others["lease", "new"]["metadata"]["annotations"]["ha-postgres/state"] = "{"
    assert main(["restore", "pg", "--as", "new"]) == 1
    assert "error: --as new: Lease new in namespace demo can't be read: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "others",
    [of_new(system_identifier=None), {("lease", "new"): {"metadata": {"name": "new"}}}],
    ids=["a restore that has not succeeded yet", "somebody else's Lease"],
)
def test_a_restore_whose_name_has_no_data_may_be_written_again(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], others: dict[tuple[str, str], dict[str, Any]]
) -> None:
    cluster.others = others
    assert main(["restore", "pg", "--as", "new"]) == 0
    assert capsys.readouterr().err == ""


def test_a_restore_by_somebody_who_may_not_look_for_its_name_says_so(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.forbidden = {("lease", "new")}
    assert main(["restore", "pg", "--as", "new"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "it was not checked whether there is a release new already: kubectl get lease new: forbidden\n"
    assert yaml.safe_load(captured.out)["fullnameOverride"] == "new"


@pytest.mark.parametrize(
    ("code", "target", "sentence"),
    [
        (2, ("--time", "yesterday"), "--time 'yesterday': not a time with its offset from UTC, such as 2026-12-01 10:00:00+00"),
        (2, ("--time", "2026-12-01 10:00:00"), "--time '2026-12-01 10:00:00': not a time with its offset from UTC"),
        (2, ("--lsn", "3000148"), "--lsn '3000148': not a WAL position, such as 0/3000148"),
        (2, ("--backup", "latest"), "--backup 'latest': not the label of a backup, such as 20261201-010000F"),
        (1, ("--backup", "20261130-010000F"), "--backup 20261130-010000F: not found in pg-1a2b3c4d, which has 20261201-010000F"),
        (
            1,
            ("--time", "2026-12-01 01:00:00+00"),
            "--time 2026-12-01 01:00:00+00: before the end of the first backup, 2026-12-01 01:00:08+00, so it can't be restored",
        ),
        (1, ("--time", "2026-12-01T02:00:07+01"), "--time 2026-12-01T02:00:07+01: before the end of the first backup"),
    ],
)
def test_a_restore_to_a_point_that_does_not_exist_is_refused(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], code: int, target: tuple[str, str], sentence: str
) -> None:
    assert main(["restore", "pg", "--as", "new", *target]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {sentence}")


@pytest.mark.parametrize("value", ["2026-12-01 01:00:08Z", "2026-12-01 01:00:08.5+00", "2026-12-01T02:00:09+01:00", "2027-01-01 00:00+00"])
def test_a_restore_to_a_time_after_the_first_backup_is_taken(value: str) -> None:
    check_target(Target("time", value), archive())


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        ((), "of the same PostgreSQL major"),
        (("--backup", FULL["label"]), "of PostgreSQL 15, which that backup is of"),
        (("--time", "2026-12-01 01:30:00+00"), "of PostgreSQL 15, which that backup is of"),
        (("--time", "2026-12-01 02:30:00+00"), "of the same PostgreSQL major"),
    ],
)
def test_a_restore_to_a_point_before_a_major_upgrade_names_the_major_of_the_chart(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], target: tuple[str, ...], needed: str
) -> None:
    both = [{**FULL, "version": "15"}, {**FULL, "label": "20261201-020000F", "version": "17", "endedAt": 1796090400}]
    cluster.answers = {"info": (0, document(major="17", backups=both))}
    assert main(["restore", "pg", "--as", "new", *target]) == 0
    assert f"take one {needed}:" in capsys.readouterr().out


def test_a_restore_to_the_end_needs_a_backup_of_the_major_after_an_upgrade() -> None:
    with pytest.raises(OperateError, match="there is no backup of PostgreSQL 17 yet; take one"):
        check_target(Target(), archive(major="17", backups=[{**FULL, "version": "15"}]))


def test_a_restore_without_any_backup_is_refused() -> None:
    with pytest.raises(OperateError, match="pg-1a2b3c4d: there is no backup, so nothing can be restored"):
        check_target(Target(), archive(backups=[]))


def test_a_restore_of_a_release_that_is_down_is_written_unchecked(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.pods = []
    assert main(["restore", "pg", "--as", "new"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "pg has no pods, so the target was not checked against its archive\n"
    assert yaml.safe_load(captured.out)["restore"]["stanza"] == "pg-1a2b3c4d"


def test_a_restore_replaces_no_file(cluster: FakeCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "new.yaml"
    command = ["restore", "pg", "--as", "new", "-o", str(target)]
    assert main(command) == 0
    before = target.read_text()
    assert yaml.safe_load(before)["fullnameOverride"] == "new"
    assert main(command) == 1
    assert capsys.readouterr().err == f"error: {target}: already exists; nothing was written\n"
    assert target.read_text() == before


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [(KeyboardInterrupt(), 130, "interrupted"), (OSError(28, "No space left on device"), 1, "can't be written: No space left on device")],
)
def test_a_restore_whose_file_is_not_written_leaves_none(
    cluster: FakeCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
    code: int,
    words: str,
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise failure

    target = tmp_path / "new.yaml"
    command = ["restore", "pg", "--as", "new", "-o", str(target)]

    def opened(path: Path, *_: object, **__: object) -> Full:
        path.touch(exist_ok=False)
        return Full()

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", opened)
        assert main(command) == code
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main(command) == 0
