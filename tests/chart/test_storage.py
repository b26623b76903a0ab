"""The claims and volumes of the pods, and the settings that depend on their sizes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hapg.operate.reclone import Reclone
from tests.chart import helm

EVERYTHING = Path(__file__).with_name("everything.yaml")


def test_volumes_are_kept() -> None:
    spec = helm.objects()["StatefulSet", "ha-postgres"]["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, None), ({"storageClassName": None}, None), ({"storageClassName": ""}, ""), ({"storageClassName": "standard"}, "standard")],
)
@pytest.mark.parametrize("version", helm.VERSIONS)
def test_the_class_of_the_claims(given: dict[str, str | None], expected: str | None, version: str) -> None:
    options = helm.values({"storage": given}) if given else ()
    (claim,) = helm.objects(*options, version=version)["StatefulSet", "ha-postgres"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"].get("storageClassName") == expected
    assert claim["metadata"]["name"] == "data"


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_a_resize_restarts_no_pod(version: str) -> None:
    def rendered(size: str) -> tuple[object, str]:
        given = {"storage": {"resources": {"requests": {"storage": size}}}, "walVolume": {"enabled": True, "size": size}}
        found = helm.objects(*helm.values(given), version=version)
        settings = found["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
        return found["StatefulSet", "ha-postgres"]["spec"]["template"], settings

    (before, small), (after, large) = rendered("1Gi"), rendered("2Gi")
    assert before == after
    assert "max_slot_wal_keep_size = '512MB'" in small
    assert "max_slot_wal_keep_size = '1024MB'" in large


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_without_storage_the_data_is_in_an_empty_dir(version: str) -> None:
    spec = helm.objects("--set", "storage=null", version=version)["StatefulSet", "ha-postgres"]["spec"]
    assert "volumeClaimTemplates" not in spec
    assert {"name": "data", "emptyDir": {}} in spec["template"]["spec"]["volumes"]


# --- the WAL volume ---

WAL_MOUNT = {"name": "wal", "mountPath": "/var/lib/postgresql/wal"}
WAL_VARIABLE = {"name": "HAPG_WAL_VOLUME", "value": "/var/lib/postgresql/wal"}


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_a_wal_volume_is_a_second_claim_that_both_programs_have(version: str) -> None:
    given = {"enabled": True, "size": "6Gi", "storageClassName": "fast", "accessModes": ["ReadWriteOncePod"]}
    spec = helm.objects(*helm.values({"walVolume": given}), version=version)["StatefulSet", "ha-postgres"]["spec"]
    data, wal = spec["volumeClaimTemplates"]
    assert (data["metadata"]["name"], wal["metadata"]["name"]) == ("data", "wal")
    assert wal["spec"] == {"storageClassName": "fast", "accessModes": ["ReadWriteOncePod"], "resources": {"requests": {"storage": "6Gi"}}}
    containers = helm.containers(spec["template"]["spec"])
    have = [name for name, each in containers.items() if WAL_MOUNT in each.get("volumeMounts", [])]
    told = [name for name, each in containers.items() if WAL_VARIABLE in each.get("env", [])]
    assert sorted(have) == sorted(told) == ["failover", "postgres"]


def test_without_one_there_is_no_trace_of_it() -> None:
    text = helm.text("--show-only", "templates/statefulset.yaml")
    assert "/var/lib/postgresql/wal" not in text
    assert "HAPG_WAL_VOLUME" not in text
    (claim,) = helm.objects("--set", "walVolume.enabled=true")["StatefulSet", "ha-postgres"]["spec"]["volumeClaimTemplates"][1:]
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "4Gi"}}}


# --- what slots may keep ---


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ((), "1638MB"),
        (("--set", "storage.resources.requests.storage=50Mi"), "10MB"),
        (("--set", "storage.resources.requests.storage=1Mi"), "1MB"),
        (("--set", "storage.resources.requests.storage=1.5T"), "286102MB"),
        (("--set", "storage.resources.requests.storage=1e10"), "1907MB"),
        (("--set", "storage.resources.requests.storage=1073741824"), "204MB"),
        (("--set", "storage=null"), "1GB"),
        (("--set", "walVolume.enabled=true"), "2048MB"),
        (("--set", "walVolume.enabled=true,walVolume.size=10G,storage.resources.requests.storage=1Ti"), "4768MB"),
        (("--set", "walVolume.enabled=true,replication.maxSlotWalKeepSize=3GB"), "3GB"),
        (("--set", "replication.maxSlotWalKeepSize=4GB"), "4GB"),
    ],
)
def test_slots_keep_no_more_wal_than_a_share_of_the_volume(options: tuple[str, ...], kept: str) -> None:
    conf = helm.objects(*options)["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
    assert re.findall(r"^max_slot_wal_keep_size = '(.*)'$", conf, re.MULTILINE) == [kept]


CONFIGURATIONS = [
    *((chart, ()) for chart in helm.CHARTS),
    *((helm.CHART, options) for options in (helm.example("s3"), helm.example("production-tls"), ("--values", str(EVERYTHING)))),
]


@pytest.mark.parametrize(
    ("chart", "options"), CONFIGURATIONS, ids=lambda each: Path(each[-1]).stem if isinstance(each, tuple) and each else None
)
def test_a_resize_that_adds_a_wal_volume_makes_what_the_chart_makes(chart: Path, options: tuple[str, ...]) -> None:
    """So the upgrade with the values that it prints changes nothing of the StatefulSet, not even an order."""

    def rendered(*more: str) -> helm.Object:
        off = helm.values({"walVolume": {"enabled": False, "storageClassName": None, "accessModes": ["ReadWriteOnce"]}})
        [found] = [each for (kind, _), each in helm.objects(*options, *off, *more, chart=chart).items() if kind == "StatefulSet"]
        return found

    no_global = ("--set", "global.storageClass=")  # with one, the page says to name the class of the WAL volumes
    for storage_class, more in ((None, no_global), ("fast", ())):
        plan = Reclone({"wal": "1Gi"}, storage_class)
        assert plan.stateful_set(rendered(*more))["spec"] == rendered(*more, *plan.values().split())["spec"]
