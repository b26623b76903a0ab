"""`hapg resize`: what it refuses, the order of its steps, and that an interruption anywhere changes nothing about the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hapg.cli import main
from hapg.operate import arguments, kept_set, resizing, waiting
from hapg.operate.growth import OFFLINE_SECONDS, check_quotas, next_step
from hapg.operate.kubectl import KubectlError
from hapg.operate.release import OperateError
from hapg.operate.resize_model import Act, Claim, Seen, claim_of
from hapg_protocol.model import LeaseState
from tests.unit.operate import conftest as shown
from tests.unit.operate.growing import World, claim, stateful_set, world

RESIZE = ["resize", "pg", "-n", "demo", "--size", "16Gi"]
DONE = "pg has 16Gi for data; the release's values have to say the same: helm upgrade … --set storage.resources.requests.storage=16Gi\n"


@dataclass
class Clock:
    """The world's clock, as the module `time`, `datetime` and the API's age of the Lease see it."""

    world: World

    def now(self, _: object) -> object:
        return shown.NOW

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)


def act_on(patcher: pytest.MonkeyPatch, found: World) -> World:
    patcher.setattr(arguments, "cluster", lambda options: found)
    patcher.setattr(resizing, "time", Clock(found))
    patcher.setattr(waiting, "datetime", Clock(found))
    return found


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[World], World]:
    return lambda found: act_on(monkeypatch, found)


def sizes(found: World, kind: str = "persistentvolumeclaim") -> dict[str, tuple[str, str]]:
    """What the claims request and have."""
    claims = {name: each for (its_kind, name), each in found.objects.items() if its_kind == kind}
    return {
        name: (each["spec"]["resources"]["requests"]["storage"], each["status"]["capacity"]["storage"]) for name, each in claims.items()
    }


def has_grown(found: World, size: str = "16Gi") -> None:
    """Check the end: claims, StatefulSet, its managers, no ConfigMap left, no pod lost."""
    assert sizes(found) == {f"data-pg-{number}": (size, size) for number in range(found.replicas)}
    new = found.objects["statefulset", "pg"]
    assert kept_set.sizes(new) == {"data": size}
    assert [each["manager"] for each in new["metadata"]["managedFields"] if "subresource" not in each] == ["helm"]
    assert "deletionTimestamp" not in new["metadata"]
    old = stateful_set(found.replicas)
    assert {**new["spec"], "volumeClaimTemplates": 0} == {**old["spec"], "volumeClaimTemplates": 0}
    assert (new["metadata"]["labels"], new["metadata"]["annotations"]) == (old["metadata"]["labels"], old["metadata"]["annotations"])
    assert ("configmap", "pg-resize") not in found.objects
    assert sorted(name for kind, name in found.objects if kind == "pod") == [f"pg-{number}" for number in range(found.replicas)]


# --- the way it goes ---


def test_resize_grows_the_claims_first_and_makes_the_stateful_set_again_last(
    use: Callable[[World], World], capsys: pytest.CaptureFixture[str]
) -> None:
    found = use(world())
    assert main(RESIZE) == 0
    has_grown(found)
    assert (found.restarted, capsys.readouterr().out) == ([], DONE)
    assert [call for call in found.calls if not call.startswith(("try", "patch pod"))] == [
        *(f"patch persistentvolumeclaim/data-pg-{number}" for number in range(3)),
        "create configmap/pg-resize",
        "erase statefulsets/pg",
        "create statefulset/pg",
        "patch statefulset/pg",
        "delete configmap/pg-resize",
    ]
    assert found.seconds < 15, "kubelet was asked to look at once"


def test_resize_tells_what_it_does(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    use(world())
    main(RESIZE)
    assert capsys.readouterr().err.splitlines() == [
        "requesting 16Gi for data for data-pg-0, data-pg-1, data-pg-2",
        "waiting for the storage to grow data-pg-0, data-pg-1, data-pg-2",
        "waiting for kubelet to grow the file system of data-pg-0, data-pg-1, data-pg-2",
        "keeping StatefulSet pg in ConfigMap pg-resize",
        "deleting StatefulSet pg; its pods run on",
        "waiting until StatefulSet pg is deleted; its pods run on",
        "creating StatefulSet pg again, with 16Gi for data",
        "giving the fields of StatefulSet pg back to who had set them",
        "deleting ConfigMap pg-resize",
        "pg has 16Gi for data",
    ]


def test_a_second_resize_finds_nothing_to_do(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())
    main(RESIZE)
    found.calls.clear()
    capsys.readouterr()
    assert main(RESIZE) == 0
    assert capsys.readouterr().out == DONE
    assert [call for call in found.calls if not call.startswith("try")] == []


def test_resize_grows_data_and_wal(use: Callable[[World], World]) -> None:
    found = use(world(wal="4Gi"))
    assert main([*RESIZE, "--wal-size", "6Gi"]) == 0
    assert {name: has for name, (_, has) in sizes(found).items()} == {
        **{f"data-pg-{number}": "16Gi" for number in range(3)},
        **{f"wal-pg-{number}": "6Gi" for number in range(3)},
    }
    assert kept_set.sizes(found.objects["statefulset", "pg"]) == {"data": "16Gi", "wal": "6Gi"}


def test_resize_of_the_wal_volumes_leaves_the_data_volumes_alone(use: Callable[[World], World]) -> None:
    found = use(world(wal="4Gi"))
    assert main(["resize", "pg", "--wal-size", "6Gi"]) == 0
    assert sizes(found)["data-pg-0"] == ("8Gi", "8Gi")
    assert kept_set.sizes(found.objects["statefulset", "pg"]) == {"data": "8Gi", "wal": "6Gi"}


def test_resize_takes_a_volume_that_the_storage_made_larger_than_asked_for(use: Callable[[World], World]) -> None:
    found = use(world())
    for number in range(3):
        found.change("persistentvolumeclaim", f"data-pg-{number}", {"status": {"capacity": {"storage": "20Gi"}}})
    assert main(RESIZE) == 0
    assert sizes(found)["data-pg-0"] == ("8Gi", "20Gi")
    assert kept_set.sizes(found.objects["statefulset", "pg"]) == {"data": "16Gi"}


def test_resize_restarts_one_pod_at_a_time_where_file_systems_grow_only_then(use: Callable[[World], World]) -> None:
    found = use(world(offline=True, primary="pg-1"))
    found.step()
    assert main(RESIZE) == 0
    has_grown(found)
    assert found.restarted == ["pg-2", "pg-0", "pg-1"], "replicas first, the primary last"


def test_resize_restarts_the_only_server_where_its_file_system_grows_only_then(use: Callable[[World], World]) -> None:
    found = use(world(1, offline=True))
    assert main(RESIZE) == 0
    has_grown(found)
    assert found.restarted == ["pg-0"]


def test_resize_restarts_no_pod_twice(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world(offline=True, broken=True))
    assert main(RESIZE) == 1
    assert "error: no progress for 600 s: waiting for kubelet to grow the file system of data-pg-0" in capsys.readouterr().err
    assert sorted(found.restarted) == ["pg-0", "pg-1", "pg-2"]


def test_resize_of_a_paused_release_waits_for_no_file_system(use: Callable[[World], World]) -> None:
    found = use(world())
    config = found.objects["configmap", "pg-config"]
    config["metadata"]["annotations"] = {"ha-postgres/paused": "true"}
    found.objects["statefulset", "pg"]["spec"]["replicas"] = 0
    for number in range(3):
        del found.objects["pod", f"pg-{number}"]
    assert main(RESIZE) == 0
    assert {wanted for wanted, _ in sizes(found).values()} == {"16Gi"}
    assert kept_set.sizes(found.objects["statefulset", "pg"]) == {"data": "16Gi"}
    assert found.objects["statefulset", "pg"]["spec"]["replicas"] == 0


def test_resize_of_a_claim_that_was_kept_when_the_release_was_scaled_down_waits_for_no_pod(use: Callable[[World], World]) -> None:
    found = use(world())
    found.objects["persistentvolumeclaim", "data-pg-4"] = claim("data-pg-4")
    assert main(RESIZE) == 0
    assert sizes(found)["data-pg-4"] == ("16Gi", "8Gi"), "its file system grows when a pod uses it"


# --- interruptions ---


def test_resize_that_is_interrupted_says_how_to_go_on(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())

    def interrupt(call: str) -> None:
        if call == "erase statefulsets/pg":
            raise KeyboardInterrupt

    found.after_call = interrupt
    assert main(RESIZE) == 130
    assert capsys.readouterr().err.endswith("run the same command again to go on\nerror: interrupted\n")


@pytest.mark.parametrize("offline", [False, True])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_resize_interrupted_anywhere_and_as_often_as_one_likes_comes_to_the_same_end(offline: bool, data: st.DataObject) -> None:
    """A call is lost before it reaches the API, or its answer is; then the command is run again."""
    found = world(offline=offline)
    stops = data.draw(st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.integers(0, 40)), max_size=4))
    with pytest.MonkeyPatch.context() as patcher:
        act_on(patcher, found)
        patcher.setattr(resizing, "POLL_SECONDS", 5.0)
        for after, lost_answer, pause in stops:
            with found.interrupted(after, lost_answer):
                assert main(RESIZE) in (0, 130)
            for _ in range(pause):
                found.sleep(1.0)
        assert main(RESIZE) == 0
        has_grown(found)
        assert len(set(found.restarted)) == (3 if offline else 0)


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("lost_answer", [False, True])
def test_resize_run_by_two_operators_at_a_time_comes_to_the_same_end(
    monkeypatch: pytest.MonkeyPatch, lost_answer: bool, offline: bool
) -> None:
    """The second run goes from its beginning to its end at one write of the first."""

    def is_write(call: str) -> bool:
        return not call.startswith(("find", "try", "patch pod"))

    whole = act_on(monkeypatch, world(offline=offline))
    assert main(RESIZE) == 0
    for number in range(1, len([call for call in whole.calls if is_write(call)]) + 1):
        found = act_on(monkeypatch, world(offline=offline))
        second: list[int] = []
        with found.joined(number, lost_answer, lambda second=second: second.append(main(RESIZE)), is_write):  # type: ignore[misc]
            first = main(RESIZE)
        assert (first, second) == (0, [0]), number
        has_grown(found)


def test_resize_survives_an_api_that_fails_for_a_while(use: Callable[[World], World]) -> None:
    found = use(world())
    calls = 0

    def fail(call: str) -> None:
        nonlocal calls
        calls += 1
        if calls > 30 and calls % 3 == 0 and calls < 90:
            raise KubectlError(f"kubectl {call}: Unable to connect to the server")

    found.before_call = fail
    assert main(RESIZE) == 0
    has_grown(found)


def test_resize_never_brings_back_a_stateful_set_that_has_changed_meanwhile(use: Callable[[World], World]) -> None:
    """Somebody upgrades the release between the copy and the deletion."""
    found = use(world())

    def upgrade(call: str) -> None:
        if call == "create configmap/pg-resize":
            found.change("statefulset", "pg", {"spec": {"template": {"spec": {"containers": ["new"]}}}})

    found.after_call = upgrade
    assert main(RESIZE) == 0
    assert found.objects["statefulset", "pg"]["spec"]["template"] == {"spec": {"containers": ["new"]}}
    assert kept_set.sizes(found.objects["statefulset", "pg"]) == {"data": "16Gi"}


def test_resize_leaves_a_stateful_set_alone_that_helm_has_made_meanwhile(use: Callable[[World], World]) -> None:
    found = use(world())

    def upgrade(call: str) -> None:
        if call == "erase statefulsets/pg":
            found.work()
            new = kept_set.with_sizes(stateful_set(manager="argocd-controller"), {"data": "16Gi"})
            FakeCreate(found, new, "argocd-controller")

    found.after_call = upgrade
    assert main(RESIZE) == 0
    managers = [each["manager"] for each in found.objects["statefulset", "pg"]["metadata"]["managedFields"]]
    assert managers == ["argocd-controller"]
    assert ("configmap", "pg-resize") not in found.objects


def FakeCreate(found: World, wanted: dict[str, Any], manager: str) -> None:
    super(World, found).create(wanted, manager)


# --- what is refused ---


def refused(code: int, arguments: list[str], found: World, capsys: pytest.CaptureFixture[str], words: str) -> None:
    before = json.dumps(sorted((str(key), each) for key, each in found.objects.items()))
    assert main(arguments) == code
    told = capsys.readouterr().err
    assert words in told
    assert json.dumps(sorted((str(key), each) for key, each in found.objects.items())) == before, "nothing is changed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["resize", "pg"], "give a new size with --size, --wal-size or both"),
        (["resize", "pg", "--size", "16 GB"], "--size '16 GB': not a size, such as 16Gi"),
        (["resize", "pg", "--size=-1Gi"], "--size '-1Gi': not a size, such as 16Gi"),
        (["resize", "pg", "--wal-size", "big"], "--wal-size 'big': not a size, such as 16Gi"),
    ],
)
def test_resize_refuses_what_is_no_size(
    use: Callable[[World], World], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    use(world())
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_resize_refuses_to_shrink(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "error: --size 4Gi: pg has 8Gi, and a volume cannot shrink; with --reclone each server is cloned onto new claims instead; nothing"
    )
    refused(1, ["resize", "pg", "--size", "4Gi"], use(world()), capsys, words)


def test_resize_refuses_to_shrink_a_claim_that_is_larger_than_the_others(
    use: Callable[[World], World], capsys: pytest.CaptureFixture[str]
) -> None:
    found = use(world())
    found.objects["persistentvolumeclaim", "data-pg-1"] = claim("data-pg-1", "20Gi")
    words = "error: --size 16Gi: claim data-pg-1 has 20Gi, and a volume cannot shrink; with --reclone each server is cloned"
    refused(1, RESIZE, found, capsys, words)


def test_resize_refuses_a_class_that_does_not_allow_it(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())
    found.growing.clear()
    words = "claim data-pg-0 cannot grow: StorageClass fast does not allow it (allowVolumeExpansion); with --reclone each"
    refused(1, RESIZE, found, capsys, words)


@pytest.mark.parametrize(("resource", "free"), [("requests.storage", 23), ("fast.storageclass.storage.k8s.io/requests.storage", 23)])
def test_resize_refuses_what_a_quota_does_not_allow_for_all_claims(
    use: Callable[[World], World], capsys: pytest.CaptureFixture[str], resource: str, free: int
) -> None:
    found = use(world())
    status = {"hard": {resource: f"{24 + free}Gi"}, "used": {resource: "24Gi"}}
    found.objects["resourcequota", "team"] = {"metadata": {"name": "team"}, "spec": {}, "status": status}
    words = f"ResourceQuota team has 23.0 GiB of {resource} left, and 24.0 GiB more are needed; nothing was changed"
    refused(1, RESIZE, found, capsys, words)
    status["hard"][resource] = "48Gi"
    assert main(RESIZE) == 0


def test_quotas_of_other_classes_and_scopes_do_not_count() -> None:
    seen = of(claims=[Claim("data-pg-0", "data", "pg-0", "fast", "8Gi", "8Gi")])
    status = {"hard": {"slow.storageclass.storage.k8s.io/requests.storage": "1Gi", "pods": "1"}, "used": {}}
    full = {"hard": {"requests.storage": "1Gi"}, "used": {"requests.storage": "1Gi"}}
    check_quotas([{"metadata": {"name": "a"}, "spec": {}, "status": status}], seen, {"data": "16Gi"})
    check_quotas([{"metadata": {"name": "b"}, "spec": {"scopes": ["BestEffort"]}, "status": full}], seen, {"data": "16Gi"})


def test_resize_refuses_a_claim_without_a_volume(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())
    found.objects["persistentvolumeclaim", "data-pg-2"]["status"] = {"phase": "Pending"}
    refused(1, RESIZE, found, capsys, "claim data-pg-2 has no volume yet, and cannot be changed before it has one: its Events say why")


def test_resize_refuses_a_release_without_that_volume(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())
    refused(1, ["resize", "pg", "--wal-size", "9Gi"], found, capsys, "--wal-size: pg does not have a WAL volume; with --reclone each")
    found.objects["statefulset", "pg"]["spec"].pop("volumeClaimTemplates")
    refused(1, RESIZE, found, capsys, "--size: pg does not have volumes (its value storage is null)")


@pytest.mark.parametrize(
    ("verb", "resource"),
    [("create", "statefulsets.apps"), ("patch", "statefulsets.apps/pg"), ("create", "configmaps"), ("delete", "configmaps/pg-resize")],
)
def test_resize_refuses_who_may_not_do_all_of_it(
    use: Callable[[World], World], capsys: pytest.CaptureFixture[str], verb: str, resource: str
) -> None:
    found = use(world())
    found.forbidden.add((verb, resource))
    refused(1, RESIZE, found, capsys, f"you may not {verb} {resource} in namespace demo; nothing was changed")


def test_resize_refuses_a_stateful_set_that_is_protected(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())

    def deny(call: str) -> None:
        if call == "try statefulsets/pg":
            raise KubectlError("kubectl delete: has the label ha-postgres/protected")

    found.before_call = deny
    refused(1, RESIZE, found, capsys, "StatefulSet pg cannot be replaced: kubectl delete: has the label ha-postgres/protected; nothing was")


def test_resize_refuses_a_release_that_is_not_there(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    refused(1, ["resize", "pgg", "--size", "16Gi"], use(world()), capsys, "release pgg not found in namespace demo; nothing was changed")


def test_resize_refuses_a_dormant_release(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())
    del found.objects["statefulset", "pg"]
    del found.objects["configmap", "pg-config"]
    for number in range(3):
        del found.objects["pod", f"pg-{number}"]
    refused(1, RESIZE, found, capsys, "pg is uninstalled: install it again first; nothing was changed")


def test_resize_refuses_a_release_whose_stateful_set_is_gone(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())
    del found.objects["statefulset", "pg"]
    refused(1, RESIZE, found, capsys, "pg has no StatefulSet: bring it back with `helm upgrade`, then run this again; nothing was changed")


def test_resize_ends_when_the_storage_gives_up(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world(storage_seconds=1e9))
    status = {
        "allocatedResourceStatuses": {"storage": "ControllerResizeInfeasible"},
        "conditions": [{"type": "ControllerResizeError", "message": "no room\nin the pool"}],
    }

    def give_up(call: str) -> None:
        if call == "patch persistentvolumeclaim/data-pg-2":
            found.change("persistentvolumeclaim", "data-pg-2", {"status": status})

    found.after_call = give_up
    assert main(RESIZE) == 1
    words = (
        "error: claim data-pg-2: the storage cannot do it: no room in the pool; try a smaller size; run the same command again to go on\n"
    )
    assert capsys.readouterr().err.endswith(words)
    assert kept_set.sizes(found.objects["statefulset", "pg"]) == {"data": "8Gi"}, "nothing but the claims was touched"


def test_resize_to_a_smaller_size_after_the_storage_has_given_up(use: Callable[[World], World]) -> None:
    found = use(world())
    for number in range(3):
        found.change("persistentvolumeclaim", f"data-pg-{number}", {"spec": {"resources": {"requests": {"storage": "900Gi"}}}})
    assert main(RESIZE) == 0
    has_grown(found)


def test_resize_ends_without_progress(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    use(world(storage_seconds=1e9))
    assert main([*RESIZE, "--timeout", "30"]) == 1
    assert "error: no progress for 30 s: waiting for the storage to grow data-pg-0, data-pg-1, data-pg-2; run the same command again" in (
        capsys.readouterr().err
    )


def test_resize_ends_when_a_step_fails_for_ever(use: Callable[[World], World], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(world())

    def fail(call: str) -> None:
        if call == "erase statefulsets/pg":
            raise KubectlError("kubectl delete: Error from server (Conflict): the object has been modified")

    found.before_call = fail
    assert main([*RESIZE, "--timeout", "30"]) == 1
    assert "error: no progress for 30 s: kubectl delete: Error from server (Conflict)" in capsys.readouterr().err


# --- decisions about restarts ---


def of(claims: list[Claim], waited: float = OFFLINE_SECONDS, unready: str = "", missing: str = "", state: LeaseState = shown.HELD) -> Seen:
    names = {0, 1, 2} - {int(name.rpartition("-")[2]) for name in missing.split()}
    pods = [shown.pod(number, "primary" if number == 0 else "replica", ready=f"pg-{number}" not in unready.split()) for number in names]
    release = shown.FakeCluster(pods=pods, lease=shown.lease(state)).read()
    return Seen(
        release, tuple(claims), {"metadata": {"uid": "u", "resourceVersion": "1"}, "spec": {}}, waited={c.name: waited for c in claims}
    )


def pending(*numbers: int) -> list[Claim]:
    return [Claim(f"data-pg-{number}", "data", f"pg-{number}", "fast", "16Gi", "8Gi", on_node=True) for number in numbers]


@pytest.mark.parametrize(
    ("seen", "act", "words"),
    [
        (of(pending(0, 1, 2), waited=OFFLINE_SECONDS - 1), Act.WAIT, "waiting for kubelet to grow the file system of data-pg-0, data-pg-1"),
        (of(pending(0, 1, 2)), Act.RESTART, "restarting pg-2, a replica"),
        (of(pending(0, 1)), Act.RESTART, "restarting pg-1, a replica"),
        (of(pending(0)), Act.RESTART, "restarting pg-0, which switches over first"),
        (of(pending(0), unready="pg-1"), Act.WAIT, "waiting until pg-1 are ready, before pg-0 is restarted"),
        (of(pending(0, 2), unready="pg-1"), Act.WAIT, "waiting until pg-1 are ready, before pg-2 is restarted"),
        (of(pending(0, 1, 2), unready="pg-1"), Act.RESTART, "restarting pg-1, which serves nobody"),
        (of(pending(0, 1, 2), unready="pg-0 pg-1 pg-2"), Act.RESTART, "restarting pg-2, which serves nobody"),
        (of(pending(0, 1, 2), missing="pg-1"), Act.WAIT, "waiting for pg-1 to come back"),
        (of(pending(0), state=changed(shown.HELD, eligible=())), Act.WAIT, "waiting for an eligible replica, before pg-0 is restarted"),
    ],
)
def test_resize_restarts_no_pod_that_is_needed(seen: Seen, act: Act, words: str) -> None:
    step = next_step(seen, {"data": "16Gi"})
    assert (step.act, step.why[: len(words)]) == (act, words)


def test_a_claim_is_read_as_the_api_shows_it() -> None:
    found = claim("data-pg-1")
    assert claim_of(found, "pg") == Claim("data-pg-1", "data", "pg-1", "fast", "8Gi", "8Gi", uid="uid-data-pg-1")
    assert claim_of(found, "pg-1") is None
    assert claim_of(claim("backups"), "pg") is None
    found["status"] |= {"conditions": [{"type": "NodeResizeError", "message": "broken"}], "allocatedResourceStatuses": {"storage": "x"}}
    assert claim_of(found, "pg") == Claim("data-pg-1", "data", "pg-1", "fast", "8Gi", "8Gi", problem="broken", uid="uid-data-pg-1")


def test_the_note_of_a_resize_goes_with_the_release_and_has_no_labels_to_be_pruned_by() -> None:
    config = {"metadata": {"name": "pg-config", "namespace": "demo", "uid": "c"}}
    note = kept_set.note("pg", stateful_set(), config, {"data-pg-0": "u"})
    assert note["metadata"] == {
        "name": "pg-resize",
        "namespace": "demo",
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "pg-config", "uid": "c"}],
    }
    assert (kept_set.of_note(note), kept_set.claims_of_note(note)) == (stateful_set(), {"data-pg-0": "u"})


@pytest.mark.parametrize("data", [{}, {"statefulset.json": "{"}, {"statefulset.json": "[]"}, {"statefulset.json": "{}"}])
def test_resize_does_not_use_a_damaged_note(
    use: Callable[[World], World], capsys: pytest.CaptureFixture[str], data: dict[str, str]
) -> None:
    found = use(world())
    found.objects["configmap", "pg-resize"] = {"metadata": {"name": "pg-resize"}, "data": data}
    refused(1, RESIZE, found, capsys, "error: ConfigMap pg-resize can't be read: ")


def test_errors_of_the_pure_part_are_for_users() -> None:
    with pytest.raises(OperateError):
        next_step(changed(of([]), stateful_set=None), {"data": "16Gi"})
