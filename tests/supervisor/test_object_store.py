"""An archive in an object store: versitygw over TLS, with the settings that the chart writes, encrypted."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hapg.operate import backups as shown
from hapg_backup.core.verification import NOTE, Verification, fields
from tests.chart import helm
from tests.cluster import builds
from tests.robustness.certificates import Authority

from .backups import STANZA, TABLE, Backup, settled, switch
from .conftest import Make
from .harness import free_port, server_user, wait_for

pytestmark = pytest.mark.timeout(300)

Beside = Callable[..., Backup]
HOST = "localhost"
FAILED_SECONDS = 60.0
"""A wrong key has to be reported within a minute."""


@dataclass(frozen=True)
class Store:
    """An S3 server on this machine, the authority of its certificate, its only account, and its folder."""

    port: int
    authority: str
    access_key: str
    secret_key: str
    folder: Path

    def settings(self) -> dict[str, Any]:
        """What the chart writes into backup.json for an archive here."""
        given = {"type": "s3", "bucket": "backups", "endpoint": f"{HOST}:{self.port}", "uriStyle": "path", "secretName": "s"}
        values = {f"archiver.{key}": value for key, value in {**given, "cipherSecretName": "c", "path": "/tests"}.items()}
        data = helm.objects(*helm.values({**values, "fullnameOverride": "db"}))["ConfigMap", "db-config"]["data"]
        found: dict[str, Any] = json.loads(data["backup.json"])
        return found

    def credentials(self, cipher_pass: str, secret_key: str = "") -> dict[str, str]:
        """The entries of the Secrets, as the pod's volume shows them."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key or self.secret_key,
            "CA_CERT_DATA": self.authority,
            "CIPHER_PASS": cipher_pass,
        }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """versitygw, as tests.robustness.object_store runs it in a pod."""
    folder = tmp_path_factory.mktemp("store")
    authority = Authority(folder, "store")
    authority.secret("unused", HOST)
    for name in ("buckets/backups", "metadata"):
        (folder / name).mkdir(parents=True)
    found = Store(free_port(), authority.certificate, secrets.token_hex(16), secrets.token_hex(16), folder)
    program = builds.ensure(builds.OBJECT_STORE_BUILDS)["versitygw"]
    words = ["--port", f"127.0.0.1:{found.port}", "--cert", f"{folder}/server.crt", "--key", f"{folder}/server.key", "--quiet"]
    keys = {"ROOT_ACCESS_KEY_ID": found.access_key, "ROOT_SECRET_ACCESS_KEY": found.secret_key}
    argv = ["setpriv", "--pdeathsig", "KILL", str(program), *words, "posix", "--sidecar", f"{folder}/metadata", f"{folder}/buckets"]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, env=keys, stdout=log, stderr=log) as process:
        yield found
        process.kill()


def mount(backup: Backup, entries: dict[str, str]) -> None:
    """Put the entries of Secrets where the container reads them, as kubelet does."""
    for name, text in entries.items():
        path = backup.secret / name
        path.write_text(text)
        path.chmod(0o400)
        subprocess.run(["chown", ":".join(map(str, server_user())), str(path)], check=True)


def test_an_archive_and_its_backups_in_an_object_store(make: Make, template: Path, beside: Beside, store: Store) -> None:
    """With TLS and encryption; nothing is stored in clear text, and no credential is in a log."""
    cipher_pass = secrets.token_hex(16)
    container = make("db-0")
    container.take_data_of(template)
    backup = beside(container, **store.settings())
    mount(backup, store.credentials(cipher_pass))
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    container.sql(TABLE)
    backup.backup()
    last = switch(container, "in the object store", 2)
    settled(container)
    wait_for(lambda: not backup.state()["misconfigured"], "it has seen the Secrets")
    found = shown.read([json.dumps(backup.info())])
    assert (found.stanza, found.role, found.last, found.holes, shown.warnings(found)) == (STANZA, "primary", last, (), [])
    assert [each.type for each in found.sound] == ["full"]
    assert shown.table(found, "db-0", found.sound[-1].ended).splitlines()[0] == f"stanza    {STANZA}, seen by db-0 (primary)"
    report = fields(Verification(time.time(), "15", "", found.sound[-1].label, 2, "0/3000000", checks=("query",)))
    assert backup.ask("/verified", stanza=STANZA, **report)[0] == 0
    restarted_at = time.time()
    backup.kill()
    backup.start()
    wait_for(lambda: backup.state().get("record", {}).get("verified") is not None, "the outcome of a verified restore is read", 60)
    assert 0 < restarted_at - backup.state()["archived_at"] < 600, "when the last segment was archived is the object store's"
    stored = [path for path in (store.folder / "buckets" / "backups" / "tests").rglob("*") if path.is_file()]
    assert NOTE in [path.name for path in stored]
    assert not [path for path in stored if b"in the object store" in path.read_bytes()]
    assert not [key for key in (cipher_pass, store.secret_key) if key in backup.said()]

    wrong = secrets.token_hex(16)
    mount(backup, store.credentials(cipher_pass, wrong))
    waiting = switch(container, "with a wrong key")
    wait_for(lambda: backup.state().get("failing"), "it says that archiving fails", FAILED_SECONDS)
    assert container.sql("insert into kept (what) values ('writes go on') returning 1") == "1"
    code, lines = backup.ask("/backup", type="full")
    assert code != 0
    found = shown.read([json.dumps(backup.info())])
    assert found.backups is None
    assert "403 (Forbidden)" in found.problem
    table = shown.table(found, "db-0", 0.0)
    assert "restore   unknown, because the repository can't be read\n" in table
    assert "warning: archiving fails: " in table
    said = [*lines, backup.said(), json.dumps(backup.state()), shown.failure(code, lines[-1]), table]
    assert not [key for key in (cipher_pass, store.secret_key, wrong) if key in "\n".join(said)]

    mount(backup, store.credentials(cipher_pass))
    settled(container, timeout=120.0)
    wait_for(lambda: not backup.state().get("failing"), "it says that archiving works again")
    found = shown.read([json.dumps(backup.info())])
    assert found.last >= waiting
    assert found.holes == ()
