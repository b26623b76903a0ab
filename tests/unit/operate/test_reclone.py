"""`hapg resize --reclone`: what it refuses, the order of its steps, what is left of the data meanwhile, and interruptions anywhere."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hapg.cli import main
from hapg.operate import arguments, kept_set, recloning, resizing, space, waiting, wal_volume
from hapg_protocol.model import SyncRecord
from tests.fakes.namespace import FakeNamespace
from tests.unit.operate import conftest as shown
from tests.unit.operate import growing
from tests.unit.operate.cloning import MIB, Cloning, cloning, event, fail, pod_template
from tests.unit.operate.test_resize import Clock, refused, sizes

SHRINK = ["resize", "pg", "-n", "demo", "--size", "4Gi", "--reclone", "--yes", "pg"]
ADD = ["resize", "pg", "-n", "demo", "--wal-size", "1Gi", "--reclone", "--yes", "pg"]
SHRUNK = "pg has 4Gi for data; the release's values have to say the same: helm upgrade … --set storage.resources.requests.storage=4Gi\n"
ADDED = (
    "pg has 1Gi for WAL; the release's values have to say the same: helm upgrade … --set walVolume.size=1Gi --set walVolume.enabled=true\n"
)


def act_on(patcher: pytest.MonkeyPatch, found: Cloning) -> Cloning:
    patcher.setattr(arguments, "cluster", lambda options: found)
    for module in (resizing, recloning, waiting):
        patcher.setattr(module, "time", Clock(found))
    patcher.setattr(waiting, "datetime", Clock(found))
    return found


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cloning], Cloning]:
    return lambda found: act_on(monkeypatch, found)


def is_write(call: str) -> bool:
    return not call.startswith(("find", "try", "patch pod"))


def writes(found: Cloning) -> list[str]:
    return [call for call in found.calls if is_write(call)]


def is_cloned(found: Cloning, wanted: dict[str, str]) -> None:
    """Check the end: claims, StatefulSet, its managers, no ConfigMap left, all servers sound, no copy lost that was needed."""
    claims = {f"{volume}-pg-{number}": (size, size) for number in range(found.replicas) for volume, size in wanted.items()}
    assert sizes(found) == claims
    new = found.objects["statefulset", "pg"]
    assert kept_set.sizes(new) == wanted
    assert [each["manager"] for each in new["metadata"]["managedFields"] if "subresource" not in each] == ["helm"]
    assert ("configmap", "pg-resize") not in found.objects
    assert all(found._is_whole(f"pg-{number}") for number in range(found.replicas))
    assert all(found._has_wal(f"pg-{number}") == ("wal" in wanted) for number in range(found.replicas))
    assert found.lost == []
    assert min(found.copies) >= min(2, found.replicas - 1), "the primary, and with three servers another one"


def replacement(number: int, *volumes: str) -> list[str]:
    return [f"erase pods/pg-{number}", *(f"erase persistentvolumeclaims/{volume}-pg-{number}" for volume in volumes)]


# --- the way it goes ---


def test_resize_to_less_clones_replicas_first_and_the_primary_last(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]
) -> None:
    found = use(cloning())
    assert main(SHRINK) == 0
    is_cloned(found, {"data": "4Gi"})
    assert capsys.readouterr().out == SHRUNK
    assert writes(found) == [
        "create configmap/pg-resize",
        "erase statefulsets/pg",
        "create statefulset/pg",
        "patch statefulset/pg",
        "delete configmap/pg-resize",
        *replacement(2, "data"),
        *replacement(1, "data"),
        *replacement(0, "data"),
    ]
    assert (found.restarted, found.term, found.copies) == (["pg-2", "pg-1", "pg-0"], 8, [2, 2, 2])


def test_resize_tells_how_far_a_clone_is(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    use(cloning(2))
    main(SHRINK)
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [
        "each of pg-0, pg-1 is deleted with its volumes in turn, and cloned from the others onto new ones: 4Gi for data",
        "with two servers, only the primary has the data while the other one is cloned: its volume must not be lost then",
    ]
    assert said[7:] == [
        "deleting ConfigMap pg-resize",
        "cloning pg-1 (1 of 2): it is deleted with data-pg-1, and comes back with new volumes",
        "waiting for pg-1 to end",
        "waiting for pg-1 to come back",
        "waiting for pg-1 to be ready",
        "waiting for pg-1 to be cloned: 0.29 GiB of about 1.17",
        "waiting for pg-1 to be cloned: 0.78 GiB of about 1.17",
        "moving the primary from pg-0 to pg-1, before pg-0 is cloned",
        "asked pg-0",
        "waiting for pg-0 to answer",
        "cloning pg-0 (2 of 2): it is deleted with data-pg-0, and comes back with new volumes",
        "waiting for pg-0 to end",
        "waiting for pg-0 to come back",
        "waiting for pg-0 to be ready",
        "waiting for pg-0 to be cloned: 0.39 GiB of about 1.17",
        "waiting for pg-0 to be cloned: 0.88 GiB of about 1.17",
        "pg has 4Gi for data",
    ]


def test_resize_adds_a_wal_volume_from_the_lowest_ordinal_upwards(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]
) -> None:
    """The primary is ordinal 0, and moves before the StatefulSet is made again, which brings nobody back while ordinal 0 is as it was."""
    found = use(cloning())
    assert main(ADD) == 0
    is_cloned(found, {"data": "8Gi", "wal": "1Gi"})
    assert capsys.readouterr().out == ADDED
    assert writes(found) == [
        "create configmap/pg-resize",
        "erase statefulsets/pg",
        "create statefulset/pg",
        "patch statefulset/pg",
        *replacement(0, "data"),
        *replacement(1, "wal", "data"),
        *replacement(2, "wal", "data"),
        "delete configmap/pg-resize",
    ]
    assert (found.restarted, found.term, found.primary) == (["pg-0", "pg-1", "pg-2"], 9, "pg-0")


def test_resize_adds_a_wal_volume_and_another_size_of_the_data_at_once(use: Callable[[Cloning], Cloning]) -> None:
    found = use(cloning(5))
    assert main([*ADD, "--size", "16Gi", "--wal-storage-class", "fast"]) == 0
    is_cloned(found, {"data": "16Gi", "wal": "1Gi"})
    spec = found.objects["statefulset", "pg"]["spec"]
    assert spec["volumeClaimTemplates"][1]["spec"]["storageClassName"] == "fast"
    assert [each["name"] for each in spec["template"]["spec"]["containers"][0]["env"]] == ["HAPG_INITDB_ARGS", "HAPG_WAL_VOLUME"]
    assert min(found.copies) >= 3


@pytest.mark.parametrize(("more", "wanted"), [([], {"data": "4Gi", "wal": "2Gi"}), (["--wal-size", "1Gi"], {"data": "4Gi", "wal": "1Gi"})])
def test_resize_replaces_both_volumes_of_a_server_that_has_two(
    use: Callable[[Cloning], Cloning], more: list[str], wanted: dict[str, str]
) -> None:
    found = use(cloning(wal="2Gi"))
    assert main([*SHRINK, *more]) == 0
    is_cloned(found, wanted)
    assert [call for call in writes(found) if "persistentvolumeclaim" in call][:2] == replacement(2, "wal", "data")[1:]


def test_resize_to_more_by_clones_where_the_class_does_not_allow_growth(use: Callable[[Cloning], Cloning]) -> None:
    found = use(cloning())
    found.growing.clear()
    assert main(["resize", "pg", "--size", "16Gi", "--reclone", "--yes", "pg"]) == 0
    is_cloned(found, {"data": "16Gi"})


@pytest.mark.parametrize("command", [SHRINK, ADD])
def test_a_second_resize_by_clones_asks_and_does_nothing(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    found = use(cloning())
    main(command)
    found.calls.clear()
    capsys.readouterr()
    assert main(command[:-2]) == 0
    assert (writes(found), capsys.readouterr().out) == ([], SHRUNK if command is SHRINK else ADDED)


def test_resize_asks_for_the_name_before_it_clones(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = use(cloning())
    monkeypatch.setattr("sys.stdin", io.StringIO("pg\n"))
    refused(2, SHRINK[:-2], found, capsys, "error: no terminal to ask for confirmation; use --yes pg; nothing was changed")
    refused(2, [*SHRINK[:-1], "pg-1"], found, capsys, "error: 'pg-1' is not the release's name, pg; nothing was changed")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert main(SHRINK[:-2]) == 0
    assert "Type the release's name to have it cloned onto new volumes: pg? " in capsys.readouterr().err


def test_resize_by_clones_of_a_release_that_is_not_there_is_refused(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["resize", "pgg", "-n", "demo", "--size", "4Gi", "--reclone", "--yes", "pgg"]
    refused(1, command, use(cloning()), capsys, "release pgg not found in namespace demo; nothing was changed")


# --- interruptions ---


@pytest.mark.parametrize("lost_answer", [False, True])
@pytest.mark.parametrize("command", [SHRINK, ADD])
def test_resize_by_clones_killed_at_each_write_leaves_a_release_that_writes_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, command: list[str], lost_answer: bool
) -> None:
    wanted = {"data": "4Gi"} if command is SHRINK else {"data": "8Gi", "wal": "1Gi"}
    whole = act_on(monkeypatch, cloning())
    assert main(command) == 0
    for number in range(1, len(writes(whole)) + 1):
        found = act_on(monkeypatch, cloning())
        with found.interrupted(number, lost_answer, is_write):
            assert main(command) == 130
        for _ in range(60):
            found.sleep(1.0)
            assert found._is_whole(found.primary), f"somebody writes after write {number}"
        assert main(command) == 0, number
        is_cloned(found, wanted)


@pytest.mark.parametrize("command", [SHRINK, ADD])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_resize_by_clones_interrupted_anywhere_and_as_often_as_one_likes_comes_to_the_same_end(
    command: list[str], data: st.DataObject
) -> None:
    """A call is lost before it reaches the API, or its answer is; then the command is run again. Pods end at once or slowly."""
    found = cloning(data.draw(st.sampled_from([2, 3, 4])), primary=data.draw(st.sampled_from(["pg-0", "pg-1"])))
    found.stop_seconds, found.call_seconds = data.draw(st.sampled_from([(2.0, 0.0), (0.0, 0.3), (9.0, 0.3)]))
    stops = data.draw(st.lists(st.tuples(st.integers(1, 90), st.booleans(), st.integers(0, 40)), max_size=4))
    with pytest.MonkeyPatch.context() as patcher:
        act_on(patcher, found)
        patcher.setattr(resizing, "POLL_SECONDS", 5.0)
        for after, lost_answer, pause in stops:
            with found.interrupted(after, lost_answer):
                assert main(command) in (0, 1, 130)
            for _ in range(pause):
                found.sleep(1.0)
        for _ in range(60):
            found.sleep(1.0)
        assert main(command) == 0
        is_cloned(found, {"data": "4Gi"} if command is SHRINK else {"data": "8Gi", "wal": "1Gi"})


@pytest.mark.parametrize("lost_answer", [False, True])
@pytest.mark.parametrize("command", [SHRINK, ADD])
def test_resize_by_clones_run_by_two_operators_at_a_time_loses_no_copy_that_is_needed(
    monkeypatch: pytest.MonkeyPatch, command: list[str], lost_answer: bool
) -> None:
    """The second run goes from its beginning to its end at one write of the first."""
    whole = act_on(monkeypatch, cloning())
    assert main(command) == 0
    for number in range(1, len(writes(whole)) + 1):
        found = act_on(monkeypatch, cloning())
        second: list[int] = []
        with found.joined(number, lost_answer, lambda second=second: second.append(main(command)), is_write):  # type: ignore[misc]
            first = main(command)
        assert (first, second) == (0, [0]), number
        is_cloned(found, {"data": "4Gi"} if command is SHRINK else {"data": "8Gi", "wal": "1Gi"})


def test_resize_comes_to_its_end_though_a_new_pod_holds_what_was_half_deleted(use: Callable[[Cloning], Cloning]) -> None:
    """The new pod is there before the claim of WAL is gone, and holds it; the call that deletes the other claim is lost."""
    found = use(cloning(3, primary="pg-1"))
    found.stop_seconds, found.call_seconds = 0.0, 0.3
    with found.interrupted(1, lost_answer=False, counts=lambda call: call == "erase persistentvolumeclaims/data-pg-0"):
        assert main(ADD) == 130
    assert found.objects["persistentvolumeclaim", "wal-pg-0"]["metadata"]["deletionTimestamp"]
    assert main(ADD) == 0
    is_cloned(found, {"data": "8Gi", "wal": "1Gi"})


def test_resize_keeps_the_pod_of_half_deleted_claims_when_another_server_fails_meanwhile(use: Callable[[Cloning], Cloning]) -> None:
    found = use(cloning(3, primary="pg-1"))
    found.stop_seconds, found.call_seconds = 0.0, 0.3
    with found.interrupted(1, lost_answer=False, counts=lambda call: call == "erase persistentvolumeclaims/data-pg-0"):
        assert main(ADD) == 130
    done = len(writes(found))

    def fail_other(call: str) -> None:
        if call == "erase persistentvolumeclaims/data-pg-0":
            found.cut_off.add("pg-2")
            found.show_lease()

    found.after_call = fail_other
    assert main([*ADD, "--timeout", "30"]) == 1
    assert writes(found)[done:] == ["erase persistentvolumeclaims/data-pg-0"], "and not the pod"
    found.after_call = None
    found.cut_off.clear()
    found.show_lease()
    assert main(ADD) == 0
    is_cloned(found, {"data": "8Gi", "wal": "1Gi"})


@pytest.mark.parametrize("trouble", ["no volume", "too small", "forbidden"])
def test_resize_back_to_the_former_size_clones_only_what_was_cloned(use: Callable[[Cloning], Cloning], trouble: str) -> None:
    found = use(cloning())
    match trouble:
        case "no volume":
            found.unbound.add("data-pg-2")
        case "too small":
            found.clone_seconds = 1e9
        case _:
            found.forbidden_size = "4Gi"
    assert main([*SHRINK, "--timeout", "60"]) == 1
    found.unbound.clear()
    found.clone_seconds = 20.0
    assert main(["resize", "pg", "--size", "8Gi", "--reclone", "--yes", "pg"]) == 0
    is_cloned(found, {"data": "8Gi"})
    assert set(found.restarted) == {"pg-2"}


def test_resize_never_deletes_claims_when_the_leader_has_changed_meanwhile(use: Callable[[Cloning], Cloning]) -> None:
    found = use(cloning())
    seen: list[list[str]] = []

    def fail_over(call: str) -> None:
        if call == "erase pods/pg-2" and not seen:
            found._lead("pg-1")
            found.show_lease()
            seen.append(list(found.calls))

    found.after_call = fail_over
    assert main(SHRINK) == 0
    after = writes(found)[len([call for call in seen[0] if not call.startswith(("try", "patch pod"))]) :]
    assert after[0] == "erase pods/pg-2", "once it is back, with its old volume"
    is_cloned(found, {"data": "4Gi"})


def test_resize_clones_no_server_while_the_others_lack_rows_that_it_may_have(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]
) -> None:
    """An eligible replica that streams may be far behind."""
    found = use(cloning())
    found.behind.add("pg-1")
    assert main([*SHRINK, "--timeout", "30"]) == 1
    assert "no progress for 30 s: pg-2 keeps its volumes: they lack WAL: 0 of 1; run the same" in capsys.readouterr().err
    assert found.restarted == []
    found.behind.clear()
    assert main(SHRINK) == 0
    is_cloned(found, {"data": "4Gi"})


def test_resize_never_deletes_claims_when_another_server_fails_after_the_pod_s_deletion(use: Callable[[Cloning], Cloning]) -> None:
    """Also the command's machine may have slept since it has looked."""
    found = use(cloning())
    failed: list[str] = []

    def fail_other(call: str) -> None:
        if call == "erase pods/pg-2" and not failed:
            failed.append(call)
            found.cut_off.add("pg-1")
            found.show_lease()

    found.after_call = fail_other
    assert main([*SHRINK, "--timeout", "30"]) == 1
    done = writes(found)
    assert done[done.index("erase pods/pg-2") + 1] != "erase persistentvolumeclaims/data-pg-2"
    assert sizes(found)["data-pg-2"] == ("8Gi", "8Gi")
    found.cut_off.clear()
    found.show_lease()
    assert main(SHRINK) == 0
    is_cloned(found, {"data": "4Gi"})


