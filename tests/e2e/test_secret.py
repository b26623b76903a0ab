"""The passwords follow the Secrets: one Secret changes, then both are lost together with the
release. The tests depend on each other, in order.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.cluster import chosen, nodes, process
from tests.cluster.fixtures import Cluster
from tests.robustness.release import CHART, VALUES, Release, identities
from tests.robustness.stock import installed
from tests.robustness.traffic.writers import Writer, wait_table

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(480)]

PROJECTION_SECONDS = 180.0
SECRETS = {"ha-postgres-auth": "POSTGRES_PASSWORD", "ha-postgres-replication": "REPLICATION_PASSWORD"}
CHANGED = "Rotated-'42$ \\é"
STREAMING = "SELECT DISTINCT usename FROM pg_stat_replication WHERE state = 'streaming'"


def entry(release: Release, secret: str) -> str:
    """Return a password from its Secret."""
    return base64.b64decode(release.namespace.get("secret", secret)["data"][SECRETS[secret]]).decode()


def change(release: Release, secret: str, value: str) -> None:
    """Change a Secret, and make kubelet update it at once."""
    encoded = base64.b64encode(value.encode()).decode()
    release.namespace.kubectl("patch", "secret", secret, "--type=merge", "--patch", f'{{"data":{{"{SECRETS[secret]}":"{encoded}"}}}}')
    release.look_again()


def answer(release: Release, password: str) -> str:
    """Return the Service's answer to a client with this password."""
    encoded = base64.b64encode(password.encode()).decode()
    return release.client.try_psql("SELECT 'welcome'", setup=f"export PGPASSWORD=$(base64 -d <<<{encoded})", options="-qAt").text


def events(release: Release) -> set[str]:
    """Return the messages of Events about roles."""
    return {event.message for event in release.events("reason=RoleChanged")}


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release whose servers log every statement, at full strength."""
    with installed("e2e-secret", "--set", "postgresql.parameters.log_statement=all") as release:
        yield release


@pytest.fixture(scope="module")
def known(release: Release) -> list[str]:
    """All passwords used so far."""
    return [entry(release, secret) for secret in SECRETS]


def test_members_stream_under_a_role_that_is_no_superuser(release: Release, known: list[str]) -> None:
    assert len(set(known)) == 2
    assert release.client.sql(STREAMING) == [["ha_postgres_replication"]]
    assert release.client.sql("SELECT rolsuper FROM pg_authid WHERE rolname = 'ha_postgres_replication'") == [["f"]]


def test_a_changed_secret_is_the_new_password_and_nothing_restarts(release: Release, known: list[str]) -> None:
    before, term = identities(release.pods()), release.lease()["term"]
    wait_table(release, release.client)
    with Writer(release.clients[-1], "rotation") as writer:
        release.wait("it is connected", lambda: writer.rows, 30)
        change(release, "ha-postgres-auth", CHANGED)
        known.append(CHANGED)
        release.wait("the new password is good", lambda: answer(release, CHANGED) == "welcome", PROJECTION_SECONDS)
        rows = writer.rows
        release.wait("rows are written", lambda: writer.rows > rows, 10)
    assert "password authentication failed" in answer(release, known[0])
    assert identities(release.pods()) == before
    assert release.lease()["term"] == term
    release.wait("an Event says so", lambda: "postgres has the password from the Secret" in events(release), 10)
    change(release, "ha-postgres-auth", known[0])
    release.wait("and the old one again", lambda: answer(release, known[0]) == "welcome", PROJECTION_SECONDS)
    assert release.at_full_strength()


def test_the_members_password_is_changed_and_they_connect_with_it(release: Release, known: list[str]) -> None:
    before = identities(release.pods())
    query = "SELECT rolpassword FROM pg_authid WHERE rolname = 'ha_postgres_replication'"
    stored = release.client.sql(query)
    known.append("another-of-their-own")
    change(release, "ha-postgres-replication", known[-1])
    release.wait("the role has another password", lambda: release.client.sql(query) != stored, PROJECTION_SECONDS)
    release.client.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
    release.wait("all stream again", release.at_full_strength, PROJECTION_SECONDS)
    assert release.client.sql(STREAMING) == [["ha_postgres_replication"]]
    assert identities(release.pods()) == before


def test_old_volumes_take_the_passwords_of_new_secrets(release: Release, known: list[str]) -> None:
    release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
    release.uninstall()
    release.namespace.kubectl("delete", "secret", *SECRETS)
    release.namespace.kubectl("delete", "pod", *(client.name for client in release.clients))
    release.install(CHART, "--values", str(VALUES), "--set", "postgresql.parameters.log_statement=all")
    release.wait_serving()
    known += [entry(release, secret) for secret in SECRETS]
    release.add_clients()
    release.wait_full_strength()
    assert release.client.sql("SELECT number FROM kept") == [["1"]]
    assert "password authentication failed" in answer(release, known[0])


def test_no_password_is_in_a_log_an_event_an_environment_or_a_command_line(release: Release, known: list[str]) -> None:
    kubectl = release.namespace.try_kubectl
    said = kubectl("get", "events", "--output", "yaml").text
    for pod in release.pods():
        for container in ("prepare", "failover", "postgres"):
            said += kubectl("logs", pod.name, "--container", container).text
            if chosen.is_local() and container != "prepare":  # which has exited
                said += "\n".join(process.command_line(each.pid) for each in nodes.processes(release.namespace.name, pod.name, container))
        said += release.try_inside(pod.name, "cat", "/proc/1/environ", container="failover").text
    assert "statement: SELECT number FROM kept" in said
    assert "POD_NAME" in said
    assert [password for password in known if password in said] == []
