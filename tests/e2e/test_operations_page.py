"""docs/operations.md is followed on one release, in its order and words: each printed command is run as it stands there.

The commands that need another release than this one are followed where there is one: archive, backup and restore in test_archiver.py and
test_archive.py, the others in test_clone_from.py, test_dormant.py, test_import.py, test_import_logical.py, test_page.py, test_resize.py
and test_switchover.py. tests/unit/test_printed_commands.py holds that none is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.cluster.fixtures import Cluster
from tests.e2e import printed
from tests.robustness import programs
from tests.robustness.certificates import Authority
from tests.robustness.release import Release

pytestmark = [pytest.mark.cluster, pytest.mark.pages, pytest.mark.thorough, pytest.mark.timeout(600)]

MY_TLS = "my-own-tls"
STOP_SECONDS = 180.0
ROLL_SECONDS = 240.0
EVENT_SECONDS = 150.0


@dataclass(frozen=True)
class Reader:
    """Somebody who reads the page and has a release. values: the path of their my-values.yaml."""

    release: Release
    values: Path

    def does(self, line: str) -> str:
        """Run a printed command line, which has to succeed; return its output."""
        return printed.run(line, printed.names(self.release) | {"my-values.yaml": str(self.values), "MY-TLS": MY_TLS})


@pytest.fixture(scope="module")
def reader(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader whose release is installed by the first test."""
    values = printed.my_values(tmp_path_factory.mktemp("reader"))
    with programs.namespace("e2e-reader") as namespace:
        yield Reader(Release(namespace), values)


def test_install(reader: Reader) -> None:
    [install] = printed.commands("## Install")
    reader.does(install)
    reader.release.settle()


def test_connect(reader: Reader) -> None:
    [shows_password] = printed.commands("## Connect")
    password = reader.does(shows_password)
    done = reader.release.client.try_psql("SELECT 1", setup=f"export PGPASSWORD='{password}'")
    assert (done.code, len(password) >= 20) == (0, True), done.text


def test_change_a_password(reader: Reader) -> None:
    [patch] = printed.commands("### Change a password")
    reader.does(patch)
    reader.release.look_again()
    reader.release.wait("Event RoleChanged", lambda: reader.release.events("reason=RoleChanged"), EVENT_SECONDS)
    with_it = partial(reader.release.client.try_psql, "SELECT 1", setup="export PGPASSWORD=another")
    reader.release.wait("the new password is the one", lambda: with_it().code == 0, EVENT_SECONDS)
    reader.release.namespace.kubectl("delete", "pod", *(client.name for client in reader.release.clients))
    reader.release.add_clients()


def test_status(reader: Reader) -> None:
    human, machine, pods, lease, events, log = map(reader.does, printed.commands("## Status"))
    for pod in reader.release.pods():
        assert pod.name in human
        assert any(line.split()[0] == pod.name and line.split()[-1] == pod.role for line in pods.splitlines()[1:])
    primary = reader.release.primary().name
    assert json.loads(machine)["lease"]["holder"] == primary
    assert primary in yaml.safe_load(lease)["spec"]["holderIdentity"]
    assert "Promoted" in events
    assert all("reason" in json.loads(line) for line in log.splitlines() if '"decision"' in line)


def test_switchover(reader: Reader) -> None:
    anywhere, to_the_last = printed.commands("## Switchover")
    if reader.release.primary().name == "ha-postgres-2":
        reader.does(anywhere)
        reader.release.wait_full_strength()
    reader.does(to_the_last)
    assert reader.release.primary().name == "ha-postgres-2"
    reader.release.wait_full_strength()
    reader.does(anywhere)
    assert reader.release.primary().name != "ha-postgres-2"
    reader.release.wait_full_strength()


def test_scale(reader: Reader) -> None:
    [to_five] = printed.commands("## Scale")
    release = reader.release
    reader.does(to_five)
    release.replicas = 5
    release.look_again()
    release.wait_full_strength(ROLL_SECONDS)
    assert len(release.replication()) == 4
    reader.does(to_five.replace("replicas=5", "replicas=3"))
    release.replicas = 3
    release.look_again()
    release.wait_full_strength(ROLL_SECONDS)


