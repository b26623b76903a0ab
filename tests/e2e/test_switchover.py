"""The commands status, switchover and failover on a real release, with the rights from the
documentation.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.fixtures import Cluster
from tests.e2e import operators, printed
from tests.robustness import programs, trial
from tests.robustness.failpoint import faults
from tests.robustness.failpoint.processes import RECEIVER, signal_process
from tests.robustness.programs import HAPG
from tests.robustness.release import Release, identities
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

ANSWER = "ha-postgres/answer"
SWITCHOVER = "ha-postgres/switchover"
MAX_LAG = 1024 * 1024
BEHIND = "SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000)) FROM generate_series(1, 6000)"
"""Six megabytes of WAL that change no table."""


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release of three, at full strength."""
    with installed("e2e-operate", "--set", f"failover.maxLagBytes={MAX_LAG}") as release:
        yield release


def notes(release: Release, pod: str) -> dict[str, str]:
    found: dict[str, str] = release.namespace.get("pod", pod)["metadata"].get("annotations", {})
    return found


def test_status_says_what_the_api_shows(release: Release) -> None:
    release.wait("nothing is wrong", lambda: release.status()["warnings"] == [], 30)
    found, lease = release.status(), release.lease()
    assert found["primary"] == lease["holder"]["pod"] == release.primary().name
    assert found["lease"]["term"] == lease["term"]
    assert found["lease"]["renewedSecondsAgo"] < lease["ttlSeconds"]
    assert found["lease"]["eligibleReplicas"] == sorted(replica["pod"] for replica in lease["eligibleReplicas"])
    assert {pod["name"]: (pod["role"], pod["node"], pod["ready"]) for pod in found["pods"]} == {
        pod.name: (pod.role, pod.node, True) for pod in release.pods()
    }
    lags = {pod["name"]: pod["lagBytes"] for pod in found["pods"]}
    assert lags.pop(found["primary"]) is None
    assert [name for name, lag in lags.items() if not isinstance(lag, int)] == []
    every = json.loads(programs.run(str(HAPG), "status", "--namespace", release.namespace.name, "--output", "json"))
    assert release.name in [each["release"] for each in every]
    table = release.try_hapg("status").out
    assert f"held by {found['primary']} since term {lease['term']}" in table
    assert "warning" not in table


def test_a_switchover_loses_nothing_and_restarts_nothing(release: Release, measured: list[str]) -> None:
    before = identities(release.pods())
    found = trial.run(release, faults.SWITCHOVER, "switchover")
    measured.append(found.summary)
    assert found.violations() == []
    assert found.lost == []
    assert found.lost_pinned == []
    assert found.new.name != found.old.name
    assert identities(release.pods()) == before
    answer = json.loads(notes(release, found.old.name)[ANSWER])
    assert (answer["outcome"], answer["reason"]) == ("taken", f"switching over to {found.new.name}")
    assert SWITCHOVER not in notes(release, found.old.name)
    log = release.agent_log(found.old.name)
    assert '"op": "rewind"' not in log
    assert '"op":"rewind"' not in log


def test_a_switchover_goes_where_it_is_sent(release: Release) -> None:
    release.wait_full_strength()
    target = max(release.standbys(), key=lambda pod: pod.name)
    done = release.try_hapg("switchover", "--to", target.name)
    assert done.code == 0, done.text
    assert done.out.startswith(f"{target.name} is the primary under term ")
    assert release.primary().name == target.name
    assert release.client.sql("SELECT pg_is_in_recovery()") == [["f"]]
    release.wait_full_strength()


def test_what_can_not_be_is_one_clear_sentence_and_changes_nothing(release: Release) -> None:
    term, primary = release.lease()["term"], release.primary()
    for options, words in [
        (("--to", primary.name), f"error: --to {primary.name}: already the primary"),
        (("--to", "nobody"), "error: --to nobody: pod not found"),
    ]:
        done = release.try_hapg("switchover", *options)
        assert done.code == 1
        assert len(done.err.splitlines()) == 1
        assert words in done.err
    forced = release.try_hapg("failover", "--force", "--yes")
    assert (forced.code, "a forced failover is not possible" in forced.err) == (1, True)
    elsewhere = programs.attempt(str(HAPG), "status", "another", "--namespace", release.namespace.name)
    assert elsewhere.err == f"error: release another not found in namespace {release.namespace.name}: no ConfigMap another-config\n"
    assert release.lease()["term"] == term


