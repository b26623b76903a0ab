"""What the chart renders for verified restores of backups, and which values it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hapg.chart.fixed_settings import BACKUP_PORT
from hapg.spec.version_profiles import PROFILES
from hapg_backup.verifier import SCRIPTS
from tests.chart import helm
from tests.chart.test_archiver import POSIX, RESTORE, S3, SCHEDULES, cron_jobs, merged, mounts, options, policy

BOTH = pytest.mark.parametrize("version", helm.VERSIONS)
NAME = "ha-postgres-backup-verify"
VERIFY: dict[str, Any] = {"backup": {"verify": {"schedule": "0 6 * * *"}}}


def verify(*documents: dict[str, Any]) -> helm.Object:
    """The CronJob's spec."""
    return cron_jobs(S3, VERIFY, *documents)[NAME]


def pod(*documents: dict[str, Any]) -> helm.Object:
    found: helm.Object = verify(*documents)["jobTemplate"]["spec"]["template"]
    return found


def both(*documents: dict[str, Any]) -> dict[str, helm.Object]:
    return helm.containers(pod(*documents)["spec"])


def scratch(*documents: dict[str, Any]) -> helm.Object:
    found: helm.Object
    (found,) = [each for each in pod(*documents)["spec"]["volumes"] if each["name"] == "scratch"]
    return found


def test_without_its_schedule_no_restore_is_verified() -> None:
    assert set(cron_jobs(S3, SCHEDULES)) == {f"ha-postgres-backup-{kind}" for kind in ("full", "diff", "incr")}


def test_a_verified_restore_is_a_cron_job() -> None:
    spec = verify()
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("0 6 * * *", "Forbid")
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 1
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 86400
    assert "suspend" not in spec
    assert verify({"pause": True})["suspend"] is True


def test_its_pod_restores_with_one_container_and_runs_the_releases_image_in_the_other() -> None:
    found = both()
    (sidecar,) = pod()["spec"]["initContainers"]
    assert (sidecar["name"], sidecar["restartPolicy"], sidecar["args"]) == ("backup", "Always", ["verify"])
    assert sidecar["image"] == "ha-postgres-backup:0.1.0"
    assert sidecar["env"] == [{"name": "HAPG_BACKUP_URL", "value": f"http://ha-postgres-backup.demo.svc:{BACKUP_PORT}"}]
    assert sidecar["startupProbe"]["exec"]["command"] == ["test", "-e", "/run/hapg/backup/listener"]
    server = found["postgres"]
    assert server["image"] == helm.containers(helm.pod()["spec"])["postgres"]["image"]
    assert server["command"] == ["/bin/bash", f"/etc/hapg/supervisor/{SCRIPTS[0].name}"]
    assert {entry["name"]: entry["value"] for entry in server["env"]} == {
        "HAPG_MAJOR": "15",
        "HAPG_BIN": PROFILES["15"].bin_directory,
        "HAPG_DATABASE": "postgres",
        "HAPG_QUERY": "",
    }
    paths = {"/var/lib/postgresql/data": "scratch", "/run/hapg": "run", "/etc/hapg/config": "config", "/etc/hapg/supervisor": "supervisor"}
    assert mounts(server) == {**paths, "/tmp": "tmp"}
    assert mounts(sidecar) == {
        **mounts(server),
        "/etc/hapg/backup-key": "backup-key",
        "/etc/hapg/repository": "repository-credentials",
    }


def test_its_query_may_hold_anything() -> None:
    query = """SELECT "n" = 'it''s' \\ $HOME\nFROM "orders" -- {{ x }}"""
    env = {
        entry["name"]: entry["value"]
        for entry in both({"backup": {"verify": {"query": query, "database": "the orders"}}})["postgres"]["env"]
    }
    assert (env["HAPG_QUERY"], env["HAPG_DATABASE"]) == (query, "the orders")


def test_its_pod_has_no_right_and_satisfies_pod_security_restricted() -> None:
    spec = pod()["spec"]
    assert (spec["automountServiceAccountToken"], spec["restartPolicy"], "serviceAccountName" in spec) == (False, "Never", False)
    assert spec["securityContext"] == helm.pod()["spec"]["securityContext"]
    for container in both().values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert {key for volume in spec["volumes"] for key in volume} == {"name", "ephemeral", "emptyDir", "configMap", "secret", "projected"}