def test_resize_never_deletes_claims_when_the_primary_does_not_answer(use: Callable[[Cloning], Cloning]) -> None:
    """For a while after it has died, Lease and pod look as before."""
    found = use(cloning(2))
    found.dead.add("pg-0")
    assert main([*SHRINK, "--timeout", "30"]) == 1
    assert found.restarted == []
    assert found.copies == []


@pytest.mark.parametrize("primary", ["pg-0", "pg-2"])
def test_resize_deletes_nothing_more_of_a_release_that_is_made_one_server_meanwhile(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], primary: str
) -> None:
    found = use(cloning(primary=primary))

    def scale(call: str) -> None:
        if call == "delete configmap/pg-resize":
            found.objects["configmap", "pg-config"] = shown.config(replicas=1)

    found.after_call = scale
    assert main([*SHRINK, "--timeout", "30"]) == 1
    assert "pg has been made one server meanwhile" in capsys.readouterr().err
    assert found.copies == []


# --- a WAL volume, and a pod that goes meanwhile ---


def stopped_at(found: Cloning, words: str) -> None:
    """Run the command up to this call, and interrupt it before."""

    def interrupt(call: str) -> None:
        if call == words:
            raise KeyboardInterrupt

    found.before_call = interrupt
    assert main(ADD) == 130
    found.before_call = None


