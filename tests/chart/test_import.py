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
