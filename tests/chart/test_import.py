"""What the chart renders for an import, and which values it refuses. tests/supervisor/test_import.py runs its program."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

from tests.chart import helm

BOTH = pytest.mark.parametrize("version", helm.VERSIONS)
FROM = {"import.from.host": "old.example.org", "import.from.secretName": "old"}


def job(given: dict[str, Any], **options: Any) -> tuple[str, helm.Object]:
    ((name, found),) = [(name, each) for (kind, name), each in helm.objects(*helm.values(given), **options).items() if kind == "Job"]
    return name, found["spec"]


def environment(given: dict[str, Any]) -> dict[str, str]:
    (container,) = job(given)[1]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def test_without_an_import_nothing_is_there() -> None:
    assert not [key for key in helm.objects() if "import" in key[1] or key[0] == "Job"]
    assert helm.objects(*helm.values({"import.jobs": 4})) == helm.objects()


@BOTH
def test_the_job_runs_the_program_in_the_release_s_own_image_without_rights(version: str) -> None:
    _, spec = job(FROM, version=version)
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == helm.containers(helm.pod()["spec"])["postgres"]["image"]
    assert (pod["automountServiceAccountToken"], pod["restartPolicy"]) == (False, "OnFailure")
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    script = helm.objects(*helm.values(FROM), version=version)["ConfigMap", "ha-postgres-import"]["data"]["import.sh"]
    assert script == resources.files("hapg.chart").joinpath("scripts", "import.sh").read_text()


def test_passwords_are_files_alone() -> None:
    _, spec = job(FROM)
    secrets = {each["name"]: each["secret"]["secretName"] for each in spec["template"]["spec"]["volumes"] if "secret" in each}
    assert secrets == {"source": "old", "secret": "ha-postgres-auth"}
    assert not [name for name in environment(FROM) if "PASS" in name]


def test_its_settings_are_its_environment() -> None:
    given = {**FROM, "import.from.port": 5433, "import.databases": ["app", "odd name"], "import.roles": False, "import.jobs": 4}
    found = environment(given)
    assert found["HAPG_SOURCE_HOST"] == "old.example.org"
    assert found["HAPG_SOURCE_PORT"] == "5433"
    assert found["HAPG_DATABASES"].splitlines() == ["app", "odd name"]
    assert (found["HAPG_ROLES"], found["HAPG_JOBS"]) == ("false", "4")
    assert found["HAPG_TARGET_HOST"] == "ha-postgres"


def test_another_import_is_another_job_because_a_job_cannot_be_changed() -> None:
    names = [job(given)[0] for given in (FROM, {**FROM, "import.jobs": 4}, {**FROM, "image.tag": "15.9"}, FROM)]
    assert names[0] == names[3]
    assert len(set(names)) == 3
    assert len(job({**FROM, "fullnameOverride": "a" * 52})[0]) <= 63


def test_a_paused_release_imports_later() -> None:
    assert job({**FROM, "pause": True})[1]["suspend"] is True


def test_the_scratch_volume_may_be_a_claim_for_the_time_of_the_job() -> None:
    volumes = {each["name"]: each for each in job({**FROM, "import.scratch.size": "30Gi"})[1]["template"]["spec"]["volumes"]}
    claim = volumes["scratch"]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "30Gi"}}}


def test_a_policy_with_clients_lets_the_job_in() -> None:
    given = {**FROM, "networkPolicy.enabled": True, "networkPolicy.clients": [{"podSelector": {}}]}
    policy = helm.objects(*helm.values(given))["NetworkPolicy", "ha-postgres"]["spec"]
    selectors = [each["podSelector"].get("matchLabels", {}) for each in policy["ingress"][1]["from"]]
    labels = job(given)[1]["template"]["metadata"]["labels"]
    assert [each for each in selectors if each and each.items() <= labels.items()]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"import.from.host": "db"}, "import.from.secretName: missing; a Secret with username and password of the source"),
        ({"import.databases": ["app"]}, "import: from.secretName and databases have no effect without import.from.host; set it"),
        ({**FROM, "import.jobs": 0}, "jobs"),
        ({**FROM, "import.scratch.size": "much"}, "size"),
        ({**FROM, "import.databases": ["a\nb"]}, "databases"),
    ],
)
@BOTH
def test_what_of_an_import_is_refused(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*helm.values(given), version=version)


LOGICAL = {**FROM, "import.method": "logical"}


def hooks(given: dict[str, Any], **options: Any) -> list[str]:
    found = helm.objects(*helm.values(given), **options).values()
    return [each["metadata"]["name"] for each in found if (each["metadata"].get("annotations") or {}).get("helm.sh/hook") == "pre-delete"]


@BOTH
def test_an_import_by_logical_replication_has_a_program_and_steps_of_its_own(version: str) -> None:
    data = helm.objects(*helm.values(LOGICAL), version=version)["ConfigMap", "ha-postgres-import"]["data"]
    assert data["logical.sh"] == resources.files("hapg.chart").joinpath("scripts", "logical.sh").read_text()
    steps = [environment({**LOGICAL, "import.step": step}) for step in ("follow", "finish", "abort")]
    assert [each["HAPG_STEP"] for each in steps] == ["follow", "finish", "abort"]
    assert (steps[0]["HAPG_METHOD"], steps[0]["HAPG_RELEASE"]) == ("logical", "demo/ha-postgres")
    assert len({job({**LOGICAL, "import.step": step})[0] for step in ("follow", "finish", "abort")}) == 3, "each step is another Job"
    assert "HAPG_METHOD" not in environment(FROM)
    assert "logical.sh" not in helm.objects(*helm.values(FROM))["ConfigMap", "ha-postgres-import"]["data"]


def test_an_import_by_logical_replication_changes_no_pod_unless_the_servers_need_the_ca() -> None:
    for mode in ("prefer", "require"):
        assert helm.pod(*helm.values({**LOGICAL, "import.from.sslMode": mode})) == helm.pod()
    given = {**LOGICAL, "import.from.sslMode": "verify-full"}
    spec = helm.pod(*helm.values(given))["spec"]
    (volume,) = [each["secret"] for each in spec["volumes"] if each["name"] == "import-ca"]
    assert volume == {"secretName": "old", "items": [{"key": "ca.crt", "path": "ca.crt"}], "optional": True, "defaultMode": 0o440}
    mounts = {
        name: [m["mountPath"] for m in each["volumeMounts"] if m["name"] == "import-ca"] for name, each in helm.containers(spec).items()
    }
    assert {name: paths for name, paths in mounts.items() if paths} == {"postgres": ["/etc/hapg/import-ca"]}
    assert environment(given)["HAPG_SERVER_CA"] == "/etc/hapg/import-ca/ca.crt"
    taken = {**given, "extraVolumes": [{"name": "import-ca", "emptyDir": {}}]}
    assert "extraVolumes: the name import-ca is the chart's own" in helm.refusal(*helm.values(taken))


def test_a_policy_lets_the_servers_reach_the_source_that_they_follow() -> None:
    rule = {"ports": [{"protocol": "TCP", "port": 5433}]}
    for given, there in ((LOGICAL, True), (FROM, False)):
        values = {**given, "import.from.port": 5433, "networkPolicy.enabled": True}
        policy = helm.objects(*helm.values(values))["NetworkPolicy", "ha-postgres"]
        assert (rule in policy["spec"]["egress"]) is there


@BOTH
def test_a_release_that_imports_by_following_is_not_uninstalled(version: str) -> None:
    assert hooks(LOGICAL, version=version) == [
        "databases may still follow their source, which would keep WAL for them for good. First run: helm upgrade ha-postgres CHART "
        "--namespace demo --reuse-values --set import.step=abort, or finish (Argo CD/Flux: in Git)"
    ]
    for given in (FROM, {**LOGICAL, "import.step": "finish"}, {**LOGICAL, "import.step": "abort"}):
        assert not hooks(given, version=version)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({**FROM, "import.step": "finish"}, "import.step: finish has no effect with import.method: dump; only logical has steps"),
        ({**LOGICAL, "import.step": "stop"}, "step"),
        ({**FROM, "import.method": "copy"}, "method"),
    ],
)
@BOTH
def test_what_of_an_import_by_logical_replication_is_refused(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*helm.values(given), version=version)


def test_an_import_by_logical_replication_into_9_6_is_refused() -> None:
    done = helm.run("helm3", "template", "ha-postgres", str(helm.ROOT / "charts" / "ha-postgres-9.6"), *helm.values(LOGICAL))
    assert "import.method: logical needs PostgreSQL 10, and this chart is of 9.6; use dump" in done.stderr
