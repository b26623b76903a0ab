"""Values that helm refuses, and what it says."""

from __future__ import annotations

import pytest

from tests.chart import helm

BOTH = pytest.mark.parametrize("version", helm.VERSIONS)


@BOTH
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--set", "standbyMod=hot"), "- at '': additional properties 'standbyMod' not allowed"),
        (("--set", "image.tga=15"), "- at '/image': additional properties 'tga' not allowed"),
        (("--set", "storage.resources.requests.size=1Gi"), "- at '/storage/resources/requests': additional properties 'size' not allowed"),
        (("--set", "replicas=0"), "- at '/replicas': minimum: got 0, want 1"),
        (("--set", "replicas=10"), "- at '/replicas': maximum: got 10, want 9"),
        (("--set", "replicas=null"), "- at '': missing property 'replicas'"),
        (("--set-string", "version=9.6"), "- at '/version': value must be '15'"),
        (("--set", "replication.mode=sync"), "- at '/replication/mode': value must be one of 'asynchronous', 'synchronous'"),
        (("--set", "replication.minSyncReplicas=0"), "- at '/replication/minSyncReplicas': minimum: got 0, want 1"),
        (("--set", "standbyMode=luke"), "- at '/standbyMode': value must be one of 'warm', 'hot'"),
        (
            ("--set", "storage.resources.requests.storage=50 Mb"),
            "- at '/storage/resources/requests/storage': '50 Mb' does not match pattern",
        ),
        (("--set", "walVolume.enable=true"), "- at '/walVolume': additional properties 'enable' not allowed"),
        (("--set", "walVolume.size=4 GB"), "- at '/walVolume/size': '4 GB' does not match pattern"),
        (("--set", "walVolume=null"), "- at '': missing property 'walVolume'"),
        (("--set", "shmSize=5 GB"), "- at '/shmSize': '5 GB' does not match pattern"),
        (("--set", "resources.limits.memory=1 GB"), "- at '/resources/limits/memory': '1 GB' does not match pattern"),
        (("--set", "tolerations[0].kee=x"), "- at '/tolerations/0': additional properties 'kee' not allowed"),
        (("--set", "postgresql.parameters.work_mem.a=1"), "- at '/postgresql/parameters/work_mem': got object, want"),
        (
            ("--set-json", r'postgresql.parameters.work_mem="1MB\nfsync=off"'),
            "- at '/postgresql/parameters/work_mem': '1MB\\nfsync=off' does not match pattern",
        ),
    ],
)
def test_the_schema_refuses(options: tuple[str, ...], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*options, version=version)