def lose(found: Cloning, name: str) -> None:
    """A pod goes, as with its node."""
    del found.objects["pod", name]
    found._event = True
    for _ in range(30):
        found.sleep(1.0)


def test_resize_clones_a_pod_first_that_came_back_with_the_wal_volume_and_its_old_data(use: Callable[[Cloning], Cloning]) -> None:
    found = use(cloning())
    stopped_at(found, "erase pods/pg-1")
    for _ in range(30):
        found.sleep(1.0)
    lose(found, "pg-1")
    assert not found._is_whole("pg-1"), "nothing is touched"
    assert main(ADD) == 0
    is_cloned(found, {"data": "8Gi", "wal": "1Gi"})


def test_resize_says_how_a_pod_comes_back_that_ordinal_0_keeps_away(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]
) -> None:
    found = use(cloning())
    old = deepcopy(found.objects["statefulset", "pg"])
    stopped_at(found, "erase pods/pg-0")
    lose(found, "pg-1")
    assert ("pod", "pg-1") not in found.objects
    assert main([*ADD, "--timeout", "30"]) == 1
    assert (
        "no progress for 30 s: waiting for pg-1, which does not come back before pg-0 has its WAL volume, while pg-0 must not be cloned "
        "before pg-1 is back: bring the former StatefulSet back (docs/operations.md, 'A volume for WAL'); run the same command again"
    ) in capsys.readouterr().err
    del found.objects["statefulset", "pg"]
    FakeNamespace.create(found, kept_set.with_sizes(old, {}), "helm")
    found._event = True
    for _ in range(30):
        found.sleep(1.0)
    assert main(ADD) == 0
    is_cloned(found, {"data": "8Gi", "wal": "1Gi"})