def test_change_and_upgrade(reader: Reader) -> None:
    [upgrade] = printed.commands("## Change and upgrade")
    values = yaml.safe_load(reader.values.read_text(encoding="utf-8"))
    values["postgresql"] = {"parameters": {"work_mem": "5MB"}}
    reader.values.write_text(yaml.safe_dump(values), encoding="utf-8")
    reader.does(upgrade)
    reader.release.look_again()
    reader.release.wait("it is in effect", lambda: reader.release.ask_inside("SHOW work_mem") == "5MB", EVENT_SECONDS)
    reader.release.wait_full_strength()


def test_tls(reader: Reader) -> None:
    allow, require = printed.commands("## TLS")
    release = reader.release
    release.namespace.apply(Authority(reader.values.parent, "own").secret(MY_TLS, f"{release.name}.{release.namespace.name}"))
    for line in (allow, require):
        before = {pod.uid for pod in release.pods()}
        reader.does(line)
        release.wait("all pods are new", lambda before=before: not before & {pod.uid for pod in release.pods()}, ROLL_SECONDS)  # type: ignore[misc]
        release.wait_serving(ROLL_SECONDS)
        assert release.ask_inside("SHOW ssl") == "on"
    over_tls = "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl"
    release.wait("all replicas stream over TLS", lambda: release.ask_inside(over_tls) == "2", ROLL_SECONDS)


def test_a_volume_that_was_made_for_another_claim(reader: Reader) -> None:
    accept, again = printed.commands("## Snapshots and copies of volumes")
    release = reader.release
    pod = release.pod(f"{release.name}-0")
    owner = f"{release.namespace.name}/{pod.name}"
    assert owner in release.marker(pod.name)
    release.inside(pod.name, "sed", "--in-place", f"s#{owner}#elsewhere/other-0#", "/var/lib/postgresql/data/volume")
    reader.does(accept)
    reader.does(again)
    release.wait("Event VolumeAdopted", lambda: pod.name in release.latest("VolumeAdopted"), STOP_SECONDS)
    release.wait_serving(ROLL_SECONDS)
    assert owner in release.marker(pod.name)


def test_pause(reader: Reader) -> None:
    pause, resume = printed.commands("### Pause")
    release = reader.release
    release.wait_serving(ROLL_SECONDS)
    reader.does(pause)
    release.wait("the pods are gone", lambda: not release.pods(), STOP_SECONDS)
    reader.does(resume)
    release.wait_serving(ROLL_SECONDS)


def test_uninstall_and_the_data(reader: Reader) -> None:
    uninstall, listed = printed.commands("### Uninstall, and the data")
    [install] = printed.commands("## Install")
    release = reader.release
    release.run_inside(release.primary(), "CREATE TABLE kept AS SELECT 1 AS number")
    reader.does(uninstall)
    release.wait("the pods are gone", lambda: not release.pods(), STOP_SECONDS)
    assert release.name in reader.does(listed)
    reader.does(install)
    release.wait_serving(ROLL_SECONDS)
    assert release.ask_inside("SELECT number FROM kept") == "1"


def test_wipe(reader: Reader) -> None:
    wipe, all_in_one, uninstall = printed.commands("### Wipe")
    [install] = printed.commands("## Install")
    release = reader.release
    release.namespace.helm("uninstall", release.name)
    release.wait("the pods are gone", lambda: not release.pods(), STOP_SECONDS)
    reader.does(f"{wipe} --yes NAME")
    left = partial(release.namespace.kubectl, "get", "persistentvolumeclaims,leases,statefulsets,services", "--output", "name")
    assert left().split() == []
    reader.does(install)
    release.wait_serving(ROLL_SECONDS)
    reader.does(all_in_one)
    reader.does(uninstall)
    assert left().split() == []