def test_a_request_of_an_earlier_term_is_refused_by_the_primary(release: Release) -> None:
    term, primary = release.lease()["term"], release.primary()
    request = json.dumps({"id": "stale", "term": term - 1})
    release.namespace.kubectl("annotate", "pod", primary.name, f"{SWITCHOVER}={request}")

    def answered() -> dict[str, str]:
        found: dict[str, str] = json.loads(notes(release, primary.name).get(ANSWER, "{}"))
        return found if found.get("id") == "stale" else {}

    answer = release.wait("the request is answered", answered, 20)
    assert answer["outcome"] == "refused"
    assert answer["reason"] == f"the request is for term {term - 1}, but this is term {term}"
    assert SWITCHOVER not in notes(release, primary.name)
    assert release.lease()["term"] == term


@pytest.fixture
def operator(release: Release, tmp_path: Path) -> Path:
    """A kubeconfig with exactly the rights of the Role in docs/operations.md."""
    return operators.kubeconfig(release, tmp_path / "kubeconfig")


def test_the_documented_role_is_enough(release: Release, operator: Path) -> None:
    release.wait_full_strength()
    old = release.primary().name
    assert release.try_hapg("status", f"--kubeconfig={operator}").code == 0
    done = release.try_hapg("switchover", f"--kubeconfig={operator}")
    assert done.code == 0, done.text
    assert release.primary().name != old
    may = partial(release.namespace.try_kubectl, "auth", "can-i", f"--kubeconfig={operator}")
    assert may("delete", "pods").code == 1
    release.wait_full_strength()


@pytest.mark.faults
@pytest.mark.pages
@pytest.mark.thorough
def test_a_release_too_far_behind_stays_down_until_it_is_forced(release: Release) -> None:
    """By the command of the page."""
    [force] = printed.commands("## Nobody may take over")
    if not faults.NODE.possible:
        pytest.skip("only on the local cluster: a node is switched off")
    release.wait_full_strength()
    old, standbys = release.primary(), release.standbys()
    client = release.client_apart_from(old.node)
    client.sql("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS number")
    for pod in standbys:
        signal_process(release, pod, RECEIVER, signal.SIGSTOP)
    client.sql(BEHIND)
    with faults.undone(faults.NODE, release, old) as undo:

        def recorded() -> bool:
            """The Lease records the end of the primary's WAL, which a lost node can no longer report."""
            [[end]] = client.sql("SELECT pg_current_wal_flush_lsn() - '0/0'")
            high, low = release.lease()["position"]["lsn"].split("/")
            return (int(high, 16) << 32) + int(low, 16) >= int(end) - MAX_LAG

        release.wait("the Lease records the primary's position", recorded, 20)
        faults.NODE.inject(release, old)
        # Data waiting in its socket must not be received when it resumes.
        for number in (signal.SIGTERM, signal.SIGCONT):
            for pod in standbys:
                signal_process(release, pod, RECEIVER, number)

        def blocked() -> list[str]:
            _, status = release.try_status()
            found = [text for text in status.get("warnings", []) if "maxLagBytes" in text]
            return found if len(found) == len(standbys) else []

        warned = release.wait("both standbys are too far behind", blocked, 60)
        assert all("hapg failover" in text for text in warned)
        release.wait("an Event says so", lambda: "NoEligibleCandidate" in release.namespace.kubectl("get", "events"), 60)
        assert release.lease()["holder"]["pod"] == old.name
        target = standbys[-1].name
        names = printed.names(release) | {"NAME-1": target}
        refused = printed.follow(force, names)
        assert (refused.code, "use --yes to skip the question" in refused.err) == (2, True)
        done = printed.follow(f"{force} --yes", names)
        assert done.code == 0, done.text
        assert "LOST FOR CERTAIN" in done.err
        assert done.out.startswith(f"{target} is the primary under term ")
        assert "ForcedFailover" in release.namespace.kubectl("get", "events")
        undo()
    release.wait_full_strength(asker=client)
    assert client.sql("SELECT number FROM kept") == [["1"]]
