"""What the tables say about single fields, where the meaning differs from system to system."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hapg import yamlio
from hapg.errors import InputError
from hapg.migrate import output, systems
from hapg.migrate.rules import Outcome
from hapg.migrate.source import Migration
from hapg.migrate.walk import get, shown

CNPG = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "db"}}
ZALANDO = {"apiVersion": "acid.zalan.do/v1", "kind": "postgresql", "metadata": {"name": "db"}}
CRUNCHY = {"apiVersion": "postgres-operator.crunchydata.com/v1beta1", "kind": "PostgresCluster", "metadata": {"name": "db"}}
KUBEDB = {"apiVersion": "kubedb.com/v1", "kind": "Postgres", "metadata": {"name": "db"}}


def migrate(document: dict[str, Any], spec: dict[str, Any] | None = None) -> Migration:
    whole = document if spec is None else {**document, "spec": spec}
    (found,), _ = systems.translate(yamlio.load(yaml.dump(whole, Dumper=yamlio.Dumper).encode(), "in.yaml"))
    return found


def said(found: Migration, path: str) -> tuple[Outcome, str]:
    (entry,) = [entry for entry in found.entries if shown(entry.path) == path]
    return entry.outcome, entry.text


@pytest.mark.parametrize(
    ("spec", "replication"),
    [
        ({"minSyncReplicas": 1, "maxSyncReplicas": 2}, ("synchronous", 1, "strict")),
        ({"minSyncReplicas": 0, "maxSyncReplicas": 2}, ("synchronous", 2, "preferred")),
        ({"minSyncReplicas": 0, "maxSyncReplicas": 0}, (None, None, None)),
        ({"postgresql": {"synchronous": {"method": "any", "number": 1, "dataDurability": "required"}}}, ("synchronous", 1, "strict")),
        ({"postgresql": {"synchronous": {"method": "first", "number": 1, "dataDurability": "preferred"}}}, ("synchronous", 1, "preferred")),
    ],
)
def test_synchronous_replication_of_cloudnative_pg(spec: dict[str, Any], replication: tuple[Any, ...]) -> None:
    found = migrate(CNPG, {"instances": 3, **spec}).values
    assert tuple(get(found, "replication", key) for key in ("mode", "minSyncReplicas", "synchronousPolicy")) == replication


def test_what_a_single_server_can_not_have_is_taken_back() -> None:
    found = migrate(CNPG, {"instances": 1, "minSyncReplicas": 1})
    assert get(found.values, "replication", "mode") is None
    assert said(found, "spec.minSyncReplicas")[1].startswith("synchronous replication needs a standby")


@pytest.mark.parametrize("system", [KUBEDB, CNPG], ids=lambda system: system["apiVersion"].partition("/")[0])
def test_an_archive_of_a_major_that_has_none_is_left_out(system: dict[str, Any]) -> None:
    storage = {"storageSecretName": "s", "s3": {"bucket": "b"}}
    kubedb = {"replicas": 1, "archiver": {"storage": storage}, "backupSchedule": {"cronExpression": "@daily", **storage}}
    keys = {"accessKeyId": {"name": "s", "key": "AWS_ACCESS_KEY_ID"}, "secretAccessKey": {"name": "s", "key": "AWS_SECRET_ACCESS_KEY"}}
    store = {"destinationPath": "s3://b/p", "s3Credentials": keys}
    cnpg = {"instances": 1, "backup": {"barmanObjectStore": store, "retentionPolicy": "30d"}}

    def made(major: str) -> Migration:
        spec = {"version": major, **kubedb} if system is KUBEDB else {"imageName": f"postgresql:{major}.1", **cnpg}
        return migrate(system, spec)

    assert {"archiver", "backup"} <= made("18").values.keys()
    found = made("19")
    assert not {"archiver", "backup", "restore"} & found.values.keys()
    assert any("pgBackRest in the backup image does not support PostgreSQL 19" in entry.text for entry in found.entries)


def test_an_archive_without_credentials_is_taken_back() -> None:
    store = {"destinationPath": "s3://b/p", "s3Credentials": {"accessKeyId": {"name": "s3", "key": "ID"}}}
    found = migrate(CNPG, {"instances": 1, "backup": {"barmanObjectStore": store, "retentionPolicy": "30d"}})
    assert not {"archiver", "backup"} & found.values.keys()
    assert said(found, "spec.backup.barmanObjectStore.destinationPath")[0] is Outcome.NONE
    assert said(found, "spec.backup.retentionPolicy") == (Outcome.NONE, "backups need an archive; set archiver.*")


@pytest.mark.parametrize(
    ("patroni", "replication"),
    [
        ({"synchronous_mode": True}, ("synchronous", "preferred")),
        ({"synchronous_mode": True, "synchronous_mode_strict": True}, ("synchronous", "strict")),
        ({"synchronous_mode": False}, (None, None)),
        ({"synchronous_mode": "on"}, ("synchronous", "preferred")),
        ({"synchronous_mode": "quorum", "synchronous_mode_strict": "on"}, ("synchronous", "strict")),
        ({"synchronous_mode": "sometimes"}, (None, None)),
    ],
)
def test_synchronous_replication_by_patroni(patroni: dict[str, Any], replication: tuple[Any, Any]) -> None:
    for document, spec in (
        (ZALANDO, {"numberOfInstances": 2, "patroni": patroni}),
        (CRUNCHY, {"instances": [{"replicas": 2}], "patroni": {"dynamicConfiguration": patroni}}),
    ):
        found = migrate(document, spec).values
        assert (get(found, "replication", "mode"), get(found, "replication", "synchronousPolicy")) == replication


def test_users_of_zalando() -> None:
    found = migrate(ZALANDO, {"users": {"a_b": ["createdb", "NOLOGIN"], "plain": [], "x.y": [], "odd": ["flies"]}})
    secret = {"name": "a-b.db.credentials.postgresql.acid.zalan.do"}
    plain = {"name": "plain.db.credentials.postgresql.acid.zalan.do"}
    assert found.values["roles"] == [
        {"name": "a_b", "login": False, "createdb": True, "passwordSecret": secret},
        {"name": "plain", "login": True, "passwordSecret": plain},
    ]
    assert said(found, 'spec.users."x.y"')[0] is Outcome.NONE
    assert said(found, "spec.users.odd") == (Outcome.NONE, "flies is not an attribute of a role; set roles")


def test_a_cluster_with_no_servers_sleeps() -> None:
    assert migrate(ZALANDO, {"numberOfInstances": 0}).values["pause"] is True
    assert migrate(CRUNCHY, {"shutdown": True}).values["pause"] is True
    assert migrate(KUBEDB, {"halted": True}).values["pause"] is True


def test_sets_of_instances_are_added_up() -> None:
    found = migrate(CRUNCHY, {"postgresVersion": 16, "instances": [{"replicas": 2}, {"replicas": 3, "priorityClassName": "x"}]})
    assert found.values["replicas"] == 5
    assert said(found, "spec.instances[1].priorityClassName")[0] is Outcome.NONE


@pytest.mark.parametrize(
    ("document", "spec", "replicas"),
    [
        (CNPG, {}, 1),
        (KUBEDB, {}, 1),
        (CRUNCHY, {}, 1),
        (CRUNCHY, {"instances": [{}, {}]}, 2),
        (CRUNCHY, {"instances": [{}, {"replicas": 2}]}, 3),
    ],
)
def test_servers_that_nobody_counts(document: dict[str, Any], spec: dict[str, Any], replicas: int) -> None:
    assert migrate(document, spec).values["replicas"] == replicas


def test_users_of_crunchy() -> None:
    users = [{"name": "a", "databases": ["x", "y"], "options": "SUPERUSER NOLOGIN"}, {"name": "b", "databases": ["y"]}]
    found = migrate(CRUNCHY, {"users": users})
    assert found.values["databases"] == [{"name": "x", "owner": "a"}, {"name": "y", "owner": "a"}]
    assert found.values["roles"] == [
        {"name": "a", "login": False, "superuser": True, "passwordSecret": {"name": "db-pguser-a"}},
        {"name": "b", "login": True, "passwordSecret": {"name": "db-pguser-b"}},
    ]


def test_the_user_that_crunchy_makes_of_its_own_accord() -> None:
    found = migrate(CRUNCHY, {})
    assert found.values["roles"] == [{"name": "db", "login": True, "passwordSecret": {"name": "db-pguser-db"}}]
    assert found.values["databases"] == [{"name": "db", "owner": "db"}]
    assert [each.to for each in found.assumed if each.to in ("roles", "databases")] == ["roles", "databases"]
    for without in ({**CRUNCHY, "spec": {"users": []}}, {**CRUNCHY, "metadata": {"name": "postgres"}, "spec": {}}):
        assert not migrate(without).values.keys() & {"roles", "databases"}


def test_of_several_repositories_of_crunchy_the_first_in_a_bucket_is_kept() -> None:
    volume = {"name": "repo1", "volume": {"volumeClaimSpec": {"accessModes": ["ReadWriteOnce"]}}, "schedules": {"full": "0 1 * * 0"}}
    bucket = {"name": "repo2", "s3": {"bucket": "b", "endpoint": "s3.example.com", "region": "r"}, "schedules": {"full": "0 2 * * 0"}}
    options = {"repo1-retention-full": "3", "repo2-retention-full": "14", "repo2-path": "/a"}
    found = migrate(CRUNCHY, {"backups": {"pgbackrest": {"repos": [volume, bucket], "global": options}}})
    path = "spec.backups.pgbackrest."
    assert said(found, f"{path}repos[0].schedules.full")[1].startswith("there is one repository, the first in a bucket")
    assert said(found, f"{path}global.repo1-retention-full")[1].startswith("not an option that the chart sets")
    for kept in ("repos[1].s3.bucket", "repos[1].schedules.full", "global.repo2-retention-full", "global.repo2-path"):
        assert " archive" in said(found, path + kept)[1]


@pytest.mark.parametrize(
    ("affinity", "spread"),
    [
        ({"topologyKey": "zone"}, [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]),
        (
            {"topologyKey": "zone", "podAntiAffinityType": "required"},
            [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        ),
        ({"topologyKey": "kubernetes.io/hostname"}, None),
        ({"topologyKey": "zone", "enablePodAntiAffinity": False}, None),
    ],
)
def test_the_spread_of_cloudnative_pg(affinity: dict[str, Any], spread: list[Any] | None) -> None:
    found = migrate(CNPG, {"affinity": affinity})
    assert found.values.get("topologySpreadConstraints") == spread


def test_what_to_do_about_arguments_of_kubedbs_server() -> None:
    containers = [{"name": name, "args": ["-c", "work_mem=8MB"]} for name in ("postgres", "other")]
    found = migrate(KUBEDB, {"podTemplate": {"spec": {"args": ["-c", "work_mem=8MB"], "containers": containers}}})
    pod = "spec.podTemplate.spec"
    for path in (f"{pod}.args", f"{pod}.containers[0].args"):
        assert said(found, path) == (Outcome.NONE, "the supervisor starts the server; put its settings into postgresql.parameters")
    assert "postgresql.parameters" not in said(found, f"{pod}.containers[1].args")[1]


def test_the_retention_of_claims_of_bitnamis_ha_chart() -> None:
    policy = {"whenDeleted": "Delete", "whenScaled": "Retain"}
    chart = {"postgresql": {"replicaCount": 3}, "pgpool": {"replicaCount": 1}}
    for enabled, taken in ((True, policy), (False, None)):
        found = migrate({**chart, "persistentVolumeClaimRetentionPolicy": {"enabled": enabled, **policy}})
        assert get(found.values, "persistentVolumeClaimRetentionPolicy") == taken


def test_older_charts_of_bitnami_call_the_monitors_labels_additional() -> None:
    monitor = {"enabled": True, "additionalLabels": {"release": "prometheus"}}
    found = migrate({"architecture": "standalone", "primary": {}, "metrics": {"enabled": True, "serviceMonitor": monitor}})
    assert get(found.values, "monitor", "prometheus", "labels") == {"release": "prometheus"}


@pytest.mark.parametrize(("line", "says_so"), [("hostssl all all all md5", True), ("host all all all md5", False)])
def test_a_line_for_tls_alone_is_remarked(line: str, says_so: bool) -> None:
    one = migrate(ZALANDO, {"numberOfInstances": 1, "patroni": {"pg_hba": [line]}})
    several = migrate({"primary": {"pgHbaConfiguration": f"local all all trust\n{line}\n"}, "architecture": "standalone"})
    for found, path in ((one, "spec.patroni.pg_hba[0]"), (several, "primary.pgHbaConfiguration")):
        assert get(found.values, "postgresql", "pgHba") == [line]
        assert ("it admits nobody unless tls.mode is allow or require" in said(found, path)[1]) is says_so


@pytest.mark.parametrize(
    ("policy", "values"),
    [
        ("DoNotTerminate", {"doNotPause": True}),
        ("WipeOut", {"wipeOut": True}),
        ("Delete", {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}),
        ("Halt", {}),
    ],
)
def test_the_deletion_policy_of_kubedb(policy: str, values: dict[str, Any]) -> None:
    for key in ("deletionPolicy", "terminationPolicy"):
        assert migrate(KUBEDB, {"version": "16.1", "replicas": 2, key: policy}).values == {"replicas": 2, **values}


def test_tls_without_a_certificate_is_taken_back() -> None:
    found = migrate(KUBEDB, {"version": "16.1", "sslMode": "require"})
    assert "mode" not in found.values.get("tls", {})
    assert said(found, "spec.sslMode")[0] is Outcome.NONE


def test_settings_in_a_file_of_bitnami() -> None:
    text = "# memory\nshared_buffers = 1GB # much\nlog_line_prefix '%m it''s'\n\nfsync = off\nssl_ca_file = '/x'\n!!\n"
    found = migrate({"primary": {"extendedConfiguration": text}})
    assert found.values["postgresql"]["parameters"] == {"shared_buffers": "1GB", "log_line_prefix": "%m it's"}
    words = said(found, "primary.extendedConfiguration")[1]
    assert all(part in words for part in ("ssl_ca_file: the values tls.* set certificates", "not a setting: !!", "parameters.fsync"))


def test_a_name_that_is_a_template_is_none() -> None:
    found = migrate({"fullnameOverride": "{{ .Release.Name }}_DB", "auth": {}})
    assert (found.name, found.host) == ("release-name-db", "RELEASE-postgresql")
    assert output.new_login(found) == "release-name-db-old-login"


def test_bitnamis_defaults_are_not_forgotten() -> None:
    found = migrate({"primary": {"podLabels": {"a": "b"}}})
    assert {each.to for each in found.assumed} == {"replicas", "standbyMode", "storage.resources.requests.storage", "spec.version"}
    assert found.values["storage"] == {"resources": {"requests": {"storage": "8Gi"}}}
    assert migrate({"architecture": "replication", "auth": {}}).values["replicas"] == 2
    assert migrate({"pgpool": {}, "postgresql": {}}).values["replicas"] == 3


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("ClusterIP", set()),
        ("NodePort", {"nodePort", "externalTrafficPolicy"}),
        ("LoadBalancer", {"nodePort", "externalTrafficPolicy", "loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges"}),
    ],
)
def test_what_a_service_of_its_type_can_not_have_is_taken_back(kind: str, kept: set[str]) -> None:
    balancer = {"loadBalancerIP": "10.0.0.1", "loadBalancerClass": "own", "loadBalancerSourceRanges": ["10.0.0.0/8"]}
    service = {"type": kind, "nodePorts": {"postgresql": 30432}, "externalTrafficPolicy": "Cluster", **balancer}
    found = migrate({"auth": {}, "primary": {"service": service}})
    assert found.values["service"] == {"type": kind} | {key: each for key, each in (service | {"nodePort": 30432}).items() if key in kept}
    if kind == "ClusterIP":
        assert said(found, "primary.service.externalTrafficPolicy") == (
            Outcome.NONE,
            "only with service.type NodePort or LoadBalancer; set that first",
        )


@pytest.mark.parametrize(
    ("url", "archiver"),
    [
        ("s3://backups", {"type": "s3", "bucket": "backups"}),
        ("s3://backups/", {"type": "s3", "bucket": "backups"}),
        ("gs://backups/pg/main/", {"type": "gcs", "bucket": "backups", "path": "/pg/main"}),
        ("https://account.blob.core.windows.net/backups/", {"type": "azure", "bucket": "backups"}),
        ("https://account.blob.core.windows.net/backups/pg/", {"type": "azure", "bucket": "backups", "path": "/pg"}),
    ],
)
def test_where_barman_archives_to(url: str, archiver: dict[str, str]) -> None:
    key = {"name": "login", "key": "AWS_ACCESS_KEY_ID"}
    store = {"destinationPath": url, "s3Credentials": {"accessKeyId": key}}
    assert migrate(CNPG, {"backup": {"barmanObjectStore": store}}).values["archiver"] == {**archiver, "secretName": "login"}


@pytest.mark.parametrize(
    ("bootstrap", "app", "databases"),
    [
        ({}, {"database": "app"}, ("app",)),
        ({"initdb": {"encoding": "UTF8"}}, {"database": "app"}, ("app",)),
        ({"initdb": {"owner": "bob", "secret": {"name": "bob"}}}, {"database": "app", "owner": "bob", "secretName": "bob"}, ("app",)),
        ({"initdb": {"database": "shop"}}, {"database": "shop"}, ("shop",)),
        ({"recovery": {"database": "shop", "owner": "bob"}}, {"database": "shop", "owner": "bob"}, ("shop",)),
        ({"pg_basebackup": {"source": "old", "database": "shop"}}, {"database": "shop"}, ("shop",)),
        ({"recovery": {"source": "old"}}, None, ()),
    ],
)
def test_the_application_of_cloudnative_pg(bootstrap: dict[str, Any], app: dict[str, str] | None, databases: tuple[str, ...]) -> None:
    owner = (app or {}).get("owner") or (app or {}).get("database", "other")
    found = migrate(CNPG, {"bootstrap": bootstrap, "managed": {"roles": [{"name": owner, "login": True}]}})
    assert found.values.get("app") == app
    assert found.data.databases == databases
    assert said(found, "spec.managed.roles[0]")[0] is (Outcome.NONE if app else Outcome.CHANGED)


@pytest.mark.parametrize(
    ("document", "spec", "secret"),
    [
        (CNPG, {}, "db-app"),
        (CNPG, {"bootstrap": {"initdb": {"secret": {"name": "own"}}}}, "own"),
        (CNPG, {"enableSuperuserAccess": True, "bootstrap": {"initdb": {"secret": {"name": "own"}}}}, "db-superuser"),
        (CNPG, {"enableSuperuserAccess": True, "superuserSecret": {"name": "super"}}, "super"),
        (CNPG, {"superuserSecret": {"name": "super"}}, "db-app"),
        (KUBEDB, {}, "db-auth"),
        (KUBEDB, {"authSecret": {"name": "own"}}, "own"),
    ],
)
def test_the_login_of_the_old_cluster_is_in_the_secret_that_it_uses(document: dict[str, Any], spec: dict[str, Any], secret: str) -> None:
    assert output.import_values(migrate(document, spec))["import"]["from"]["secretName"] == secret


@pytest.mark.parametrize(
    "values",
    [
        {"auth": {}, "primary": {"persistence": {"storageClass": "-"}}},
        {"auth": {}, "global": {"defaultStorageClass": "-"}},
        {"pgpool": {}, "persistence": {"storageClass": "-"}},
    ],
)
def test_bitnamis_hyphen_is_no_storage_class(values: dict[str, Any]) -> None:
    found = migrate(values).values
    assert (get(found, "storage", "storageClassName"), get(found, "global", "storageClass")) == ("", None)


@pytest.mark.parametrize("user", ["", "postgres"])
def test_bitnamis_database_without_a_user_is_of_postgres(user: str) -> None:
    login = {"username": user, "database": "shop", "existingSecret": "login"}
    for values in ({"auth": login}, {"pgpool": {}, "postgresql": login}, {"auth": {}, "global": {"postgresql": {"auth": login}}}):
        found = migrate(values).values
        assert (found["databases"], found.get("app")) == ([{"name": "shop"}], None)


def test_bitnamis_database_of_a_user_is_the_applications() -> None:
    for values in (
        {"auth": {"username": "bob", "database": "shop"}},
        {"pgpool": {}, "postgresql": {"username": "bob", "database": "shop"}},
    ):
        assert migrate(values).values["app"] == {"database": "shop", "owner": "bob"}
    found = migrate({"auth": {"username": "bob", "database": "postgres"}})
    assert said(found, "auth.database")[0] is Outcome.NONE


@pytest.mark.parametrize(
    "values",
    [
        {"auth": {}, "primary": {"extendedConfiguration": "log_timezone = a\nlog_timezone = b"}},
        {"auth": {}, "primary": {"configuration": "log_timezone = a", "extendedConfiguration": "log_timezone = b"}},
        {"auth": {}, "audit": {"logTimezone": "a"}, "primary": {"extendedConfiguration": "log_timezone = b"}},
        {"pgpool": {}, "postgresql": {"audit": {"logTimezone": "a"}, "extendedConf": "log_timezone = b"}},
        {
            **CRUNCHY,
            "spec": {
                "config": {"parameters": {"log_timezone": "b"}},
                "patroni": {"dynamicConfiguration": {"postgresql": {"parameters": {"log_timezone": "a"}}}},
            },
        },
    ],
)
def test_of_a_setting_that_is_given_twice_the_one_that_counted_is_taken(values: dict[str, Any]) -> None:
    assert migrate(values).values["postgresql"]["parameters"] == {"log_timezone": "b"}


def test_options_of_initdb_with_the_same_value_are_kept_apart() -> None:
    args = "--lc-collate C --lc-ctype C -E UTF8 --wal-segsize=32 --icu-rules '' --no-sync"
    expected = ["--lc-collate=C", "--lc-ctype=C", "-EUTF8", "--wal-segsize=32", "--icu-rules=", "--no-sync"]
    assert migrate({"auth": {}, "primary": {"initdb": {"args": args}}}).values["initdb"]["args"] == expected
    found = migrate({"auth": {}, "primary": {"initdb": {"args": "--locale 'C"}}})
    assert said(found, "primary.initdb.args")[0] is Outcome.NONE


def test_an_account_that_kubedb_has_made_is_not_used() -> None:
    def pods(account: str) -> dict[str, Any]:
        return {"podTemplate": {"spec": {"serviceAccountName": account}}}

    assert "serviceAccount" not in migrate(KUBEDB, pods("db")).values
    assert migrate(KUBEDB, pods("own")).values["serviceAccount"] == {"name": "own", "create": False}


def test_unlimited_slots_of_kubedb_have_no_counterpart() -> None:
    found = migrate(KUBEDB, {"replication": {"maxSlotWALKeepSize": -1}})
    assert said(found, "spec.replication.maxSlotWALKeepSize")[1].startswith("a standby that is away for long")
    assert migrate(KUBEDB, {"replication": {"maxSlotWALKeepSize": 5}}).values["replication"] == {"maxSlotWalKeepSize": "5MB"}


def test_the_template_of_cloudnative_pgs_wal_claim() -> None:
    claim = {"accessModes": ["ReadWriteOncePod"], "storageClassName": "fast", "resources": {"requests": {"storage": "5Gi"}}}
    found = migrate(CNPG, {"walStorage": {"pvcTemplate": claim}})
    expected = {"enabled": True, "size": "5Gi", "storageClassName": "fast", "accessModes": ["ReadWriteOncePod"]}
    assert found.values["walVolume"] == expected


@pytest.mark.parametrize(("is_expression", "key"), [(True, "subPathExpr"), (False, "subPath")])
def test_the_folder_in_a_volume_of_zalando(is_expression: bool, key: str) -> None:
    volume = {
        "name": "logs",
        "mountPath": "/logs",
        "subPath": "$(POD_NAME)",
        "isSubPathExpr": is_expression,
        "volumeSource": {"emptyDir": {}},
    }
    found = migrate(ZALANDO, {"additionalVolumes": [volume]})
    assert found.values["extraVolumeMounts"] == [{"name": "logs", "mountPath": "/logs", key: "$(POD_NAME)"}]


def test_nobody_is_in_an_absent_role() -> None:
    roles = [{"name": "gone", "ensure": "absent"}, {"name": "bob", "inRoles": ["gone", "pg_monitor"]}]
    found = migrate(CNPG, {"managed": {"roles": roles}})
    assert found.values["roles"][1] == {"name": "bob", "memberOf": ["pg_monitor"]}
    assert said(found, "spec.managed.roles[1]")[1].endswith("gone is absent, so nobody is in it")


@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ({"postgresqlUsername": "shop", "persistence": {}}, "write them with the keys of a later one"),
        ({"apiVersion": "barmancloud.cnpg.io/v1", "kind": "ObjectStore"}, "set archiver.* to its bucket"),
        ({"apiVersion": "v1", "kind": "Secret"}, "apply it yourself, or leave it out"),
    ],
)
def test_what_is_not_translated_is_said_with_what_to_do(document: dict[str, Any], hint: str) -> None:
    with pytest.raises(InputError) as error:
        migrate(document)
    assert hint in error.value.problems[0]
