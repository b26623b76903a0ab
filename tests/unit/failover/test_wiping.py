"""The Job that wipes an uninstalled release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from hapg_failover.adapters.kube.removal import Removal
from hapg_failover.adapters.ports.kubernetes import ApiError, ApiUnavailable
from hapg_failover.wiping import Wipe
from hapg_protocol import kept
from tests.unit.failover.kube_server import Api, says

OURS = {"kubedb.com/name": "pg", "kubedb.com/kind": "Postgres"}


@dataclass
class Remains:
    """A namespace with a release that is being uninstalled; and how often the deletion of each claim is asked for."""

    pods: list[str] = field(default_factory=list)
    claims: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    leases: set[str] = field(default_factory=set)
    answers: list[ApiError] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def _may_fail(self) -> None:
        if self.answers:
            raise self.answers.pop(0)

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


def test_a_second_wipe_finds_nothing() -> None:
    left = wiped(wiped(remains()))
    assert left.said[-1] == "pg is wiped"


def test_the_calls_of_a_wipe(api: Api) -> None:
    gone = {"kind": "Status", "code": 404}
    secret = {"metadata": {"labels": {"a": "b"}}}
    api.answers = [says(200, secret), says(404, gone), says(200, {}), says(404, gone), says(200, {}), says(200, {})]
    removal = Removal("ns", api.configuration)
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
