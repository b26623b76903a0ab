"""An archive in each kind of object store, over TLS, encrypted, with the settings that the chart writes."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hapg.operate import backups as shown
from hapg_backup.core.verification import NOTE

from . import object_stores
from .backups import STANZA, TABLE, Backup, Beside, settled, switch
from .conftest import Make
from .harness import server_user, wait_for
from .object_stores import Store
from .test_verified_restore import Scratch, record

pytestmark = pytest.mark.timeout(300)

FAILED_SECONDS = 60.0
"""A wrong key has to be reported within a minute."""
LARGE = "create table large as select gen_random_uuid() from generate_series(1, 350000)"
"""More than 6 MB, however well it is compressed: one file that pgBackRest stores in parts."""
RESOLVES = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"')
"""Runs a program with a hosts file of its own."""


@pytest.fixture(params=["s3", *(pytest.param(kind, marks=pytest.mark.thorough) for kind in ("gcs", "azure"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with getattr(object_stores, request.param)(tmp_path) as found:
        yield found


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
    cipher = {"CIPHER_PASS": cipher_pass}
    mount(backup, store.entries | cipher)
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    container.sql(TABLE, LARGE)
    backup.backup()
    last = switch(container, "in the object store", 2)
    settled(container)
    wait_for(lambda: not backup.state()["misconfigured"], "it has seen the Secrets")
    found = shown.read([json.dumps(backup.info())])
    assert (found.stanza, found.role, found.last, found.holes, shown.warnings(found)) == (STANZA, "primary", last, (), [])
    assert [each.type for each in found.sound] == ["full"]
    assert shown.table(found, "db-0", found.sound[-1].ended).splitlines()[0] == f"stanza    {STANZA}, seen by db-0 (primary)"
    with closing(Scratch(backup.root / "scratch", backup)) as scratch:
        outcome = scratch.start().verify("select count(*) = 2 from kept where what = 'in the object store'")
        assert outcome.code == 0, (outcome, scratch.said()[-3000:])
        assert record(backup)["verified"]["checks"] == ["checksums", "pg_amcheck", "query"]
        verified = scratch.said() + outcome.text
    restarted_at = time.time()
    backup.kill()
    backup.start()
    wait_for(lambda: backup.state().get("record", {}).get("verified") is not None, "the outcome of a verified restore is read", 60)
    assert 0 < restarted_at - backup.state()["archived_at"] < 600, "when the last segment was archived is the object store's"
    wait_for(lambda: [1 for name, content in store.stored() if NOTE in name or NOTE.encode() in content], "the outcome is in the store")
    assert any(b"Salted__" in content for _, content in store.stored()), "it is encrypted"
    assert not [name for name, content in store.stored() if b"in the object store" in content or b"[backrest]" in content]
    assert not [key for key in (cipher_pass, *store.secret) if key in backup.said() + verified]

    mount(backup, store.wrong | cipher)
    waiting = switch(container, "with a wrong key")
    wait_for(lambda: backup.state().get("failing"), "it says that archiving fails", FAILED_SECONDS)
    assert container.sql("insert into kept (what) values ('writes go on') returning 1") == "1"
    code, lines = backup.ask("/backup", type="full")
    assert code != 0
    wait_for(lambda: store.refusal in shown.read([json.dumps(backup.info())]).problem, "it says how the store refuses")
    found = shown.read([json.dumps(backup.info())])
    assert found.backups is None
    table = shown.table(found, "db-0", 0.0)
    assert "restore   unknown, because the repository can't be read\n" in table
    assert "warning: archiving fails: " in table
    said = [*lines, backup.said(), json.dumps(backup.state()), shown.failure(code, lines[-1]), table]
    assert not [key for key in (cipher_pass, *store.secret) if key in "\n".join(said)]

    mount(backup, store.entries | cipher)
    settled(container, timeout=120.0)
    wait_for(lambda: not backup.state().get("failing"), "it says that archiving works again")
    found = shown.read([json.dumps(backup.info())])
    assert found.last >= waiting
    assert found.holes == ()


@pytest.mark.thorough
def test_an_archive_in_azure_where_the_account_is_part_of_the_host_name(make: Make, template: Path, beside: Beside, tmp_path: Path) -> None:
    """As in Azure itself; the certificate is for that name."""
    with object_stores.azure(tmp_path, "host") as store:
        container = make("db-0")
        container.take_data_of(template)
        backup = beside(container, **store.settings())
        backup.kill()
        hosts = tmp_path / "hosts"
        hosts.write_text(f"127.0.0.1 {object_stores.ACCOUNT}.{store.endpoint.partition(':')[0]}\n")
        backup.around = (*RESOLVES, str(hosts))
        mount(backup, store.entries | {"CIPHER_PASS": secrets.token_hex(16)})
        backup.start()
        container.start()
        container.ok("start", "hot")
        container.promote(2, 1)
        container.sql(TABLE)
        backup.backup()
        last = switch(container, "by host name")
        settled(container)
        found = shown.read([json.dumps(backup.info())])
        assert (found.last, found.holes, len(found.sound)) == (last, (), 1)


@pytest.mark.thorough
def test_a_broken_key_for_an_archive_in_google_cloud_is_named_and_not_quoted(
    make: Make, template: Path, beside: Beside, tmp_path: Path
) -> None:
    with object_stores.gcs(tmp_path) as store:
        container = make("db-0")
        container.take_data_of(template)
        backup = beside(container, **store.settings())
        container.start()
        container.ok("start", "hot")
        container.promote(2, 1)
        key = store.entries["GOOGLE_SERVICE_ACCOUNT_JSON_KEY"]
        mount(backup, {**store.entries, "CIPHER_PASS": "a long pass", "GOOGLE_SERVICE_ACCOUNT_JSON_KEY": key.rstrip().removesuffix("}")})
        wait_for(lambda: "it is not JSON" in backup.state().get("misconfigured", ""), "it says so", 30)
        code, lines = backup.ask("/backup", type="full")
        assert code == 78
        assert "GOOGLE_SERVICE_ACCOUNT_JSON_KEY in the repository's Secret is not the JSON key of a service account" in lines[-1]
        assert not [text for text in store.secret if text in "\n".join([*lines, backup.said(), json.dumps(backup.state())])]
        mount(backup, store.entries)
        backup.backup()