def test_resize_goes_on_without_a_pod_that_is_kept_away_if_another_has_the_data(use: Callable[[Cloning], Cloning]) -> None:
    found = use(cloning(4))
    stopped_at(found, "erase pods/pg-0")
    lose(found, "pg-1")
    assert main(ADD) == 0
    is_cloned(found, {"data": "8Gi", "wal": "1Gi"})


def test_resize_in_place_waits_for_wal_volumes_that_are_being_added(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]
) -> None:
    found = use(cloning())
    stopped_at(found, "erase pods/pg-1")
    refused(
        1, ["resize", "pg", "--size", "16Gi"], found, capsys, "pg is getting WAL volumes: go on with that first, with --reclone; nothing"
    )


# --- what is refused ---


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "4Gi", "--yes", "pg"], "--yes: only with --reclone"),
        (["--wal-size", "1Gi", "--wal-storage-class", "fast"], "--wal-storage-class: only with --reclone"),
        (["--size", "4Gi", "--wal-storage-class", "fast", "--reclone"], "--wal-storage-class: only with --wal-size"),
    ],
)
def test_resize_refuses_options_that_do_not_go_together(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    refused(2, ["resize", "pg", *options], use(cloning()), capsys, words)


def test_resize_refuses_to_clone_the_only_server(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "pg has one server, and a clone needs another one that has the data: add one first (helm upgrade … --set replicas=2), and remove"
    )
    refused(1, SHRINK, use(cloning(1)), capsys, words)


@pytest.mark.parametrize(
    ("command", "used", "words"),
    [
        (
            SHRINK,
            (2000, 1073),
            "--size 4Gi: pg-0 has 3073 MiB of data and WAL, and a quarter of the volume has to stay free: it takes 4098Mi",
        ),
        (
            ADD,
            (1000, 769),
            "--wal-size 1Gi: pg-0 has 769 MiB of WAL, and a quarter of the volume has to stay free: it takes 1026Mi at least",
        ),
        (
            [*ADD, "--size", "1Gi"],
            (800, 700),
            "--size 1Gi: pg-0 has 800 MiB of data, and a quarter of the volume has to stay free: it takes",
        ),
    ],
)
def test_resize_refuses_volumes_on_which_the_data_would_not_fit(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], command: list[str], used: tuple[int, int], words: str
) -> None:
    refused(1, command, use(cloning(used=used)), capsys, words)


