"""Values that helm refuses, and its messages."""

from __future__ import annotations

import pytest

from tests.chart import helm

BOTH = pytest.mark.parametrize("version", helm.VERSIONS)
TABLE = pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)


@TABLE
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--set", "standbyMod=hot"), "- at '': additional properties 'standbyMod' not allowed"),
        (("--set", "image.tga=15"), "- at '/image': additional properties 'tga' not allowed"),
        (("--set", "storage.resources.requests.size=1Gi"), "- at '/storage/resources/requests': additional properties 'size' not allowed"),
        (("--set", "replicas=0"), "- at '/replicas': minimum: got 0, want 1"),
        (("--set", "replicas=10"), "- at '/replicas': maximum: got 10, want 9"),
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


@TABLE
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
            "failover: renewSeconds + 2 * callTimeoutSeconds must not exceed leaseSeconds, so that one lost call does no harm: "
            "2.5 + 2 * 1.2 = 4.9 exceeds 4.7",
        ),
        (
            {"failover.overdueSeconds": 6},
            "failover: overdueSeconds must lie between renewSeconds and ttlSeconds: 6 is not between 2 and 6",
        ),
        (
            {"replication.mode": "synchronous", "replication.minSyncReplicas": 3},
            "replication: minSyncReplicas must be less than replicas, because the primary is not a standby: 3 is not less than 3",
        ),
        ({"postgresql.parameters.work mem": "1MB"}, 'postgresql.parameters: "work mem" is not a parameter name in lower case'),
        (
            {"postgresql.parameters.worke_mem": "1MB"},
            "postgresql.parameters.worke_mem: unknown parameter of PostgreSQL 15; allowed are those in the chart's "
            "files/parameters.json, and extensions' parameters, with a dot in the name\n",
        ),
        ({"postgresql.parameters.wal_keep_segments": 8}, "postgresql.parameters.wal_keep_segments: unknown parameter of PostgreSQL 15; "),
        (
            {"postgresql.parameters.server_version": "16"},
            "postgresql.parameters.server_version: can't be set in a file; it is read-only",
        ),
        (
            {r"initdb.scripts.a\.sh": "x"},
            'initdb.scripts: "a.sh" is not a valid script name; letters, digits and -_. with .sql at the end',
        ),
        ({r"initdb.scripts.a/b\.sql": "x"}, 'initdb.scripts: "a/b.sql" is not a valid script name'),
        (
            {"walVolume.enabled": True, "storage": None},
            "walVolume: enabled requires storage, because WAL on a volume is useless if the data is lost with its pod",
        ),
        (
            {"walVolume.enabled": True, "extraVolumes": [{"name": "wal", "emptyDir": {}}]},
            "extraVolumes: the name wal is the chart's own",
        ),
        (
            {"walVolume.enabled": True, "extraVolumeMounts": [{"name": "x", "mountPath": "/var/lib/postgresql/wal/x"}]},
            "extraVolumeMounts: /var/lib/postgresql/wal/x overlaps the chart's own /var/lib/postgresql/wal",
        ),
        ({r"podLabels.kubedb\.com/role": "primary"}, "podLabels: kubedb.com/role can't be set; the failover container sets it"),
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
    given = helm.values({"failover.ttlSeconds": 3, "postgresql.parameters.fsync": False})
    said = helm.refusal(*given, "--skip-schema-validation", version=version)
    assert "or two servers could write" in said
    assert "overdueSeconds must lie between" in said
    assert "postgresql.parameters.fsync: can't be set" in said


