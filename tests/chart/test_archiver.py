"""What the chart renders for an archiver, backups and a restore, and which values it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hapg.cli import main
from hapg.spec.restrictions import ARCHIVER_SETS
from hapg.spec.version_profiles import PROFILES
from hapg_backup.core import settings as backup_settings
from hapg_backup.core.state import METRICS, PREFIX
from tests.chart import helm

BOTH = pytest.mark.parametrize("version", helm.VERSIONS)
TABLE = pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)
S3: dict[str, Any] = {"archiver": {"type": "s3", "bucket": "backups", "secretName": "s3-secret"}}
POSIX: dict[str, Any] = {"archiver": {"type": "posix", "claimName": "archive"}}
SCHEDULES: dict[str, Any] = {"backup": {"schedules": {"full": "0 1 * * 0", "differential": "0 1 * * 1-6", "incremental": "@every 4h"}}}
RESTORE: dict[str, Any] = {"restore": {"enabled": True, "stanza": "old-1a2b3c4d"}}
WITHOUT_ARCHIVE = helm.ROOT / "charts" / "ha-postgres-19"
WHY = PROFILES["19"].no_archive
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


def merged(*documents: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for document in documents:
        for key, value in document.items():
            both = isinstance(value, dict) and isinstance(found.get(key), dict)
            found[key] = merged(found[key], value) if both else value
    return found


def flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted path, because --set-json replaces a whole object and would drop its defaults."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def options(*documents: dict[str, Any]) -> tuple[str, ...]:
    return helm.values(flat(merged(*documents)))


def backup_json(*documents: dict[str, Any]) -> dict[str, Any]:
    """What the chart writes for the container, which its own program can read."""
    text = helm.objects(*options(*documents))["ConfigMap", "ha-postgres-config"]["data"]["backup.json"]
    assert backup_settings.read(text).unknown == ()
    found: dict[str, Any] = json.loads(text)
    return found


def containers(*documents: dict[str, Any]) -> dict[str, helm.Object]:
    return helm.containers(helm.pod(*options(*documents))["spec"])


def mounts(container: helm.Object) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


def cron_jobs(*documents: dict[str, Any]) -> dict[str, helm.Object]:
    return {name: each["spec"] for (kind, name), each in helm.objects(*options(*documents)).items() if kind == "CronJob"}


# --- a major that pgBackRest does not support ---


@BOTH
@pytest.mark.parametrize(
    ("given", "path"), [(S3, "archiver.type"), (merged(RESTORE, {"restore": {"source": S3["archiver"]}}), "restore.enabled")]
)
def test_the_chart_of_a_major_without_archive_refuses_it(given: dict[str, Any], path: str, version: str) -> None:
    said = helm.refusal(*options(given), version=version, chart=WITHOUT_ARCHIVE)
    [line] = [line for line in said.splitlines() if line.startswith("- at ")]
    assert line == f"- at '/{path.replace('.', '/')}': value must be 'left out, because {WHY}'"


@BOTH
def test_its_templates_refuse_the_same_and_schedules_without_a_repository(version: str) -> None:
    everything = ("--skip-schema-validation", *options(S3, RESTORE, SCHEDULES, {"backup": {"verify": {"schedule": "@daily"}}}))
    schedules = [f"backup.schedules.{kind}" for kind in ("differential", "full", "incremental")]
    for given, paths in (
        (everything, ["archiver.type", *schedules, "backup.verify.schedule", "restore.enabled"]),
        (options(SCHEDULES), schedules),
    ):
        said = helm.refusal(*given, version=version, chart=WITHOUT_ARCHIVE)
        assert [line for line in said.splitlines() if ": must be" in line] == [f"{path}: must be left out, because {WHY}" for path in paths]
        assert "missing" not in said


# --- without an archiver ---


def test_without_an_archiver_nothing_is_there() -> None:
    found = helm.objects()
    assert not [key for key in found if "backup" in key[1] or key[0] == "CronJob"]
    assert "backup.json" not in found["ConfigMap", "ha-postgres-config"]["data"]
    assert "backup" not in json.loads(found["ConfigMap", "ha-postgres-config"]["data"]["failover.json"])
    assert "archive" not in found["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
    assert "backup" not in helm.containers(helm.pod()["spec"])


@pytest.mark.parametrize("given", [{"archiver.compression": "lz4"}, {"backup.processMax": 4}, {"backupImage.tag": "1"}])
def test_without_an_archiver_its_settings_change_nothing(given: dict[str, object]) -> None:
    assert helm.objects(*helm.values(given)) == helm.objects()


# --- archive ---


def test_the_server_hands_its_wal_over() -> None:
    conf = helm.objects(*options(S3))["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"].splitlines()
    for line in (
        "archive_mode = always",
        "archive_command = 'bash /etc/hapg/supervisor/pgbackrest.sh push %f'",
        "archive_timeout = '60s'",
    ):
        assert line in conf
    assert not [line for line in conf if line.startswith("restore_command")]


def test_the_archive_timeout_may_be_changed() -> None:
    given = options(S3, {"postgresql": {"parameters": {"archive_timeout": "10s"}}})
    conf = helm.objects(*given)["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"].splitlines()
    found = [line for line in conf if line.startswith("archive_timeout")]
    assert found == ["archive_timeout = '60s'", "archive_timeout = '10s'"]
    assert helm.pod(*given) == helm.pod(*options(S3)), "a reload is enough"


def test_an_archiver_replaces_the_pods() -> None:
    """They get another container; a restart of their servers alone would not do."""
    assert helm.pod(*options(S3))["spec"] != helm.pod()["spec"]


def test_where_an_archive_is_restarts_no_server() -> None:
    """Only Secrets and claims belong to the pods."""
    other = {"archiver": {"bucket": "other", "path": "/x", "compression": "gz"}, "backup": {"retention": {"full": 5}}, **SCHEDULES}
    assert helm.pod(*options(S3, other)) == helm.pod(*options(S3))


def test_the_container() -> None:
    spec = helm.pod(*options(S3))["spec"]
    assert [each["name"] for each in spec["initContainers"]] == ["prepare", "failover", "backup"]
    container = spec["initContainers"][-1]
    assert (container["restartPolicy"], container["args"], container["image"]) == ("Always", ["run"], "ha-postgres-backup:0.1.0")
    assert container["ports"] == [{"name": "backup", "containerPort": 8011}]
    live = container["livenessProbe"]
    assert (live["httpGet"], live["periodSeconds"], live["failureThreshold"]) == ({"path": "/livez", "port": "backup"}, 10, 6)
    assert not {"readinessProbe", "startupProbe"} & container.keys(), "trouble with the archive must not take pods out of service"
    assert mounts(container) == {
        "/var/lib/postgresql/data": "data",
        "/run/hapg": "run",
        "/etc/hapg/config": "config",
        "/tmp": "tmp",
        "/etc/hapg/backup-key": "backup-key",
        "/etc/hapg/repository": "repository-credentials",
    }
    assert [entry["name"] for entry in container["env"]] == ["POD_NAME"]


def test_with_a_wal_volume_the_container_has_it() -> None:
    container = containers(S3, {"walVolume": {"enabled": True}})["backup"]
    assert mounts(container)["/var/lib/postgresql/wal"] == "wal"
    assert {"name": "HAPG_WAL_VOLUME", "value": "/var/lib/postgresql/wal"} in container["env"]


def test_the_image_of_the_container() -> None:
    given = {"backupImage": {"registry": "r.example", "tag": "1.2"}}
    assert containers(S3, given)["backup"]["image"] == "r.example/ha-postgres-backup:1.2"
    digest = f"sha256:{'0' * 64}"
    given = {"backupImage": {"digest": digest}, "global": {"imageRegistry": "mirror.example"}}
    assert containers(S3, given)["backup"]["image"] == f"mirror.example/ha-postgres-backup:0.1.0@{digest}"


@pytest.mark.parametrize("given", [merged(S3, {"archiver": {"cipherSecretName": "cipher"}}), POSIX, merged(POSIX, RESTORE)])
def test_credentials_of_the_archive_reach_its_container_alone(given: dict[str, Any]) -> None:
    found = containers(given)
    own = {"repository-credentials", "backup-key", "repository", "source-repository", "source-repository-credentials"}
    for name, container in found.items():
        if name != "backup":
            assert not own & set(mounts(container).values()), name
    assert TOKEN not in mounts(found["backup"])
    assert TOKEN not in mounts(found["postgres"])
    assert not [entry for container in found.values() for entry in container.get("env", []) if "secretKeyRef" in str(entry)]


def volume(name: str, *documents: dict[str, Any]) -> helm.Object:
    found: helm.Object
    (found,) = [each for each in helm.pod(*options(*documents))["spec"]["volumes"] if each["name"] == name]
    return found


def test_a_missing_secret_stops_no_pod() -> None:
    """The container reports it; a pod that can't start would be worse than an archive that doesn't work."""
    sources = volume("repository-credentials", S3, {"archiver": {"cipherSecretName": "cipher"}})["projected"]
    assert sources["defaultMode"] == 0o440
    assert [source["secret"] for source in sources["sources"]] == [
        {"name": "s3-secret", "optional": True},
        {"name": "cipher", "optional": True, "items": [{"key": "CIPHER_PASS", "path": "CIPHER_PASS"}]},
    ]
    key = volume("backup-key", S3)["secret"]
    assert key == {"secretName": "ha-postgres-backup", "optional": True, "defaultMode": 0o440}


def test_the_pods_may_read_the_key_that_they_make() -> None:
    rules = helm.objects(*options(S3))["Role", "ha-postgres"]["rules"]
    assert rules[-1]["resourceNames"] == ["ha-postgres-auth", "ha-postgres-replication", "ha-postgres-backup"]
    assert rules[-1]["verbs"] == ["get"]


# --- backup.json ---


@pytest.mark.parametrize("example", ["s3", "restored"])
def test_the_container_reads_what_the_chart_writes(example: str) -> None:
    found = helm.objects(*helm.example(example))
    (data,) = [each["data"] for (kind, name), each in found.items() if kind == "ConfigMap" and name.endswith("-config")]
    assert backup_settings.read(data["backup.json"]).unknown == ()


@pytest.mark.parametrize(
    ("given", "repository"),
    [
        (
            {"type": "s3", "bucket": "b", "secretName": "s", "region": "eu-west-1", "cipherSecretName": "c"},
            {
                "type": "s3",
                "bucket": "b",
                "region": "eu-west-1",
                "uriStyle": "host",
                "path": "/ha-postgres/demo",
                "verifyTls": True,
                "encryption": True,
            },
        ),
        (
            {"type": "gcs", "bucket": "b", "secretName": "s", "path": "/x", "endpoint": "gcs.example:8443", "verifyTls": False},
            {"type": "gcs", "bucket": "b", "endpoint": "gcs.example:8443", "path": "/x", "verifyTls": False, "encryption": False},
        ),
        (
            {"type": "azure", "bucket": "c", "secretName": "s", "uriStyle": "path"},
            {"type": "azure", "bucket": "c", "uriStyle": "path", "path": "/ha-postgres/demo", "verifyTls": True, "encryption": False},
        ),
        (
            {"type": "posix", "claimName": "archive", "path": "/x"},
            {"type": "local", "path": "/repository/x", "encryption": False},
        ),
    ],
)
def test_the_archive_as_its_container_is_told(given: dict[str, Any], repository: dict[str, Any]) -> None:
    found = backup_json({"archiver": given})
    assert found == {
        "name": "ha-postgres",
        "repository": repository,
        "restore": None,
        "retention": {"full": 2, "diff": 0, "days": 0},
        "compression": {"type": "zst"},
        "processMax": 1,
    }


def test_a_shared_volume_is_mounted_as_an_archive() -> None:
    container = containers(POSIX)["backup"]
    assert mounts(container)["/repository"] == "repository"
    assert volume("repository", POSIX) == {"name": "repository", "persistentVolumeClaim": {"claimName": "archive"}}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ({}, {"type": "latest"}),
        (
            {"type": "time", "value": "2026-12-01 10:00:00+00"},
            {"type": "time", "target": "2026-12-01 10:00:00+00", "inclusive": True},
        ),
        ({"type": "lsn", "value": "0/3000148", "inclusive": False}, {"type": "lsn", "target": "0/3000148", "inclusive": False}),
        ({"type": "name", "value": "before the change"}, {"type": "name", "target": "before the change"}),
        ({"type": "xid", "value": "1234", "timeline": 5}, {"type": "xid", "target": "1234", "inclusive": True, "timeline": 5}),
        ({"type": "backup", "value": "20261201-010000F"}, {"type": "immediate", "backup": "20261201-010000F"}),
    ],
)
@TABLE
def test_the_restore_as_its_container_is_told(target: dict[str, Any], told: dict[str, Any], version: str) -> None:
    given = options(S3, RESTORE, {"restore": {"target": target}})
    data = helm.objects(*given, version=version)["ConfigMap", "ha-postgres-config"]["data"]
    assert backup_settings.read(data["backup.json"]).unknown == ()
    assert json.loads(data["backup.json"])["restore"] == {"stanza": "old-1a2b3c4d", "repository": None, **told}
    assert json.loads(data["failover.json"])["bootstrap"] == "restore"


def test_a_restore_from_another_repository_never_writes_to_it() -> None:
    given = (S3, RESTORE, {"restore": {"source": {"type": "posix", "claimName": "old", "path": "/production"}}})
    assert backup_json(*given)["restore"]["repository"] == {"type": "local", "path": "/source-repository/production", "encryption": False}
    (mount,) = [each for each in containers(*given)["backup"]["volumeMounts"] if each["name"] == "source-repository"]
    assert mount == {"name": "source-repository", "mountPath": "/source-repository", "readOnly": True}
    assert volume("source-repository", *given)["persistentVolumeClaim"] == {"claimName": "old", "readOnly": True}


def test_a_restore_without_an_archiver_archives_nothing() -> None:
    given = (RESTORE, {"restore": {"source": {"type": "s3", "bucket": "b", "secretName": "old"}}})
    assert backup_json(*given)["repository"] is None
    data = helm.objects(*options(*given))["ConfigMap", "ha-postgres-config"]["data"]
    assert "archive_mode" not in data["postgresql.conf"]
    assert mounts(containers(*given)["backup"])["/etc/hapg/source-repository"] == "source-repository-credentials"
    assert not cron_jobs(*given)
    assert ("Service", "ha-postgres-backup") not in helm.objects(*options(*given))


# --- backups ---


def test_schedules_of_backups_are_cron_jobs() -> None:
    found = cron_jobs(S3, SCHEDULES)
    assert {name: spec["schedule"] for name, spec in found.items()} == {
        "ha-postgres-backup-full": "0 1 * * 0",
        "ha-postgres-backup-diff": "0 1 * * 1-6",
        "ha-postgres-backup-incr": "@every 4h",
    }
    for name, spec in found.items():
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["jobTemplate"]["spec"]["backoffLimit"] == 2
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        assert (pod["automountServiceAccountToken"], pod["restartPolicy"]) == (False, "Never")
        (container,) = pod["containers"]
        assert container["args"] == ["request", name.rpartition("-")[2]]
        assert container["env"] == [{"name": "HAPG_BACKUP_URL", "value": "http://ha-postgres-backup.demo.svc:8011"}]
        assert mounts(container) == {"/etc/hapg/backup-key": "backup-key"}
        (key,) = pod["volumes"]
        assert key["secret"] == {"secretName": "ha-postgres-backup", "defaultMode": 0o440}


def test_without_a_schedule_there_is_no_cron_job() -> None:
    assert cron_jobs(S3) == {}


def test_pods_of_backup_jobs_satisfy_pod_security_restricted() -> None:
    for spec in cron_jobs(S3, SCHEDULES).values():
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["securityContext"] == helm.pod()["spec"]["securityContext"]
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_pods_of_backup_jobs_are_scheduled_as_the_servers_pods() -> None:
    given = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}], "imagePullSecrets": [{"name": "r"}]}
    for spec in cron_jobs(S3, SCHEDULES, given).values():
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        assert {key: pod[key] for key in given} == given


def test_the_service_of_backups_leads_to_the_primary_and_is_no_clients() -> None:
    service = helm.objects(*options(S3))["Service", "ha-postgres-backup"]
    assert service["spec"]["selector"] == {
        "kubedb.com/kind": "Postgres",
        "kubedb.com/name": "ha-postgres",
        "kubedb.com/role": "primary",
    }
    assert [port["port"] for port in service["spec"]["ports"]] == [8011]
    assert "kubedb.com/name" not in service["metadata"]["labels"]


def test_pods_of_backup_jobs_are_not_selected_as_servers() -> None:
    selector = helm.objects(*options(S3))["Service", "ha-postgres-backup"]["spec"]["selector"]
    for spec in cron_jobs(S3, SCHEDULES).values():
        labels = spec["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
        assert not set(selector.items()) <= set(labels.items())


def test_names_of_backup_objects_are_valid_for_the_longest_release_name() -> None:
    """The API server refuses a CronJob whose name has more than 52 characters, and a Service with more than 63."""
    monitored = {"monitor": {"agent": "prometheus.io/builtin"}}
    names = []
    for name in ("a" * 51 + "b", "a" * 51 + "c"):
        found = helm.objects(*options(S3, SCHEDULES, monitored, {"fullnameOverride": name}))
        jobs = [own for kind, own in found if kind == "CronJob"]
        assert [len(own) for own in jobs] == [52] * len(SCHEDULES["backup"]["schedules"])
        assert max(len(own) for kind, own in found if kind == "Service") <= 63
        names += jobs
    assert len(set(names)) == len(names)
    assert "a" * 40 + "-backup-full" in cron_jobs(S3, SCHEDULES, {"fullnameOverride": "a" * 40})


# --- network and metrics ---


def policy(*documents: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = helm.objects(*options({"networkPolicy": {"enabled": True}}, *documents))["NetworkPolicy", "ha-postgres"]["spec"]
    return found


def test_a_network_policy_lets_backup_jobs_in_and_the_archive_be_reached() -> None:
    found = policy(S3, {"archiver": {"endpoint": "minio.storage:9000"}})
    assert {"ports": [{"protocol": "TCP", "port": 8011}]} in found["ingress"]
    assert {"ports": [{"protocol": "TCP", "port": 9000}]} in found["egress"]
    assert not [rule for rule in policy(S3)["egress"] if {"protocol": "TCP", "port": 9000} in rule["ports"]]


def test_where_the_readers_of_metrics_are_listed_backup_jobs_come_in_too() -> None:
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    rules = policy(S3, SCHEDULES, {"networkPolicy": {"metrics": [monitoring]}})["ingress"]
    (rule,) = [rule for rule in rules if rule["ports"] == [{"protocol": "TCP", "port": 8011}]]
    (listed, jobs) = rule["from"]
    assert listed == monitoring
    for spec in cron_jobs(S3, SCHEDULES).values():
        labels = spec["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
        assert jobs["podSelector"]["matchLabels"].items() <= labels.items()


def test_the_ports_of_both_repositories_are_open_for_a_restore() -> None:
    source = {"type": "s3", "bucket": "b", "secretName": "s", "endpoint": "old.storage:9001"}
    found = policy(S3, RESTORE, {"archiver": {"endpoint": "minio.storage:9000"}, "restore": {"source": source}})
    assert {"ports": [{"protocol": "TCP", "port": 9000}, {"protocol": "TCP", "port": 9001}]} in found["egress"]


@pytest.mark.parametrize("agent", ["prometheus.io/builtin", "prometheus.io/coreos-operator"])
def test_metrics_of_the_archive_are_scraped(agent: str) -> None:
    found = helm.objects(*options(S3, {"monitor": {"agent": agent}}))
    service = found["Service", "ha-postgres-backup-stats"]
    assert service["spec"]["ports"] == [{"name": "metrics", "port": 8011, "targetPort": "backup", "appProtocol": "http"}]
    if agent == "prometheus.io/builtin":
        assert service["metadata"]["annotations"]["prometheus.io/port"] == "8011"
        assert found["Service", "ha-postgres-stats"]["metadata"]["annotations"]["prometheus.io/port"] == "8008"
    else:
        selected = found["ServiceMonitor", "ha-postgres"]["spec"]
        assert selected["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert [endpoint["port"] for endpoint in selected["endpoints"]] == ["metrics"]


def test_the_metrics_of_the_archive_are_documented() -> None:
    page = (helm.ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    listed = re.findall(rf"^\| `{PREFIX}((?:archive|backup)_\w+)", page, re.MULTILINE)
    assert listed == [metric.name for metric in METRICS]


# --- refusals ---


@TABLE
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"archiver": {"type": "s3"}}, "archiver: type s3 needs bucket\narchiver: type s3 needs secretName\n"),
        ({"archiver": {"type": "posix"}}, "archiver: type posix needs claimName, a claim that all pods share (ReadWriteMany)"),
        (merged(POSIX, {"archiver": {"bucket": "b"}}), "archiver.bucket: type posix has none; remove it"),
        (merged(S3, {"archiver": {"claimName": "c"}}), "archiver.claimName: only type posix has a claim, and type is s3"),
        (
            {"archiver": {"bucket": "b"}},
            "archiver.type: missing for archiver.bucket; s3, gcs, azure or posix",
        ),
        (
            merged(SCHEDULES, {"archiver": {"bucket": "b", "secretName": "s"}}),
            "archiver.type: missing for archiver.bucket, archiver.secretName, backup.schedules.differential, backup.schedules.full, "
            "backup.schedules.incremental; s3, gcs, azure or posix\n\n",
        ),
        *(
            (
                merged(S3, {"postgresql": {"parameters": {name: "x"}}}),
                f"postgresql.parameters.{name}: can't be set, because archiver.type sets how WAL is archived; remove one of them",
            )
            for name in ARCHIVER_SETS
        ),
        (
            merged(S3, {"restore": {"enabled": True}}),
            "restore.stanza: missing; the stanza of the release to restore, as `hapg backup list` prints it",
        ),
        (RESTORE, "restore: there is no repository to restore from; set restore.source, or archiver if it is the same"),
        (
            merged(S3, RESTORE, {"restore": {"source": {"type": "s3"}}}),
            "restore.source: type s3 needs bucket\nrestore.source: type s3 needs secretName",
        ),
        (
            merged(S3, RESTORE, {"restore": {"source": {"path": "/x"}}}),
            "restore.source.type: missing for restore.source.path; s3, gcs, azure or posix",
        ),
        *(
            (
                merged(S3, RESTORE, {"restore": {"stanza": "ha-postgres", **source}}),
                "restore.stanza: ha-postgres is the name of this release itself, which archives to the same path; a release is never "
                "restored from its own archive: give the stanza in full, with the id that `hapg backup list` prints",
            )
            for source in ({}, {"source": {"type": "s3", "bucket": "backups", "secretName": "other", "path": "/ha-postgres/demo"}})
        ),
        (
            merged(S3, RESTORE, {"restore": {"target": {"value": "x"}}}),
            'restore.target.value: "x" has no effect with type latest; set restore.target.type, or remove it',
        ),
        (
            merged(S3, RESTORE, {"restore": {"target": {"type": "time"}}}),
            "restore.target.value: missing; type time needs a time with its offset from UTC, such as 2026-12-01 10:00:00+00",
        ),
        *(
            (
                merged(S3, RESTORE, {"restore": {"target": {"type": type, "value": value}}}),
                f'restore.target.value: "{value}" is not {words}',
            )
            for type, value, words in (
                ("time", "2026-12-01 10:00:00", "a time with its offset from UTC, such as 2026-12-01 10:00:00+00"),
                ("lsn", "3000148", "a WAL position, such as 0/3000148"),
                ("xid", "0", "a transaction's number, such as 1234"),
                ("name", " x", "the name of a restore point"),
                ("backup", "latest", "the label of a backup, such as 20261201-010000F"),
            )
        ),
        (merged(S3, {"extraVolumes": [{"name": "repository", "emptyDir": {}}]}), "extraVolumes: the name repository is the chart's own"),
        (merged(S3, {"extraContainers": [{"name": "backup"}]}), "extraContainers: the name backup is the chart's own"),
    ],
)
def test_the_templates_refuse_of_archiver_backup_and_restore(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*options(given), version=version)


@TABLE
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"archiver": {"type": "swift"}}, "- at '/archiver/type': value must be one of '', 's3', 'gcs', 'azure', 'posix'"),
        ({"archiver": {"bukket": "b"}}, "- at '/archiver': additional properties 'bukket' not allowed"),
        ({"archiver": {"endpoint": "https://minio:9000"}}, "- at '/archiver/endpoint': 'https://minio:9000' does not match pattern"),
        ({"archiver": {"path": "/a/../b"}}, "- at '/archiver/path': '/a/../b' does not match pattern"),
        ({"archiver": {"compression": "lzo"}}, "- at '/archiver/compression': value must be one of"),
        (
            {"backup": {"schedules": {"full": "at night"}}},
            "- at '/backup/schedules/full': value must be 'a cron expression of five fields (minute, hour, day of month, month, "
            "day of week) such as 0 1 * * 0, or @daily and the like, or @every 6h'",
        ),
        ({"backup": {"retention": {"full": 0}}}, "- at '/backup/retention/full': minimum: got 0, want 1"),
        ({"backup": {"processMax": 17}}, "- at '/backup/processMax': maximum: got 17, want 16"),
        ({"restore": {"target": {"type": "now"}}}, "- at '/restore/target/type': value must be one of"),
        ({"restore": {"target": {"value": "a\nb"}}}, "- at '/restore/target/value': 'a\\nb' does not match pattern"),
    ],
)
def test_the_schema_refuses_of_archiver_backup_and_restore(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*options(given), version=version)


def test_a_full_stanza_of_a_former_release_of_that_name_is_taken() -> None:
    assert backup_json(S3, RESTORE, {"restore": {"stanza": "ha-postgres-1a2b3c4d"}})["restore"]["stanza"] == "ha-postgres-1a2b3c4d"


def test_an_archive_command_of_ones_own_needs_no_archiver() -> None:
    assert helm.objects(*helm.example("archived"))


# --- secrets, upgrades, specs ---


@pytest.mark.parametrize("example", ["s3", "restored"])
def test_no_credential_of_an_archive_is_rendered(example: str) -> None:
    text = helm.text(*helm.example(example))
    assert not [document for document in helm.documents(text) if document["kind"] == "Secret"]
    for word in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "repo1-s3-key", "secretKeyRef:\n              name: s3"):
        assert word not in text


def test_an_archiver_for_a_release_that_exists_restarts_its_pods_and_changes_nothing_immutable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.yaml").write_text(helm.text())
    (tmp_path / "new.yaml").write_text(helm.text(*options(S3, SCHEDULES)))
    assert main(["diff", str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")]) == 13
    assert capsys.readouterr().out.endswith("worst: switchover\n")


def test_another_repository_of_an_archive_reloads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.yaml").write_text(helm.text(*options(S3, RESTORE)))
    (tmp_path / "new.yaml").write_text(helm.text(*options(S3, RESTORE, {"archiver": {"bucket": "other"}, "restore": {"stanza": "x"}})))
    assert main(["diff", str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")]) == 11
    said = capsys.readouterr().out
    assert 'data.backup.json.repository.bucket: "backups" -> "other" (reload: WAL goes to another place from now on' in said
    assert 'data.backup.json.restore.stanza: "old-1a2b3c4d" -> "x" (nothing: ' in said


def test_without_its_archiver_the_service_of_backups_goes_and_nobody_minds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.yaml").write_text(helm.text(*options(S3)))
    (tmp_path / "new.yaml").write_text(helm.text())
    main(["diff", str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")])
    assert "Service/ha-postgres-backup in demo: nothing\n  is removed\n" in capsys.readouterr().out


@BOTH
def test_a_chart_of_kubedbs_object_with_archive_and_backup(tmp_path: Path, version: str) -> None:
    storage = {"storageSecretName": "s3-secret", "s3": {"bucket": "kubedb"}}
    document = {
        "apiVersion": "kubedb.com/v1alpha1",
        "kind": "Postgres",
        "metadata": {"name": "wal-postgres"},
        "spec": {
            "version": "9.6",
            "replicas": 2,
            "archiver": {"storage": storage},
            "backupSchedule": {"cronExpression": "@every 6h", **storage},
        },
    }
    (tmp_path / "pg.yaml").write_text(yaml.safe_dump(document))
    assert main(["generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path)]) == 0
    done = helm.run(version, "template", "wal-postgres", str(tmp_path / "wal-postgres"), "--namespace", "demo")
    assert done.returncode == 0, done.stderr
    found = {each["kind"]: each for each in helm.documents(done.stdout)}
    assert found["CronJob"]["spec"]["schedule"] == "@every 6h"