def test_its_pod_is_no_server_of_the_release_and_may_reach_the_primarys_container() -> None:
    selector = helm.objects(*options(S3))["Service", "ha-postgres-backup"]["spec"]["selector"]
    labels = pod()["metadata"]["labels"]
    assert not set(selector) & set(labels)
    given: dict[str, Any] = {"networkPolicy": {"metrics": [{"podSelector": {}}]}}
    (rule,) = [rule for rule in policy(S3, VERIFY, given)["ingress"] if rule["ports"] == [{"protocol": "TCP", "port": BACKUP_PORT}]]
    assert rule["from"][-1]["podSelector"]["matchLabels"].items() <= labels.items()


def test_its_pod_is_scheduled_as_the_servers_pods_and_rather_not_beside_the_primary() -> None:
    given = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}], "imagePullSecrets": [{"name": "r"}]}
    spec = pod(given)["spec"]
    assert {key: spec[key] for key in given} == given
    (preferred,) = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["podAffinityTerm"]["labelSelector"]["matchLabels"]["kubedb.com/role"] == "primary"


def test_the_scratch_volume_is_a_claim_like_the_servers_that_ends_with_the_pod() -> None:
    given = {"storage": {"storageClassName": "fast", "resources": {"requests": {"storage": "20Gi"}}}}
    assert scratch(given)["ephemeral"]["volumeClaimTemplate"]["spec"] == {
        "storageClassName": "fast",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "20Gi"}},
    }
    own = {"backup": {"verify": {"scratch": {"size": "50Gi", "storageClassName": "slow"}}}}
    found = scratch(given, own)["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert (found["storageClassName"], found["resources"]["requests"]["storage"]) == ("slow", "50Gi")
    assert "storageClassName" not in scratch()["ephemeral"]["volumeClaimTemplate"]["spec"], "the cluster's default"


def test_the_scratch_volume_may_be_a_limited_empty_directory() -> None:
    assert scratch({"backup": {"verify": {"scratch": {"type": "emptyDir"}}}})["emptyDir"] == {"sizeLimit": "8Gi"}


def test_a_shared_volume_is_read_by_a_verified_restore() -> None:
    found = cron_jobs(POSIX, VERIFY)[NAME]["jobTemplate"]["spec"]["template"]["spec"]
    assert mounts(found["initContainers"][0])["/repository"] == "repository"
    assert {"name": "repository", "persistentVolumeClaim": {"claimName": "archive"}} in found["volumes"]


def test_a_verified_restore_reads_the_releases_own_archive_and_never_the_one_that_it_was_restored_from() -> None:
    source = {"restore": {"source": {"type": "posix", "claimName": "old", "path": "/production"}}}
    assert "source-repository" not in json.dumps(pod(RESTORE, source))


def test_the_name_of_its_cron_job_is_valid_for_the_longest_release_name() -> None:
    (name,) = cron_jobs(S3, VERIFY, {"fullnameOverride": "a" * 52})
    assert len(name) == 52


def test_status_learns_the_schedules_of_backups_and_restores_from_an_annotation() -> None:
    def annotation(*documents: dict[str, Any]) -> Any:
        found = helm.objects(*options(*documents))["ConfigMap", "ha-postgres-config"]["metadata"].get("annotations", {})
        return json.loads(found.get("ha-postgres/schedules", "null"))

    assert annotation(S3) is None
    assert annotation(S3, SCHEDULES, VERIFY) == {
        "full": "0 1 * * 0",
        "diff": "0 1 * * 1-6",
        "incr": "@every 4h",
        "verify": "0 6 * * *",
    }


def test_a_verified_restore_restarts_no_server() -> None:
    assert helm.pod(*options(S3, VERIFY)) == helm.pod(*options(S3))


@BOTH
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (VERIFY, "archiver.type: missing for backup.verify.schedule; s3, gcs, azure or posix"),
        (
            merged(S3, VERIFY, {"storage": None}),
            "backup.verify.scratch.size: missing; without storage it has no default",
        ),
        (
            merged(S3, {"backup": {"verify": {"query": "SELECT true"}}}),
            "backup.verify.query: has no effect without backup.verify.schedule",
        ),
    ],
)
def test_the_templates_refuse_of_verified_restores(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*options(given), version=version)


@BOTH
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"schedule": "at night"}, "- at '/backup/verify/schedule': value must be 'a cron expression of five fields"),
        ({"scratch": {"type": "hostPath"}}, "- at '/backup/verify/scratch/type': value must be one of 'claim', 'emptyDir'"),
        ({"scratch": {"size": "much"}}, "- at '/backup/verify/scratch/size': 'much' does not match pattern"),
    ],
)
def test_the_schema_refuses_of_verified_restores(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*options(S3, {"backup": {"verify": given}}), version=version)