CONFLICTS = [
    ({"postgresql.parameters.wal_level": "minimal"}, "postgresql/parameters/wal_level", "replica or logical: "),
    (
        {"postgresql.parameters.restart_after_crash": "on"},
        "postgresql/parameters/restart_after_crash",
        "because a server that recovers in place",
    ),
    (
        {"postgresql.parameters.recovery_target_xid": "5"},
        "postgresql/parameters/recovery_target_xid",
        "because only the failover container decides",
    ),
    (
        {"postgresql.parameters.recovery_min_apply_delay": "5min"},
        "postgresql/parameters/recovery_min_apply_delay",
        "because a promotion would keep clients waiting",
    ),
    ({"postgresql.parameters.include_if_exists": "/tmp/x"}, "postgresql/parameters/include_if_exists", "because the supervisor and"),
    ({"postgresql.parameters.synchronous_standby_names": "*"}, "postgresql/parameters/synchronous_standby_names", "in step with the Lease"),
    ({"postgresql.parameters.hot_standby": True}, "postgresql/parameters/hot_standby", "because the value standbyMode sets it"),
    ({"postgresql.parameters.max_wal_senders": 5}, "postgresql/parameters/max_wal_senders", "because the chart sets 99"),
    ({"postgresql.parameters.max_replication_slots": 0}, "postgresql/parameters/max_replication_slots", "because the chart sets 99"),
    ({"postgresql.parameters.superuser_reserved_connections": 0}, "postgresql/parameters/superuser_reserved_connections", "at least 3: "),
    *(
        ({f"postgresql.parameters.{name}": zero}, f"postgresql/parameters/{name}", "in whole numbers: with 0, ")
        for name in ("wal_sender_timeout", "wal_receiver_timeout", "wal_receiver_status_interval")
        for zero in (0, "0", "0ms", "0s", "0.4ms", False)
    ),
    *(
        (
            {"replication.mode": "synchronous", "postgresql.parameters.synchronous_commit": no},
            "postgresql/parameters/synchronous_commit",
            "on or remote",
        )
        for no in (False, 0, "off", "OFF", "no", "0", "false", "local", "remote_write")
    ),
    ({"initdb.args": ["--waldir=/x"]}, "initdb/args/0", "because the chart sets the directory and its owner"),
    ({"initdb.args": ["--wald=/x"]}, "initdb/args/0", "an option that the chart allows, with long names in full"),
    ({"initdb.args": ["-k", "-X", "/x"]}, "initdb/args/1", "because the chart sets the directory and its owner"),
    ({"initdb.args": ["--auth=trust"]}, "initdb/args/0", "set postgresql.pgHba instead"),
    ({"initdb.args": ["--lc-messages=de_DE.UTF-8"]}, "initdb/args/0", "set postgresql.parameters.lc_messages instead"),
    ({"initdb.args": ["-cfsync=off"]}, "initdb/args/0", "set postgresql.parameters instead"),
    ({"initdb.args": ["--sync-only"]}, "initdb/args/0", "would exit without creating a database"),
    (
        {"storage.accessModes": ["ReadWriteMany"]},
        "storage/accessModes/0",
        "ReadWriteOncePod or ReadWriteOnce: with any other mode, servers on several",
    ),
    (
        {"walVolume.accessModes": ["ReadOnlyMany"]},
        "walVolume/accessModes/0",
        "ReadWriteOncePod or ReadWriteOnce: with any",
    ),
]
"""Values that break failover or have no effect, where the schema finds them, and why they are refused."""


@TABLE
@pytest.mark.parametrize(("given", "path", "why"), CONFLICTS)
def test_what_breaks_failover_is_refused_with_the_reason(given: dict[str, object], path: str, why: str, version: str) -> None:
    """The schema refuses it, and the templates do if the schema is skipped; helm 3 and 4 say the
    same.
    """
    [line] = [line for line in helm.refusal(*helm.values(given), version=version).splitlines() if line.startswith("- at ")]
    assert line.startswith(f"- at '/{path}': value must be '")
    assert why in line
    said = helm.refusal(*helm.values(given), "--skip-schema-validation", version=version)
    [sentence] = [line for line in said.splitlines() if why in line]
    assert sentence.startswith(path.replace("/", ".").removesuffix(".0").removesuffix(".1") + ": ")


@BOTH
@pytest.mark.parametrize("name", ["WAL_LEVEL", "Synchronous_Commit"])
def test_a_name_in_capitals_is_refused(name: str, version: str) -> None:
    given = helm.values({f"postgresql.parameters.{name}": "off"})
    assert "parameter names must be in lower case here" in helm.refusal(*given, version=version)
    said = helm.refusal(*given, "--skip-schema-validation", version=version)
    assert f'postgresql.parameters: "{name}" is not a parameter name in lower case' in said


@BOTH
def test_what_is_allowed_of_them_is_taken(version: str) -> None:
    parameters = {"wal_level": "logical", "wal_sender_timeout": "30s", "wal_receiver_timeout": 60000, "superuser_reserved_connections": 5}
    conf = helm.objects(*helm.values({"postgresql": {"parameters": parameters}}), version=version)["ConfigMap", "ha-postgres-config"]
    assert "\nwal_level = 'logical'\n" in conf["data"]["postgresql.conf"]
    assert "\nrestart_after_crash = off\n" in conf["data"]["postgresql.conf"]


@BOTH
def test_a_single_server_needs_no_standby_while_replication_is_asynchronous(version: str) -> None:
    assert helm.objects("--set", "replicas=1", version=version)
    assert "1 is not less than 1" in helm.refusal("--set", "replicas=1,replication.mode=synchronous", version=version)


@TABLE
@pytest.mark.parametrize("value", ["on", "true", "yes", "1", "remote_apply"])
def test_a_commit_that_waits_for_a_disk_is_accepted(value: str, version: str) -> None:
    assert helm.objects("--set", f"replication.mode=synchronous,postgresql.parameters.synchronous_commit={value}", version=version)


@BOTH
def test_other_globals_are_none_of_this_charts_business(version: str) -> None:
    assert helm.objects("--set", "global.postgresql.auth.password=x", version=version) == helm.objects(version=version)


@BOTH
def test_a_parameter_with_which_a_major_would_not_start_is_refused(version: str) -> None:
    chart = helm.ROOT / "charts" / "ha-postgres-9.6"
    few = helm.values({"postgresql.parameters.max_connections": 99})
    sentence = "postgresql.parameters.max_connections: 99 is less than 100; with less, PostgreSQL 9.6 does not start with the chart's"
    assert sentence in helm.refusal(*few, chart=chart, version=version)
    assert helm.objects(*helm.values({"postgresql.parameters.max_connections": 100}), chart=chart, version=version)
    assert helm.objects(*few, version=version)