def test_resize_counts_wal_apart_where_it_has_a_volume(use: Callable[[Cloning], Cloning]) -> None:
    use(cloning(wal="2Gi", used=(3000, 1500)))
    assert main(SHRINK) == 0


def test_resize_refuses_when_the_space_in_use_is_not_known(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    class Silent(Cloning):
        def execute(self, *_: Any) -> int:
            return 1

    found = cloning()
    found.__class__ = Silent
    refused(1, SHRINK, use(found), capsys, "pg-0 does not say how much space it uses: no output; nothing was changed")


@pytest.mark.parametrize("name", ["pods/pg-1", "persistentvolumeclaims/data-pg-2"])
def test_resize_refuses_who_may_not_delete_pods_and_claims(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    found = use(cloning())
    found.before_call = fail(f"try {name}")
    refused(
        1, SHRINK, found, capsys, f"error: {name.partition('/')[2]} cannot be deleted: kubectl try {name}: has the label ha-postgres/prot"
    )


def test_resize_refuses_when_the_quorum_needs_every_standby(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(cloning(sync=SyncRecord(2, ("v0", "v1", "v2"))))
    words = "commits wait for 2 standbys, and while one is cloned pg has 1 others: add a server first, or make replication asynchronous"
    refused(1, SHRINK, found, capsys, words)
    found.sync = SyncRecord(1, ("v0", "v1", "v2"))
    found.show_lease()
    assert main(SHRINK) == 0


@pytest.mark.parametrize(("command", "sick"), [(ADD, ["pg-1"]), (SHRINK, ["pg-1", "pg-2"])])
def test_resize_refuses_to_clone_while_servers_are_not_sound(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], command: list[str], sick: list[str]
) -> None:
    found = use(cloning())
    for name in sick:
        found.objects["pod", name]["status"]["conditions"] = []
    found.objects["pod", "pg-1"]["metadata"]["annotations"]["ha-postgres/not-following"] = "too many clients"
    words = "pg is not at full strength, waiting for pg-1 to be ready (too many clients); nothing was changed"
    refused(1, command, found, capsys, words)


def test_resize_refuses_to_clone_while_nobody_writes(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(cloning())
    found.objects["pod", "pg-0"]["metadata"]["uid"] = "another"
    refused(
        1, SHRINK, found, capsys, "waiting for a primary (nobody can write: the Lease's holder, pod pg-0, no longer exists); nothing was"
    )


def test_resize_refuses_to_clone_a_paused_release(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(cloning())
    found.objects["configmap", "pg-config"]["metadata"]["annotations"] = {"ha-postgres/paused": "true"}
    refused(
        1, SHRINK, found, capsys, "pg is paused, so there is no primary to clone: set its value pause to false first; nothing was changed"
    )


@pytest.mark.parametrize("command", [SHRINK, ADD])
def test_resize_refuses_to_leave_claims_of_former_replicas_as_they_are(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    found = use(cloning())
    found.objects["persistentvolumeclaim", "data-pg-4"] = growing.claim("data-pg-4")
    refused(
        1, command, found, capsys, "claim data-pg-4 is of a former replica, and would stay as it is: delete it, or add servers again until"
    )


def test_resize_refuses_a_wal_volume_that_does_not_fit_in(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(cloning())
    found.objects["statefulset", "pg"]["spec"]["template"]["spec"]["volumes"].append({"name": "wal", "emptyDir": {}})
    refused(1, ADD, found, capsys, "StatefulSet pg cannot get a WAL volume: it has another volume of the name wal; nothing was changed")
    found.objects["statefulset", "pg"]["spec"].pop("volumeClaimTemplates")
    refused(1, ADD, found, capsys, "pg does not have volumes (its value storage is null); nothing was changed")


def test_resize_refuses_another_class_for_wal_volumes_that_are_there(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*ADD, "--wal-storage-class", "fast"]
    refused(
        1, command, use(cloning(wal="2Gi")), capsys, "--wal-storage-class: only for WAL volumes that are added, and pg has some; nothing"
    )


def test_resize_refuses_a_class_that_does_not_exist(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    words = "--wal-storage-class: there is no StorageClass slow; nothing was changed"
    refused(1, [*ADD, "--wal-storage-class", "slow"], use(cloning()), capsys, words)


@pytest.mark.parametrize(
    ("resource", "hard", "used", "words"),
    [
        (
            "requests.storage",
            "26Gi",
            "24Gi",
            "ResourceQuota team has 2.0 GiB of requests.storage left, and 3.0 GiB more are needed; nothing",
        ),
        ("persistentvolumeclaims", "5", "3", "ResourceQuota team has 2 of persistentvolumeclaims left, and 3 more are needed; nothing was"),
    ],
)
def test_resize_refuses_what_a_quota_does_not_allow_for_wal_volumes(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], resource: str, hard: str, used: str, words: str
) -> None:
    found = use(cloning())
    quota = {"metadata": {"name": "team"}, "spec": {}, "status": {"hard": {resource: hard}, "used": {resource: used}}}
    found.objects["resourcequota", "team"] = quota
    refused(1, ADD, found, capsys, words)
    assert main(SHRINK) == 0, "less is always allowed"


# --- what is said of a state that does not move ---


def test_resize_says_why_a_claim_gets_no_volume(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    found = use(cloning(unbound={"data-pg-2"}))

    def complain(_: str) -> None:
        claim = found.objects.get(("persistentvolumeclaim", "data-pg-2"))
        if claim is not None:
            found.events = [
                event("data-pg-2", claim["metadata"]["uid"], "no room\nin the pool", lastTimestamp="2026-01-02"),
                event("data-pg-2", claim["metadata"]["uid"], "older", lastTimestamp="2026-01-01"),
                event("data-pg-2", "another", "of the former claim", lastTimestamp="2026-01-03"),
                event("data-pg-2", claim["metadata"]["uid"], "fine", type="Normal", lastTimestamp="2026-01-03"),
            ]

    found.after_call = complain
    assert main([*SHRINK, "--timeout", "60"]) == 1
    words = "error: no progress for 60 s: waiting for a volume for data-pg-2 (no room in the pool); run the same command again to go on\n"
    assert capsys.readouterr().err.endswith(words)
    assert found._is_whole(found.primary)


def test_resize_waits_for_a_standby_that_a_commit_needs(use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str]) -> None:
    """The mode changes to a larger quorum meanwhile."""
    found = use(cloning())

    def change(call: str) -> None:
        if call == "delete configmap/pg-resize":
            found.sync = SyncRecord(2, ("v0", "v1", "v2"))
            found.show_lease()

    found.after_call = change
    assert main([*SHRINK, "--timeout", "30"]) == 1
    assert "no progress for 30 s: waiting for 2 standbys besides pg-2, because commits wait for them; run" in capsys.readouterr().err
    assert found.restarted == []


@pytest.mark.parametrize(
    ("command", "sick", "words"),
    [
        (SHRINK, ("pg-1", "pg-2"), "waiting for pg-1 to stream from the primary (too many clients), before pg-2 is cloned"),
        (ADD, ("pg-1",), "waiting for pg-1 to stream from the primary (too many clients), before pg-0 is cloned"),
    ],
)
def test_resize_clones_no_server_while_another_one_is_not_sound(
    use: Callable[[Cloning], Cloning], capsys: pytest.CaptureFixture[str], command: list[str], sick: tuple[str, ...], words: str
) -> None:
    """Replicas lose their streams after the StatefulSet is made again."""
    found = use(cloning())

    def complain(call: str) -> None:
        if call == "patch statefulset/pg":
            found.cut_off |= set(sick)
            for name in sick:
                found.objects["pod", name]["metadata"]["annotations"]["ha-postgres/not-following"] = "too many clients"
            found.show_lease()

    found.after_call = complain
    assert main([*command, "--timeout", "30"]) == 1
    assert f"error: no progress for 30 s: {words}; run the same" in capsys.readouterr().err
    assert found.restarted == []
    found.after_call = None
    found.cut_off.clear()
    found.show_lease()
    assert main(command) == 0
    is_cloned(found, {"data": "4Gi"} if command is SHRINK else {"data": "8Gi", "wal": "1Gi"})


def test_resize_clones_a_replica_first_that_serves_nobody(use: Callable[[Cloning], Cloning]) -> None:
    found = use(cloning())

    def cut_off(call: str) -> None:
        if call == "patch statefulset/pg":
            found.cut_off.add("pg-1")
            found.show_lease()

    found.after_call = cut_off
    assert main([*SHRINK, "--timeout", "60"]) == 1, "it does not stream after its clone either"
    assert found.restarted == ["pg-1"]
    found.after_call = None
    found.cut_off.clear()
    found.show_lease()
    assert main(SHRINK) == 0
    is_cloned(found, {"data": "4Gi"})


def test_a_wal_volume_is_added_only_to_what_a_chart_makes() -> None:
    made: dict[str, Any] = {"spec": {"template": pod_template(), "volumeClaimTemplates": []}}
    assert wal_volume.has_one(wal_volume.added(made, "1Gi", None))
    assert not wal_volume.has_one(made)
    for container, word in (("failover", "env"), ("postgres", "volumeMounts")):
        broken = deepcopy(made)
        [found] = [
            each
            for key in ("initContainers", "containers")
            for each in broken["spec"]["template"]["spec"][key]
            if each["name"] == container
        ]
        found[word] = []
        with pytest.raises(ValueError, match=f"its container {container} has no "):
            wal_volume.added(broken, "1Gi", None)
    made["spec"]["template"]["spec"]["containers"] = []
    with pytest.raises(ValueError, match="it has no container postgres"):
        wal_volume.added(made, "1Gi", None)


@pytest.mark.parametrize(("wal", "apart"), [("pg_wal", False), ("pg_wal", True), ("pg_xlog", True)])
def test_resize_measures_what_a_server_uses(tmp_path: Path, wal: str, apart: bool) -> None:
    """The script is run as in a pod, on other places."""
    data, there = tmp_path / "data" / "pgdata", tmp_path / "wal" if apart else tmp_path / "data" / "pgdata" / wal
    for place in (data, there):
        place.mkdir(parents=True)
    (data / "rows").write_bytes(b"x" * 3 * MIB)
    (there / "segment").write_bytes(b"x" * 2 * MIB)
    if apart:
        (data / wal).symlink_to(there)
    script = space.SCRIPT.replace("/var/lib/postgresql/data", str(tmp_path / "data"))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    used = space.of_output(done.stdout.splitlines())
    assert used is not None
    assert (used.data // MIB, used.wal // MIB, used.apart) == (3, 2, apart)
