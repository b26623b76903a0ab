"""Backups, checks and questions over HTTP: signed, one at a time, stopped with their client or their primary."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from hapg_backup.__main__ import main
from hapg_backup.adapters.client import Failed, request
from hapg_backup.core.signing import HEADER, key_of, request_mac

from .backups import KEY, STANZA, Backup, Beside, encrypted_primary, follower, settled, switch
from .conftest import Make
from .harness import wait_for


def test_backups_of_every_kind_and_their_retention(archived: Backup) -> None:
    archived.configure(retention={"full": 1, "diff": 0, "days": 0})
    switch(archived.container, "one")
    archived.backup("incr")
    archived.backup("diff")
    assert [each["type"] for each in archived.info()["backups"]] == ["full", "incr", "diff"]
    archived.backup("full")
    info = archived.info()
    assert [each["type"] for each in info["backups"]] == ["full"]
    assert info["continuity"]["holes"] == []
    assert info["backups"][0]["bytes"] > info["backups"][0]["repositoryBytes"] > 0


def test_a_check_and_a_verification_find_a_hole_that_pgbackrest_does_not(archived: Backup) -> None:
    primary = archived.container
    names = [switch(primary, f"row {number}") for number in range(3)]
    settled(primary)
    for path in ("/check", "/verify"):
        code, lines = archived.ask(path)
        assert (code, lines[-1]) == (0, "the archive is whole from the oldest backup on"), lines
    [lost] = (archived.repository / "archive" / STANZA).rglob(f"{names[1]}-*")
    lost.unlink()
    for path in ("/check", "/verify"):
        code, lines = archived.ask(path)
        assert code == 1
        assert lines[-1] == f"error: missing in the archive: {names[1]}; no restore gets past it: make a full backup"
    wait_for(lambda: archived.state()["holes"] == [names[1]], "the state says so")
    assert "ha_postgres_archive_missing_segments 1\n" in metrics(archived)
    archived.configure(retention={"full": 1, "diff": 0, "days": 0})
    archived.backup("full")
    assert archived.info()["continuity"]["holes"] == []


def metrics(backup: Backup) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{backup.http}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_a_standby_makes_no_backup_and_answers_questions(make: Make, beside: Beside, archived: Backup) -> None:
    replica = follower(make, beside, "db-1", archived.container)
    code, lines = replica.ask("/backup", type="full")
    assert (code, lines) == (75, ["error: this pod's server is not the primary but standby"])
    assert [each["type"] for each in replica.info()["backups"]] == ["full"]


def test_a_backup_ends_with_its_client(archived: Backup) -> None:
    primary = archived.container
    primary.sql("create table large as select repeat(md5(i::text), 100) as text from generate_series(1, 60000) i", "checkpoint")
    archived.configure(processMax=1, compression={"type": "gz", "level": 9})
    lines: list[str] = []
    gone = threading.Event()

    def tell(line: str) -> None:
        lines.append(line)
        if "backup start archive" in line:
            gone.set()
            raise Failed("away")

    with pytest.raises(Failed, match="away"):
        request(f"http://127.0.0.1:{archived.http}", key_of(KEY), "/backup", {"type": "full"}, tell)
    assert gone.is_set()
    wait_for(lambda: not archived.state().get("running"), "the backup is stopped")
    assert len(archived.info()["backups"]) == 1
    archived.backup("full")


def test_a_backup_ends_with_the_primary_and_the_next_one_succeeds(make: Make, beside: Beside, archived: Backup) -> None:
    primary = archived.container
    replica = follower(make, beside, "db-1", primary)
    primary.sql("create table large as select repeat(md5(i::text), 100) as text from generate_series(1, 60000) i", "checkpoint")
    wait_for(lambda: replica.container.answers("select count(*) from large") == "60000", "the replica has it")
    archived.configure(compression={"type": "gz", "level": 9})
    outcome: list[int] = []
    copying = threading.Event()

    def back_up() -> None:
        def tell(line: str) -> None:
            if "backup start archive" in line:
                copying.set()

        try:
            outcome.append(request(f"http://127.0.0.1:{archived.http}", key_of(KEY), "/backup", {"type": "full"}, tell))
        except Failed:
            outcome.append(-1)

    thread = threading.Thread(target=back_up)
    thread.start()
    assert copying.wait(60)
    primary.ok("stop", "fast")
    thread.join(60)
    assert outcome
    assert outcome[0] != 0
    replica.container.ok("seal", "fast")
    replica.container.promote(5, 2)
    replica.backup("full")
    assert replica.info()["continuity"]["holes"] == []


def test_requests_have_to_be_signed_and_are_valid_once(archived: Backup) -> None:
    url = f"http://127.0.0.1:{archived.http}/info"

    def send(body: bytes, mac: str) -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, {HEADER: mac}), timeout=20) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    body = json.dumps({"time": time.time(), "nonce": "ab" * 16}).encode()
    old = json.dumps({"time": time.time() - 400, "nonce": "cd" * 16}).encode()
    key = key_of(KEY)
    assert send(body, request_mac(key_of(b"another"), "/info", body)) == 403
    assert send(body, request_mac(key, "/backup", body)) == 403
    assert send(old, request_mac(key, "/info", old)) == 403
    assert send(b"{}", request_mac(key, "/info", b"{}")) == 403
    assert send(body, request_mac(key, "/info", body)) == 200
    assert send(body, request_mac(key, "/info", body)) == 403
    (archived.key_folder / "BACKUP_KEY").unlink()
    assert send(body, request_mac(key, "/info", body)) == 503


def test_silent_clients_lock_nobody_out(archived: Backup) -> None:
    silent = [socket.create_connection(("127.0.0.1", archived.http), 10) for _ in range(40)]
    assert "ha_postgres_archive_failing 0\n" in metrics(archived)
    code, _ = archived.ask("/info")
    assert code == 0
    for connection in silent:
        connection.close()


def test_an_encrypted_repository_is_restored_with_its_pass_alone(make: Make, template: Any, beside: Beside) -> None:
    backup = encrypted_primary(make, template, beside)
    container = backup.container
    last = switch(container, "secret")
    wait_for(lambda: last in backup.archived(), "it is archived", 60)
    assert backup.info()["continuity"]["holes"] == []
    new = make("new-0")
    restored = beside(new, name="new", repository=backup.settings["repository"], restore={"stanza": "db"})
    restored.birth("99999999-0000-4000-8000-000000000009")
    new.start()
    (restored.secret / "CIPHER_PASS").write_text("another pass")
    answer = new.ask("restore")
    assert answer.result == "error"
    assert not (new.volume / "pgdata").exists()
    shutil.copy(backup.secret / "CIPHER_PASS", restored.secret / "CIPHER_PASS")
    new.ok("restore")
    new.ok("start", "hot")
    new.promote(4, 3)
    assert new.sql("select what from kept") == "secret"


def test_what_cannot_be_read_is_not_said_to_be_empty(archived: Backup) -> None:
    archived.repository.rename(archived.repository.with_name("away"))
    archived.repository.touch()
    document = archived.info()
    assert document["backups"] is None
    assert re.match(r"the repository can't be read: ", document["problem"])


def test_the_program_sends_requests_for_cron_jobs(archived: Backup, tmp_path: Any, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_bytes(KEY + b"\n")
    environment = {
        "HAPG_BACKUP_URL": f"http://127.0.0.1:{archived.http}",
        "HAPG_BACKUP_KEY_FILE": str(tmp_path / "key"),
        "HAPG_BACKUP_WAIT": "1",
    }
    assert main(["request", "incr"], environment) == 0
    assert "backup command end: completed successfully" in capfd.readouterr().out
    assert main(["request", "verify"], {**environment, "HAPG_BACKUP_URL": "http://127.0.0.1:1"}) == 75
    (tmp_path / "key").write_bytes(b"wrong")
    assert main(["request", "incr"], environment) == 78
    assert main(["request"], environment) == 64
