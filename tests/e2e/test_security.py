"""No password of a release is anywhere but in its Secrets: not in logs, Events, process titles, environments, what Helm keeps, what the
agents serve, or what hapg prints.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.cluster import chosen, nodes, process
from tests.cluster.fixtures import Cluster
from tests.robustness.release import Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

SECRETS = {
    "ha-postgres-auth": ("POSTGRES_PASSWORD",),
    "ha-postgres-replication": ("REPLICATION_PASSWORD",),
    "ha-postgres-app": ("password",),
}
CONTAINERS = ("prepare", "failover", "postgres")
RUNNING = ("failover", "postgres")
PAGES = {"/readyz": "200", "/livez": "200", "/metrics": "ha_postgres_"}
"""What the agents serve, each with a part of the answer."""
ASK = r"exec 3<>/dev/tcp/{}/8008; printf 'GET {} HTTP/1.0\r\n\r\n' >&3; cat <&3"
STATEMENT = "SELECT 'seen in the log'"
OPTIONS = ("--set", "app.database=orders,postgresql.parameters.log_statement=all,postgresql.parameters.log_connections=on")


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release with an application's database, whose servers log every statement and login, after a failover and a query."""
    with installed("e2e-security", *OPTIONS) as release:
        release.wait("the application's Secret", lambda: release.namespace.try_kubectl("get", "secret", "ha-postgres-app").code == 0, 60)
        release.fail_over()
        release.client.sql(STATEMENT)
        yield release


@pytest.fixture(scope="module")
def passwords(release: Release) -> list[str]:
    """All passwords, as they are and as a Secret has them."""
    found = [release.namespace.get("secret", name)["data"][key] for name, keys in SECRETS.items() for key in keys]
    assert len(set(found)) == len(SECRETS)
    return [*found, *(base64.b64decode(each).decode() for each in found)]


def assert_none(passwords: list[str], said: str, where: str) -> None:
    """Fail if `said` has a password or a verifier of one; the passwords themselves are not printed."""
    assert said, where
    assert sum(password in said for password in passwords) == 0, f"a password is in {where}"
    assert "SCRAM-SHA-256$" not in said, f"a verifier is in {where}"


@pytest.mark.thorough
def test_security_root_file_systems_are_read_only(release: Release) -> None:
    for pod in release.pods():
        for container in RUNNING:
            written = release.try_inside(pod.name, "bash", "-c", "echo 1 >/etc/hapg-probe", container=container)
            assert "Read-only file system" in written.err


def test_security_no_password_is_in_a_log(release: Release, passwords: list[str]) -> None:
    logs = ""
    for pod in release.pods():
        for container in CONTAINERS:
            logs += release.namespace.kubectl("logs", pod.name, "--container", container)
    assert STATEMENT in logs
    assert_none(passwords, logs, "a log")


def test_security_no_password_is_in_an_event(release: Release, passwords: list[str]) -> None:
    events = release.namespace.kubectl("get", "events", "--output", "yaml")
    assert "Promoted" in events
    assert_none(passwords, events, "an Event")


def test_security_no_password_is_in_an_object_that_is_no_secret(release: Release, passwords: list[str]) -> None:
    kinds = "statefulsets,pods,configmaps,leases,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets"
    objects = release.namespace.kubectl("get", kinds, "--output", "yaml")
    assert "ha-postgres/state" in objects
    assert_none(passwords, objects, "an object")


def test_security_no_password_is_in_a_process_title_or_an_environment(release: Release, passwords: list[str]) -> None:
    if not chosen.is_local():
        pytest.skip("the processes of other clusters are not seen from here")
    titles = ""
    for pod in release.pods():
        for container in RUNNING:
            pids = [each.pid for each in nodes.processes(release.namespace.name, pod.name, container)]
            titles += "\n".join(process.command_line(pid) for pid in pids)
            titles += release.inside(pod.name, "cat", "/proc/1/environ", container=container)
    assert "walsender" in titles
    assert "POD_NAME" in titles
    assert_none(passwords, titles, "a process title or an environment")


@pytest.mark.parametrize("program", ["helm3", "helm4"])
def test_security_no_password_is_in_what_helm_keeps(release: Release, passwords: list[str], program: str) -> None:
    kept = release.namespace.helm("get", "all", release.name, program=program)
    assert "kind: StatefulSet" in kept
    assert_none(passwords, kept, "helm get all")


@pytest.mark.parametrize("page", PAGES)
def test_security_no_password_is_in_what_the_agents_serve(release: Release, passwords: list[str], page: str) -> None:
    for pod in release.pods():
        answer = release.namespace.kubectl(*release.client.command("bash", "-c", ASK.format(pod.ip, page)))
        assert PAGES[page] in answer
        assert_none(passwords, answer, page)


def test_security_no_password_is_in_what_hapg_prints(release: Release, passwords: list[str]) -> None:
    status = json.dumps(release.status())
    assert release.primary().name in status
    assert_none(passwords, status + release.hapg("status"), "hapg status")
