"""`hapg dormant list`: what sleeps in a namespace."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from hapg.cli import main
from hapg.operate import arguments, dormant, status
from hapg.operate.dormant import Kept, State
from hapg_protocol import kept
from hapg_protocol.lsn import Position
from hapg_protocol.model import Holder
from tests.unit.operate.conftest import GIVEN_BACK, HELD, FakeCluster, config, pod, pods
from tests.unit.operate.conftest import lease as status_lease
from tests.unit.operate.sleeping import FakeNamespace, claim, install, labels, lease, of, uninstalled

Use = Callable[[FakeNamespace], FakeNamespace]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    def use(namespace: FakeNamespace) -> FakeNamespace:
        monkeypatch.setattr(arguments, "cluster", lambda options: namespace)
        return namespace

    return use


def found(namespace: FakeNamespace) -> dict[str, Kept]:
    return {each.name: each for each in dormant.read(namespace)}


def test_dormant_releases_as_a_table(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(uninstalled("pg", "pg-2"))
    namespace.add("persistentvolumeclaim", claim("wal-pg-0", labels("pg"), "4Gi"))
    assert main(["dormant", "list", "-n", "demo"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "RELEASE  STATE        MAJOR  VOLUMES               SINCE                 TIMELINE  POSITION   MAY START               REPLICAS",
        "pg       uninstalled  15     3 x 8Gi, 1 x 4Gi WAL  2026-01-02 03:04:05Z  4         0/3000028  pg-1, pg-0, pg-2        >= 3",
        "pg-2     uninstalled  15     3 x 8Gi               2026-01-02 03:04:05Z  4         0/3000028  pg-2-1, pg-2-0, pg-2-2  >= 3",
    ]


def test_dormant_releases_for_programs(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(uninstalled("pg", replicas=1))
    assert main(["dormant", "list", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "release": "pg",
            "state": "uninstalled",
            "installedAs": None,
            "postgresMajor": "15",
            "since": "2026-01-02T03:04:05+00:00",
            "cleanShutdown": True,
            "timeline": 4,
            "position": "4:0/3000028",
            "mayStart": ["pg-1", "pg-0", "pg-2"],
            "replicas": 3,
            "lease": True,
            "claims": [{"name": "data-pg-0", "size": "8Gi"}],
        }
    ]


def test_a_namespace_without_dormant_releases(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(install(uninstalled("pg"), "pg", pods=3))
    assert main(["dormant", "list"]) == 0
    assert capsys.readouterr().out == "no dormant release in namespace demo\n"


@pytest.mark.parametrize("arguments", [["dormant"], ["dormant", "show"], ["dormant", "list", "pg"]])
def test_a_wrong_dormant_command(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2


@pytest.mark.parametrize(
    ("replicas", "pods", "state"),
    [(3, 3, State.RUNNING), (3, 0, State.RUNNING), (0, 2, State.STOPPING), (0, 0, State.PAUSED)],
)
def test_the_state_of_an_installed_release(replicas: int, pods: int, state: State) -> None:
    assert found(install(uninstalled("pg"), "pg", replicas, pods))["pg"].state is state


def test_a_release_whose_pods_still_stop_is_dormant_soon() -> None:
    namespace = uninstalled("pg")
    namespace.add("pod", of("pg-2", labels("pg")))
    assert found(namespace)["pg"].state is State.STOPPING


def test_a_pod_of_another_dormant_release_beside_it_does_not_count() -> None:
    namespace = uninstalled("pg", "pg-2")
    namespace.add("pod", of("pg-2-0", labels("pg-2")))
    assert {name: each.state for name, each in found(namespace).items()} == {"pg": State.UNINSTALLED, "pg-2": State.STOPPING}


def test_claims_go_to_the_dormant_release_they_are_named_after() -> None:
    namespace = uninstalled("pg", "pg-2")
    assert [each.name for each in found(namespace)["pg"].claims] == ["data-pg-0", "data-pg-1", "data-pg-2"]
    assert [each.name for each in found(namespace)["pg-2"].claims] == ["data-pg-2-0", "data-pg-2-1", "data-pg-2-2"]


def test_claims_of_others_are_not_dormant_releases() -> None:
    namespace = FakeNamespace()
    namespace.add("persistentvolumeclaim", claim("data-mysql-0"), claim("data-kafka-0", {"app": "kafka"}), claim("cache"))
    namespace.add("lease", of("leader-election", {}))
    assert found(namespace) == {}


def test_a_dormant_release_whose_lease_was_deleted_tells_what_is_left() -> None:
    namespace = uninstalled("pg")
    namespace.objects["lease"] = []
    [line] = dormant.table(dormant.read(namespace), "demo").splitlines()[1:]
    assert line.split() == ["pg", "uninstalled", "-", "3", "x", "8Gi", "-", "-", "-", "unknown", "-"]


def test_a_dormant_release_with_an_unreadable_lease_is_listed() -> None:
    namespace = uninstalled("pg")
    namespace.objects["lease"][0]["metadata"]["annotations"] = {"ha-postgres/state": "{"}
    each = found(namespace)["pg"]
    assert (each.lease, each.has_lease, each.major) == (None, True, "15")


def test_a_dormant_release_with_another_label_domain() -> None:
    namespace = FakeNamespace()
    namespace.add("persistentvolumeclaim", claim("data-pg-0", labels("pg", "example.org")))
    assert found(namespace)["pg"].state is State.UNINSTALLED


def test_a_dormant_release_that_was_not_shut_down_shows_its_last_renewal() -> None:
    namespace = uninstalled("pg")
    namespace.objects["lease"] = [lease("pg", replace(HELD, holder=Holder("pg-2", "u2"), eligible=(), position=Position(4, 100)))]
    each = found(namespace)["pg"]
    assert (each.position, each.may_start, each.replicas) == (Position(4, 100), ("pg-2",), 3)


def test_the_status_of_a_paused_release_is_that_it_is_dormant() -> None:
    paused = config()
    paused["metadata"]["annotations"] = {"ha-postgres/paused": "true"}
    sentence = "nobody can write: the release is paused, and its data is kept; set the value pause to false to start it"
    asleep = FakeCluster([], status_lease(replace(HELD, release=GIVEN_BACK)), paused).read()
    assert status.warnings(asleep) == [sentence]
    stopping = FakeCluster(pods(0, 1), status_lease(), paused).read()
    assert status.nobody_writes(stopping) is None
    assert status.warnings(stopping) == ["missing: pg-2"]


def test_the_status_names_volumes_that_a_dormant_release_leaves_out() -> None:
    free = status_lease(replace(HELD, holder=Holder("pg-2", "u2"), release=GIVEN_BACK))
    smaller = FakeCluster([pod(0, ready=False)], free, config(replicas=1)).read()
    assert "replicas 1 leaves out the volume of pg-1, pg-2: set replicas to at least 3" in status.warnings(smaller)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("data-pg-0", kept.Claim("data", "pg", 0)),
        ("wal-pg-2-8", kept.Claim("wal", "pg-2", 8)),
        ("data-pg-9", None),
        ("data-pg-10", None),
        ("data-pg", None),
        ("data-pg-00", None),
        ("backup-pg-0", None),
    ],
)
def test_names_of_kept_claims(name: str, parts: kept.Claim | None) -> None:
    assert kept.claim(name) == parts


def test_the_names_that_are_wiped_are_those_of_all_kept_claims() -> None:
    assert {kept.claim(name) for name in kept.claims("pg")} == {kept.Claim(v, "pg", n) for v in ("data", "wal") for n in range(9)}
