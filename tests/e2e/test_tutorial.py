"""The tutorial on streaming replication, in its order and words, with Helm instead of the operator.
The tests share one release and depend on each other, in order; each leaves it at full strength.
"""

from __future__ import annotations

import base64
from functools import partial

import pytest

from tests.robustness import trial
from tests.robustness.failpoint import faults
from tests.robustness.failpoint.faults import Fault
from tests.robustness.lease import LeaseHistory
from tests.robustness.programs import ProgramError
from tests.robustness.release import Pod, Release, identities
from tests.robustness.trial import Trial
from tests.robustness.validate import rows, terms

pytestmark = [pytest.mark.cluster, pytest.mark.pages, pytest.mark.slow, pytest.mark.timeout(420)]

NAME = "ha-postgres"
SELECTOR = f"--selector=kubedb.com/name={NAME}"
MODE_SECONDS = 180.0
"""A changed ConfigMap is projected into a running pod within about 90 s, and a standby is restarted then."""


def fields(printed: str) -> list[list[str]]:
    """The words of a printed table, without its heading."""
    return [line.split() for line in printed.splitlines()[1:]]


class TestCreate:
    """Create PostgreSQL with streaming replication."""

    def test_three_pods_are_running_and_ready(self, tutorial: Release) -> None:
        rows = fields(tutorial.namespace.kubectl("get", "pods", SELECTOR))
        assert [row[0] for row in rows] == [f"{NAME}-{number}" for number in range(3)]
        for name, ready, status, *_ in rows:
            assert status == "Running", name
            assert len(set(ready.split("/"))) == 1, f"{name}: {ready}"

    def test_one_is_labelled_primary_and_two_replica(self, tutorial: Release) -> None:
        pods = tutorial.pods()
        assert sorted(pod.role for pod in pods) == ["primary", "replica", "replica"]
        for pod in pods:
            expected = {"kubedb.com/kind": "Postgres", "kubedb.com/name": NAME, "statefulset.kubernetes.io/pod-name": pod.name}
            assert expected.items() <= pod.labels.items()
            assert pod.labels["controller-revision-hash"].startswith(f"{NAME}-")

    def test_two_services_with_the_names_and_ports_of_the_page(self, tutorial: Release) -> None:
        rows = fields(tutorial.namespace.kubectl("get", "svc", SELECTOR))
        found = [(name, kind, external, ports) for name, kind, _, external, ports, _ in rows]
        assert found == [(NAME, "ClusterIP", "<none>", "5432/TCP"), (f"{NAME}-replicas", "ClusterIP", "<none>", "5432/TCP")]

    def test_their_selectors_are_printed_as_on_the_page(self, tutorial: Release) -> None:
        columns = "-o=custom-columns=NAME:.metadata.name,SELECTOR:.spec.selector"
        printed = tutorial.namespace.kubectl("get", "svc", SELECTOR, columns)
        assert [" ".join(line.split()) for line in printed.splitlines()] == [
            "NAME SELECTOR",
            "ha-postgres map[kubedb.com/kind:Postgres kubedb.com/name:ha-postgres kubedb.com/role:primary]",
            "ha-postgres-replicas map[kubedb.com/kind:Postgres kubedb.com/name:ha-postgres]",
        ]

    def test_pods_are_on_different_nodes(self, tutorial: Release) -> None:
        pods = tutorial.pods()
        assert len({pod.node for pod in pods}) == min(len(pods), len(tutorial.clients))

    def test_server_has_the_settings_of_the_page(self, tutorial: Release) -> None:
        names = ("wal_level", "max_wal_senders", "wal_keep_size", "recovery_target_timeline")
        [row] = tutorial.client.sql("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
        assert dict(zip(names, row, strict=True)) == {
            "wal_level": "replica",
            "max_wal_senders": "99",
            "wal_keep_size": "512MB",
            "recovery_target_timeline": "latest",
        }


class TestConnect:
    """Connection information: the Service or the pod's address, port 5432, database and user postgres, the Secret's password."""

    def test_secret_holds_a_password(self, tutorial: Release) -> None:
        path = r"jsonpath={.data.\POSTGRES_PASSWORD}"
        encoded = tutorial.namespace.kubectl("get", "secrets", f"{NAME}-auth", "-o", path)
        assert len(base64.b64decode(encoded)) >= 20

    def test_service_leads_to_the_primary(self, tutorial: Release) -> None:
        [row] = tutorial.client.sql("SELECT current_user, current_database(), pg_is_in_recovery(), host(inet_server_addr())")
        assert row == ["postgres", "postgres", "f", tutorial.primary().ip]

    def test_pods_address_leads_to_the_primary(self, tutorial: Release) -> None:
        primary = tutorial.primary()
        [row] = tutorial.client.sql("SELECT pg_is_in_recovery(), host(inet_server_addr())", host=primary.ip)
        assert row == ["f", primary.ip]

    def test_both_standbys_stream_asynchronously(self, tutorial: Release) -> None:
        expected = sorted((pod.name, pod.ip, "streaming", "async") for pod in tutorial.standbys())
        assert [(each.name, each.address, each.state, each.sync_state) for each in tutorial.replication()] == expected
        assert len(expected) == 2

    def test_warm_standby_refuses_a_connection(self, tutorial: Release) -> None:
        for standby in tutorial.standbys():
            done = tutorial.client.try_psql("SELECT 1", host=standby.ip)
            assert done.code != 0
            assert "FATAL:  the database system is not accepting connections" in done.err
            assert "Hot standby mode is disabled." in done.err

    def test_wrong_password_is_refused(self, tutorial: Release) -> None:
        done = tutorial.client.try_psql("SELECT 1", setup="export PGPASSWORD=not-the-password")
        assert done.code != 0
        assert 'password authentication failed for user "postgres"' in done.err

    @pytest.mark.parametrize("replication", ["false", "true", "database"])
    def test_no_password_is_refused(self, tutorial: Release, replication: str) -> None:
        options = f"-w -d 'dbname=postgres replication={replication}'"
        done = tutorial.client.try_psql("IDENTIFY_SYSTEM", setup="unset PGPASSWORD", options=options)
        assert done.code != 0
        assert "no password supplied" in done.err

    def test_every_rule_for_the_network_asks_for_a_password(self, tutorial: Release) -> None:
        rows = tutorial.client.sql("SELECT type, auth_method FROM pg_hba_file_rules")
        assert {method for kind, method in rows if kind != "local"} == {"scram-sha-256"}


def check(found: Trial, release: Release, seen: LeaseHistory, measured: list[str]) -> None:
    """Check what must hold after every fault."""
    measured.append(found.summary)
    print(found.summary)
    assert found.violations() == []

    holder = release.lease()["holder"]
    assert (holder["pod"], holder["uid"]) == (found.new.name, found.new.uid)
    assert [pod.name for pod in release.pods() if pod.role == "primary"] == [found.new.name]

    now = release.client.timeline()
    assert now > found.timeline
    release.wait(f"both standbys replay timeline {now}", lambda: set(release.timelines().values()) == {now}, 30)

    reigns = seen.reigns
    assert terms.violations(reigns) == []
    assert (reigns[-1].pod, reigns[-1].uid) == (found.new.name, found.new.uid)
    assert reigns[-1].timeline == now


class TestAutomaticFailover:
    """If the primary fails, another standby takes over and serves as primary."""

    def test_rows_are_written(self, tutorial: Release) -> None:
        tutorial.client.sql("CREATE TABLE IF NOT EXISTS tutorial AS SELECT number FROM generate_series(1, 1000) AS number")
        assert tutorial.client.sql("SELECT count(*), sum(number) FROM tutorial") == [["1000", "500500"]]

    def test_deleted_primary_is_replaced_and_comes_back_as_replica(
        self, tutorial: Release, history_of_lease: LeaseHistory, measured: list[str]
    ) -> None:
        found = trial.run(tutorial, faults.GRACEFUL, "graceful")
        check(found, tutorial, history_of_lease, measured)
        assert found.new.name != found.old.name
        assert found.lost == []
        assert found.lost_pinned == []
        back = tutorial.pod(found.old.name)
        assert back.uid != found.old.uid
        assert back.role == "replica"
        names = {f"{NAME}-{number}" for number in range(3)}
        assert {each.name for each in tutorial.replication() if each.state == "streaming"} == names - {found.new.name}

    @pytest.mark.parametrize("fault", [faults.POSTMASTER, faults.CONTAINER], ids=lambda fault: fault.name)
    def test_killed_server_loses_nothing(
        self, tutorial: Release, history_of_lease: LeaseHistory, measured: list[str], fault: Fault
    ) -> None:
        if not fault.possible:
            pytest.skip("only on the local cluster")
        found = trial.run(tutorial, fault, f"killed-{fault.name}")
        check(found, tutorial, history_of_lease, measured)
        assert found.lost == []
        assert found.lost_pinned == []

    def test_lost_node_is_survived_and_its_loss_is_one_tail(
        self, tutorial: Release, history_of_lease: LeaseHistory, measured: list[str]
    ) -> None:
        if not faults.NODE.possible:
            pytest.skip("only on the local cluster")
        found = trial.run(tutorial, faults.NODE, "node")
        check(found, tutorial, history_of_lease, measured)  # one of the checks is that it is a single tail
        assert found.new.name != found.old.name
        assert tutorial.pod(found.old.name).role == "replica"

    def test_rows_of_the_time_before_all_faults_are_there(self, tutorial: Release) -> None:
        assert tutorial.client.sql("SELECT count(*), sum(number) FROM tutorial") == [["1000", "500500"]]
        assert rows.missing_rows(tutorial) == {}


def answers(release: Release) -> list[bool]:
    """True if each standby answers queries."""
    return [release.client.try_psql("SELECT 1", host=pod.ip).code == 0 for pod in release.standbys()]


def received(release: Release, standby: Pod, written: str) -> bool:
    """True if a standby has received everything the primary had written. Raise ProgramError with the error message otherwise."""
    statement = f"SELECT pg_last_wal_receive_lsn(), pg_last_wal_receive_lsn() >= '{written}', (SELECT count(*) FROM tutorial)"
    [row] = release.client.sql(statement, host=standby.ip)
    if row[1:] != ["t", "1000"]:
        raise ProgramError(f"{standby.name} says {row}")
    return True


@pytest.fixture(scope="module")
def before(tutorial: Release) -> dict[str, tuple[str, int]]:
    """The pods' identities before the mode is changed."""
    tutorial.wait_full_strength()
    return identities(tutorial.pods())


@pytest.fixture(scope="module")
def primary(tutorial: Release, before: dict[str, tuple[str, int]]) -> str:
    """The primary before the mode is changed."""
    return tutorial.primary().name


class TestHotStandby:
    """Streaming replication with hot standbys."""

    def test_upgrade_makes_standbys_hot(self, tutorial: Release, primary: str) -> None:
        tutorial.upgrade("--set", "standbyMode=hot")
        tutorial.look_again()
        tutorial.wait("both standbys answer", lambda: answers(tutorial) == [True, True], MODE_SECONDS)
        for standby in tutorial.standbys():
            assert tutorial.client.sql("SELECT pg_is_in_recovery(), current_setting('hot_standby')", host=standby.ip) == [["t", "on"]]

    def test_hot_standby_refuses_to_create_a_database(self, tutorial: Release) -> None:
        for standby in tutorial.standbys():
            done = tutorial.client.try_psql("CREATE DATABASE standby", host=standby.ip)
            assert done.code != 0
            assert "ERROR:  cannot execute CREATE DATABASE in a read-only transaction" in done.err

    def test_hot_standby_answers_queries(self, tutorial: Release) -> None:
        tutorial.wait_full_strength()
        # A restarted standby doesn't report what it received before until the primary has sent something new.
        tutorial.client.sql("CREATE TABLE IF NOT EXISTS written_while_hot (number integer)")
        [[written]] = tutorial.client.sql("SELECT pg_current_wal_flush_lsn()")
        for standby in tutorial.standbys():
            tutorial.wait(f"{standby.name} has received {written}", partial(received, tutorial, standby, written), 30)

    def test_nothing_was_restarted_and_the_data_stays(self, tutorial: Release, before: dict[str, tuple[str, int]], primary: str) -> None:
        assert identities(tutorial.pods()) == before
        assert tutorial.primary().name == primary
        assert rows.missing_rows(tutorial) == {}

    def test_upgrade_makes_standbys_warm_again(self, tutorial: Release, before: dict[str, tuple[str, int]], primary: str) -> None:
        tutorial.upgrade("--set", "standbyMode=warm")
        tutorial.look_again()
        tutorial.wait("both standbys refuse", lambda: answers(tutorial) == [False, False], MODE_SECONDS)
        tutorial.wait_full_strength()
        assert identities(tutorial.pods()) == before
        assert tutorial.primary().name == primary
