"""The Job that wipes an uninstalled release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from hapg_failover import container
from hapg_failover.adapters.kube.removal import Removal
from hapg_failover.adapters.ports.kubernetes import ApiError, ApiUnavailable
from hapg_failover.wiping import InstalledAgain, Wipe
from hapg_protocol import kept
from tests.unit.failover.kube_server import Api, says

OURS = {"kubedb.com/name": "pg", "kubedb.com/kind": "Postgres"}


@dataclass
class Remains:
    """A namespace with a release that is being uninstalled; and how often the deletion of each claim is asked for. installed_after: how
    often its StatefulSet is looked for until somebody has rolled the release back.
    """

    pods: list[str] = field(default_factory=list)
    claims: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    leases: set[str] = field(default_factory=set)
    answers: list[ApiError] = field(default_factory=list)
    installed_after: float = float("inf")
    did: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def _may_fail(self) -> None:
        if self.answers:
            raise self.answers.pop(0)

    def is_installed(self, name: str) -> bool:
        assert name == "pg"
        self.installed_after -= 1
        return self.installed_after < 0

    def pod_exists(self, name: str) -> bool:
        self._may_fail()
        return name in self.pods

    def secret_labels(self, name: str) -> Mapping[str, str] | None:
        return self.secrets.get(name)

    def delete_claim(self, name: str) -> bool:
        assert not [pod for pod in self.pods if pod in kept.pods("pg")], "a pod is still there"
        if name not in self.claims:
            return False
        self.did.append(name)
        self.claims[name] -= 1
        if self.claims[name] == 0:
            del self.claims[name]
        return True

    def delete_secret(self, name: str) -> bool:
        self.did.append(name)
        return self.secrets.pop(name, None) is not None

    def delete_lease(self, name: str) -> bool:
        self.did.append(f"lease {name}")
        there = name in self.leases
        self.leases.discard(name)
        return there

    def wait(self, seconds: float) -> None:
        self.said.append("pause")
        if self.pods:
            self.pods.pop(0)


def wiped(remains: Remains) -> Remains:
    Wipe(remains, remains.said.append, remains.wait).run("pg", OURS)
    return remains


def remains() -> Remains:
    beside = {"kubedb.com/name": "pg-2", "kubedb.com/kind": "Postgres"}
    return Remains(
        claims={"data-pg-0": 2, "data-pg-2": 1, "wal-pg-2": 1, "data-pg-2-0": 1},
        secrets={"pg-auth": OURS, "pg-replication": OURS, "pg-app": OURS, "pg-2-auth": beside},
        leases={"pg", "pg-2"},
    )


def test_everything_of_the_release_is_wiped_and_nothing_beside_it() -> None:
    left = wiped(remains())
    assert left.claims == {"data-pg-2-0": 1}
    assert list(left.secrets) == ["pg-2-auth"]
    assert left.leases == {"pg-2"}
    assert left.said[-1] == "pg is wiped"


def test_the_lease_is_wiped_last_so_that_an_interrupted_wipe_is_found_again() -> None:
    did = wiped(remains()).did
    assert did[-1] == "lease pg"
    assert [name for name in did if name.startswith(("data", "wal"))] == did[:4]


def test_nothing_is_wiped_while_a_pod_is_there() -> None:
    left = remains()
    left.pods = ["pg-1", "pg-2"]
    assert wiped(left).said[:3] == ["waiting until these are gone: pod pg-1, pg-2", "pause", "waiting until these are gone: pod pg-2"]


def test_a_secret_that_the_pods_did_not_create_is_not_wiped() -> None:
    left = remains()
    left.secrets["pg-auth"] = {"app.kubernetes.io/managed-by": "sealed-secrets"}
    assert "pg-auth" in wiped(left).secrets
    assert "Secret pg-auth stays: the pods did not create it" in left.said


def test_a_wipe_waits_for_the_api_and_gives_up_without_rights() -> None:
    left = remains()
    left.answers = [ApiUnavailable("GET pods: 503")]
    assert "data-pg-0" not in wiped(left).claims
    left = remains()
    left.answers = [ApiError("GET pods: 403")]
    with pytest.raises(ApiError, match="403"):
        wiped(left)
    assert left.did == []


@pytest.mark.parametrize(
    ("after", "did"),
    [
        (0, []),
        (1, []),
        (2, ["data-pg-0", "data-pg-2", "wal-pg-2"]),
        (3, ["data-pg-0", "data-pg-2", "wal-pg-2", "data-pg-0"]),
    ],
)
def test_a_release_that_is_rolled_back_during_its_wipe_keeps_what_is_left(after: int, did: list[str]) -> None:
    """Somebody has interrupted `helm uninstall`, before the first look or after some more."""
    left = remains()
    left.installed_after = after
    with pytest.raises(InstalledAgain, match="pg has been installed again meanwhile; what is left of it is kept"):
        wiped(left)
    assert left.did == did
    assert (set(left.secrets), left.leases) == ({"pg-auth", "pg-replication", "pg-app", "pg-2-auth"}, {"pg", "pg-2"})


def test_the_job_of_a_wipe_fails_in_words_if_the_release_was_rolled_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = remains()
    left.installed_after = 0
    monkeypatch.setattr(container, "in_cluster", lambda: None)
    monkeypatch.setattr(container, "Removal", lambda namespace, configuration: left)
    assert container.wipe({"POD_NAMESPACE": "ns"}, "pg", OURS) == 70
    assert capsys.readouterr() == ("", "hapg_failover wipe: pg has been installed again meanwhile; what is left of it is kept\n")
    assert left.did == []


def test_a_release_whose_pods_come_back_during_its_wipe_keeps_its_claims() -> None:
    left = remains()
    left.pods = ["pg-0", "pg-1", "pg-2"]
    left.installed_after = 2
    with pytest.raises(InstalledAgain):
        wiped(left)
    assert left.did == []


def test_a_second_wipe_finds_nothing() -> None:
    left = wiped(wiped(remains()))
    assert left.said[-1] == "pg is wiped"


def test_the_calls_of_a_wipe(api: Api) -> None:
    gone = {"kind": "Status", "code": 404}
    secret = {"metadata": {"labels": {"a": "b"}}}
    ending = {"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}}
    api.answers = [says(200, {"metadata": {}}), says(200, ending), says(404, gone)]
    removal = Removal("ns", api.configuration)
    assert [removal.is_installed("db") for _ in range(3)] == [True, False, False]
    assert {(request.method, request.path) for request in api.requests} == {("GET", "/apis/apps/v1/namespaces/ns/statefulsets/db")}
    api.requests.clear()
    api.answers = [says(200, secret), says(404, gone), says(200, {}), says(404, gone), says(200, {}), says(200, {})]
    assert removal.secret_labels("db-auth") == {"a": "b"}
    assert removal.secret_labels("db-auth") is None
    assert removal.pod_exists("db-0")
    assert not removal.delete_claim("data-db-0")
    assert removal.delete_secret("db-auth")
    assert removal.delete_lease("db")
    assert [(request.method, request.path) for request in api.requests] == [
        ("GET", "/api/v1/namespaces/ns/secrets/db-auth"),
        ("GET", "/api/v1/namespaces/ns/secrets/db-auth"),
        ("GET", "/api/v1/namespaces/ns/pods/db-0"),
        ("DELETE", "/api/v1/namespaces/ns/persistentvolumeclaims/data-db-0"),
        ("DELETE", "/api/v1/namespaces/ns/secrets/db-auth"),
        ("DELETE", "/apis/coordination.k8s.io/v1/namespaces/ns/leases/db"),
    ]


@pytest.mark.parametrize(("status", "kind"), [(403, ApiError), (500, ApiUnavailable), (429, ApiUnavailable)])
def test_a_refused_call_of_a_wipe(api: Api, status: int, kind: type[ApiError]) -> None:
    api.answers = [says(status, {"message": "why"})]
    with pytest.raises(ApiError, match=f"{status} why") as raised:
        Removal("ns", api.configuration).delete_claim("data-db-0")
    assert type(raised.value) is kind