@BOTH
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"failover.leaseSeconds": 5.9},
            "failover: leaseSeconds * (1 + clockRatio) + fenceSeconds must be less than ttlSeconds, or two servers could write: "
            "5.9 * 1.05 + 0.7 = 6.895 is not less than 6",
        ),
        (
            {"failover.clockRatio": 0.0, "failover.fenceSeconds": 1.3},
            "- at '/failover/clockRatio': minimum: got 0, want 0.001",
        ),
        (
            {"failover.renewSeconds": 2.5},
            "failover: renewSeconds + 2 * callTimeoutSeconds must not exceed leaseSeconds, so that one lost call is survived: "
            "2.5 + 2 * 1.2 = 4.9 exceeds 4.7",
        ),
        (
            {"failover.overdueSeconds": 6},
            "failover: overdueSeconds must lie between renewSeconds and ttlSeconds: 6 is not between 2 and 6",
        ),
        (
            {"postgresql.parameters.wal_level": "minimal"},
            "postgresql.parameters.wal_level: can't be set, because failover depends on the chart's own",
        ),
        (
            {"postgresql.parameters.recovery_target_xid": "5"},
            "postgresql.parameters.recovery_target_xid: can't be set, because failover depends on the chart's own",
        ),
        (
            {"postgresql.parameters.include_if_exists": "/tmp/x"},
            "postgresql.parameters.include_if_exists: can't be set, because failover depends on the chart's own",
        ),
        (
            {"replication.mode": "synchronous", "replication.minSyncReplicas": 3},
            "replication: minSyncReplicas must be less than replicas, for the primary isn't one of its standbys: 3 is not less than 3",
        ),
        (
            {"replication.mode": "synchronous", "postgresql.parameters.synchronous_commit": "local"},
            "postgresql.parameters.synchronous_commit: \"local\" doesn't wait for a standby's disk",
        ),
        (
            {"postgresql.parameters.synchronous_standby_names": "*"},
            "postgresql.parameters.synchronous_standby_names: can't be set, because failover depends on the chart's own",
        ),
        ({"postgresql.parameters.WAL_LEVEL": "minimal"}, 'postgresql.parameters: "WAL_LEVEL" is not the name of a parameter in lower case'),
        ({"postgresql.parameters.work mem": "1MB"}, 'postgresql.parameters: "work mem" is not the name of a parameter in lower case'),
        (
            {"postgresql.parameters.worke_mem": "1MB"},
            "postgresql.parameters.worke_mem: PostgreSQL 15 has no such parameter; did you mean work_mem?",
        ),
        (
            {"postgresql.parameters.wal_keep_segments": 8},
            "postgresql.parameters.wal_keep_segments: PostgreSQL 15 has no such parameter; did you mean wal_keep_size?",
        ),
        ({"postgresql.parameters.xyzzy": 8}, "postgresql.parameters.xyzzy: PostgreSQL 15 has no such parameter\n"),
        (
            {"postgresql.parameters.server_version": "16"},
            "postgresql.parameters.server_version: can't be set in a file; PostgreSQL only shows it",
        ),
        (
            {r"initdb.scripts.a\.sh": "x"},
            'initdb.scripts: "a.sh" is not the name of a script; letters, digits and -_. with .sql at the end',
        ),
        ({r"initdb.scripts.a/b\.sql": "x"}, 'initdb.scripts: "a/b.sql" is not the name of a script'),
        (
            {"initdb.args": ["--waldir=/x"]},
            "initdb.args: --waldir=/x can't be set, because the directory and its owner are the chart's own",
        ),
        ({"initdb.args": ["--wald=/x"]}, "initdb.args: --wald=/x can't be set"),
        ({"initdb.args": ["-k", "-X", "/x"]}, "initdb.args: -X can't be set"),
        (
            {"walVolume.enabled": True, "storage": None},
            "walVolume: enabled needs storage, for WAL outlives its pod only beside data that does",
        ),
        (
            {"walVolume.enabled": True, "extraVolumes": [{"name": "wal", "emptyDir": {}}]},
            "extraVolumes: the name wal is the chart's own",
        ),
        (
            {"walVolume.enabled": True, "extraVolumeMounts": [{"name": "x", "mountPath": "/var/lib/postgresql/wal/x"}]},
            "extraVolumeMounts: /var/lib/postgresql/wal/x would cover, or lie in, the chart's own /var/lib/postgresql/wal",
        ),
        ({r"podLabels.kubedb\.com/role": "primary"}, "podLabels: kubedb.com/role can't be set; the failover container does"),
    ],
)
def test_the_templates_refuse(given: dict[str, object], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*helm.values(given), version=version)


@BOTH
def test_equality_of_lease_and_ttl_is_refused(version: str) -> None:
    edge = {"failover.leaseSeconds": 5.0, "failover.fenceSeconds": 0.75}
    assert "5 * 1.05 + 0.75 = 6 is not less than 6" in helm.refusal(*helm.values(edge), version=version)


@BOTH
def test_all_that_the_templates_refuse_is_told_at_once(version: str) -> None:
    said = helm.refusal(*helm.values({"failover.ttlSeconds": 3, "postgresql.parameters.fsync": False}), version=version)
    assert "or two servers could write" in said
    assert "overdueSeconds must lie between" in said
    assert "postgresql.parameters.fsync: can't be set" in said


@BOTH
def test_a_single_server_needs_no_standby_while_replication_is_asynchronous(version: str) -> None:
    assert helm.objects("--set", "replicas=1", version=version)
    assert "1 is not less than 1" in helm.refusal("--set", "replicas=1,replication.mode=synchronous", version=version)


@BOTH
@pytest.mark.parametrize("value", ["on", "true", "remote_apply"])
def test_a_commit_that_waits_for_a_disk_is_accepted(value: str, version: str) -> None:
    assert helm.objects("--set", f"replication.mode=synchronous,postgresql.parameters.synchronous_commit={value}", version=version)


@BOTH
def test_other_globals_are_none_of_this_charts_business(version: str) -> None:
    assert helm.objects("--set", "global.storageClass=x", version=version) == helm.objects(version=version)


@BOTH
def test_a_parameter_with_which_a_major_would_not_start_is_refused(version: str) -> None:
    chart = helm.ROOT / "charts" / "ha-postgres-9.6"
    few = helm.values({"postgresql.parameters.max_connections": 99})
    sentence = "postgresql.parameters.max_connections: 99 is less than 100, with which PostgreSQL 9.6 doesn't start beside the chart's"
    assert sentence in helm.refusal(*few, chart=chart, version=version)
    assert helm.objects(*helm.values({"postgresql.parameters.max_connections": 100}), chart=chart, version=version)
    assert helm.objects(*few, version=version)
