"""The rendered settings match what the failover container and the supervisor read
(docs/contract.md).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hapg_failover import container, settings
from hapg_failover.adapters import script
from hapg_failover.adapters.secret import KEYS, PROJECTED
from hapg_failover.app_database import FILE
from hapg_failover.core.write_quorum import Policy
from hapg_failover.credentials.app import PASSWORD_KEY
from tests.chart import golden, helm

SUPERVISOR = "\n".join(path.read_text() for path in script.sources())
CONTRACT = (helm.ROOT / "docs" / "contract.md").read_text()


def config(*options: str) -> dict[str, str]:
    (found,) = [document for (_, name), document in helm.objects(*options).items() if name.endswith("-config")]
    data: dict[str, str] = found["data"]
    return data


def mounts(container: str) -> dict[str, str]:
    spec = helm.pod()["spec"]
    found = helm.containers(spec)[container]["volumeMounts"]
    assert not [mount for mount in found if "subPath" in mount]
    return {mount["mountPath"]: mount["name"] for mount in found}


@pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)
@pytest.mark.parametrize("example", golden.NAMES)
def test_the_container_reads_its_settings(example: str, version: str) -> None:
    found = helm.objects(*helm.example(example), version=version)
    (name,) = [name for kind, name in found if kind == "StatefulSet"]
    read = settings.parse(found["ConfigMap", f"{name}-config"]["data"]["failover.json"])
    stateful_set = found["StatefulSet", name]
    assert read.name == name
    assert read.replicas == stateful_set["spec"]["replicas"]
    assert read.selector == stateful_set["spec"]["selector"]["matchLabels"]
    assert read.grace == stateful_set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    containers = helm.containers(stateful_set["spec"]["template"]["spec"])
    assert [read.http_port, read.peer_port] == [port["containerPort"] for port in containers["failover"]["ports"]]
    assert read.port == containers["postgres"]["ports"][0]["containerPort"]
    assert {read.label_role: "primary"}.items() <= found["Service", name]["spec"]["selector"].items()
    (projected,) = [volume["projected"] for volume in stateful_set["spec"]["template"]["spec"]["volumes"] if volume["name"] == "secret"]
    entries = [(source["secret"]["name"], source["secret"]["items"]) for source in projected["sources"]]
    names = (read.secret, read.replication_secret)
    expected = [(name, [{"key": key, "path": key}]) for name, key in zip(names, KEYS, strict=True)]
    assert entries == expected + ([(read.app.secret, [{"key": PASSWORD_KEY, "path": FILE}])] if read.app else [])


def test_the_values_reach_the_container() -> None:
    given = {"replicas": 5, "standbyMode": "hot", "failover": {"ttlSeconds": 20, "maxLagBytes": 3}, "terminationGracePeriodSeconds": 60}
    read = settings.parse(config(*helm.values(given))["failover.json"])
    assert (read.replicas, read.standby_mode, read.timing.ttl, read.max_lag, read.grace) == (5, "hot", 20.0, 3, 60)


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ({}, Policy()),
        ({"mode": "asynchronous", "minSyncReplicas": 8}, Policy()),
        ({"mode": "synchronous"}, Policy(1)),
        ({"mode": "synchronous", "minSyncReplicas": 2, "synchronousPolicy": "preferred"}, Policy(2, strict=False)),
    ],
)
def test_the_mode_of_replication_reaches_the_container(given: dict[str, object], policy: Policy) -> None:
    assert settings.parse(config(*helm.values({"replication": given}))["failover.json"]).policy == policy


def test_the_environment_makes_an_identity() -> None:
    env = {entry["name"]: "x-0" for entry in helm.containers(helm.pod()["spec"])["failover"]["env"]}
    assert settings.Identity.from_environment(env).ordinal == 0


def test_the_order_of_the_containers() -> None:
    spec = helm.pod()["spec"]
    assert [container["name"] for container in spec["initContainers"]] == ["prepare", "failover"]
    assert spec["initContainers"][1]["restartPolicy"] == "Always"
    assert [container["name"] for container in spec["containers"]] == ["postgres"]


def test_mounts() -> None:
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mounts("postgres") == {
        "/var/lib/postgresql/data": "data",
        "/run/hapg": "run",
        "/etc/hapg/config": "config",
        "/etc/hapg/supervisor": "supervisor",
        "/dev/shm": "shm",
        "/tmp": "tmp",
    }
    assert mounts("failover") == {
        "/var/lib/postgresql/data": "data",
        "/run/hapg": "run",
        "/etc/hapg/config": "config",
        "/etc/hapg/supervisor": "supervisor",
        str(PROJECTED): "secret",
        "/tmp": "tmp",
        token: "token",
    }
    assert mounts("prepare") == {
        "/etc/hapg/supervisor": "supervisor",
        "/etc/hapg/config": "config",
        str(PROJECTED): "secret",
        "/run/hapg": "run",
        token: "token",
    }


def test_the_scripts_are_written_by_the_init_container_alone() -> None:
    containers = helm.containers(helm.pod()["spec"])
    found = {name: mount for name, each in containers.items() for mount in each["volumeMounts"] if mount["name"] == "supervisor"}
    assert {name: mount.get("readOnly", False) for name, mount in found.items()} == {"prepare": False, "failover": True, "postgres": True}
    assert {mount["mountPath"] for mount in found.values()} == {str(container.SUPERVISOR)}
    assert containers["prepare"]["image"] == containers["failover"]["image"]


def test_the_wal_volume_is_told_as_the_programs_read_it() -> None:
    """In the environment of a pod that has it, and not in settings that reach pods without it."""
    options = ("--set", "walVolume.enabled=true")
    containers = helm.containers(helm.pod(*options)["spec"])
    for name in ("postgres", "failover"):
        [told] = [entry["value"] for entry in containers[name]["env"] if entry["name"] == "HAPG_WAL_VOLUME"]
        assert {"name": "wal", "mountPath": told} in containers[name]["volumeMounts"]
    assert "HAPG_WAL_VOLUME" in SUPERVISOR
    assert config(*options)["failover.json"] == config()["failover.json"]


def test_what_lies_in_memory() -> None:
    volumes = {volume["name"]: volume for volume in helm.pod()["spec"]["volumes"]}
    assert {name for name, volume in volumes.items() if volume.get("emptyDir", {}).get("medium") == "Memory"} == {
        "run",
        "shm",
        "supervisor",
    }


def test_commands() -> None:
    containers = helm.containers(helm.pod()["spec"])
    assert containers["postgres"]["command"] == ["/bin/bash", str(container.SUPERVISOR / script.MAIN)]
    assert containers["failover"]["args"] == ["run"]
    assert containers["prepare"]["args"] == ["prepare"]
    assert "command" not in containers["failover"]


def test_the_supervisors_environment() -> None:
    options = ("--set", "initdb.args={--wal-segsize=64,--locale=C}", "--set", "terminationGracePeriodSeconds=60")
    entries = helm.containers(helm.pod(*options)["spec"])["postgres"]["env"]
    env = {entry["name"]: entry.get("value") for entry in entries}
    words = env["HAPG_VERSION_PROFILE"]
    assert "binDirectory=/usr/lib/postgresql/15/bin" in words.split()
    assert env == {
        "POD_NAME": None,
        "HAPG_VERSION_PROFILE": words,
        "HAPG_GRACE": "60",
        "HAPG_INITDB_ARGS": "--wal-segsize=64 --locale=C",
    }
    for name in env:
        assert name in SUPERVISOR


@pytest.mark.parametrize("chart", helm.CHARTS, ids=lambda chart: chart.name)
def test_both_containers_are_told_the_same_of_the_major(chart: Path) -> None:
    found = helm.objects(chart=chart)
    document = found["ConfigMap", "ha-postgres-config"]["data"]["failover.json"]
    profile = json.loads(document)["postgresMajor"]
    entries = helm.containers(found["StatefulSet", "ha-postgres"]["spec"]["template"]["spec"])["postgres"]["env"]
    (words,) = [entry["value"].split() for entry in entries if entry["name"] == "HAPG_VERSION_PROFILE"]
    assert dict(word.split("=", 1) for word in words) == {
        name: str(value).lower() if isinstance(value, bool) else value for name, value in profile.items() if name != "sqlNames"
    }
    read = settings.parse(document).profile
    assert read.json_fields == profile
    assert chart.name == f"ha-postgres-{read.major}"
    assert read.environment_words.split() == words


def test_the_probes() -> None:
    container = helm.containers(helm.pod()["spec"])["failover"]
    ready, live = container["readinessProbe"], container["livenessProbe"]
    assert (ready["httpGet"]["path"], ready["periodSeconds"], ready["failureThreshold"]) == ("/readyz", 2, 2)
    assert (live["httpGet"]["path"], live["periodSeconds"], live["failureThreshold"]) == ("/livez", 10, 6)
    assert not [key for key in helm.containers(helm.pod()["spec"])["postgres"] if key.endswith("Probe")]


def test_access_rules() -> None:
    rules = [line.split() for line in config()["pg_hba.conf"].splitlines() if not line.startswith("#")]
    assert rules == [
        ["local", "all", "all", "trust"],
        ["host", "all", "all", "0.0.0.0/0", "scram-sha-256"],
        ["host", "all", "all", "::/0", "scram-sha-256"],
        ["host", "replication", "all", "0.0.0.0/0", "scram-sha-256"],
        ["host", "replication", "all", "::/0", "scram-sha-256"],
    ]


def test_the_times_are_those_of_the_contract() -> None:
    (listed,) = re.findall(r"`failover` \{(.*?)\}", CONTRACT)
    expected = {name: float(value) for name, value in re.findall(r"`(\w+)` ([0-9.]+)", listed)}
    assert json.loads(config()["failover.json"])["failover"] == expected
